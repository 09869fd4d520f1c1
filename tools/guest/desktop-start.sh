#!/bin/sh
# The desktop of the graphical sample guest: X, a window manager, two programs
# and the agent of the clipboard. init.sh runs it in a chroot of the disk.
export HOME=/root SHELL=/bin/bash LANG=C.UTF-8 DISPLAY=:0
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
cd /root || exit
while read -r module; do insmod "$module" 2>/dev/null; done < /usr/lib/modules/desktop

# Nobody manages devices here, so X is told what there is: a keyboard, and the
# tablet that a display's pointer comes by.
# Where the kernel drives the screen its size can change; elsewhere it is the
# firmware's frame buffer.
driver=fbdev
[ ! -e /dev/dri/card0 ] || driver=modesetting
devices() {
  keyboard='' tablet=''
  for e in /sys/class/input/event*; do
    case $(cat "$e/device/name") in
      *[Kk]eyboard*) keyboard=/dev/input/${e##*/} ;;
      *Tablet*) tablet=/dev/input/${e##*/} ;;
    esac
  done
  [ -n "$keyboard" ] && [ -n "$tablet" ]
}
n=100
until devices || [ $((n -= 1)) -lt 0 ]; do sleep 0.1; done
{
  echo 'Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AllowMouseOpenFail" "true"
EndSection
Section "Module"
  Disable "glx"
EndSection
Section "Device"
  Identifier "screen"
  Driver "'$driver'"
  Option "AccelMethod" "none"
EndSection
Section "ServerLayout"
  Identifier "all"'
  [ -z "$keyboard" ] || echo '  InputDevice "keyboard" "CoreKeyboard"'
  [ -z "$tablet" ] || echo '  InputDevice "tablet" "CorePointer"'
  echo EndSection
  for d in keyboard:"$keyboard" tablet:"$tablet"; do
    [ -z "${d#*:}" ] || printf 'Section "InputDevice"\n  Identifier "%s"\n  Driver "evdev"\n  Option "Device" "%s"\nEndSection\n' "${d%%:*}" "${d#*:}"
  done
} > /run/xorg.conf
Xorg :0 -config /run/xorg.conf -logfile /run/Xorg.log -nolisten tcp vt7 >/run/Xorg.out 2>&1 &
n=600
until [ -S /tmp/.X11-unix/X0 ] || [ $((n -= 1)) -lt 0 ]; do sleep 0.1; done
icewm >/run/icewm.out 2>&1 &
xterm -geometry 90x24+60+80 -fa 'DejaVu Sans Mono' -fs 11 -title 'Slipway sample desktop' &
xcalc -geometry 260x340+880+120 &
for p in /sys/class/virtio-ports/*; do
  [ "$(cat "$p/name" 2>/dev/null)" = com.redhat.spice.0 ] || continue
  mkdir -p /run/spice-vdagentd; : > /run/uinput; [ -s /etc/machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
  spice-vdagentd -x -X -f -u /run/uinput -s "/dev/${p##*/}" >/dev/ttyS0 2>&1 &
  n=100
  until [ -S /run/spice-vdagentd/spice-vdagent-sock ] || [ $((n -= 1)) -lt 0 ]; do sleep 0.1; done
  spice-vdagent -x -s "/dev/${p##*/}" >/dev/ttyS0 2>&1 &
done
echo "slipway-guest desktop started: $(tail -n 1 /run/Xorg.log)" > /dev/ttyS0
wait
