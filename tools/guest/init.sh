#!/bin/sh
# The first process of the sample guest. Everything runs from the initramfs;
# the ext4 root file system is there to be inspected and to prove that writes
# to the disk are kept (a line per boot).
export PATH=/bin:/sbin
mount -t devtmpfs d /dev; mount -t proc p /proc; mount -t sysfs s /sys; mount -t tmpfs r /run
modprobe -a virtio_pci virtio_console virtio_blk virtio_net nvme ext4 e1000e ena button evdev atkbd efivarfs pvpanic-mmio 2>/dev/null
mount -t efivarfs e /sys/firmware/efi/efivars 2>/dev/null
hostname slipway-guest

# until TRIES COMMAND…: devices appear when they appear; 50 ms a try.
until_ok() { n=$1; shift; while [ "$n" -gt 0 ] && ! "$@" >/dev/null 2>&1; do usleep 50000; n=$((n-1)); done; }
first_root() { for d in /dev/nvme0n1p2 /dev/vda2; do [ -b $d ] && { root=$d; return 0; }; done; return 1; }
agent_port() { for p in /sys/class/virtio-ports/*; do
    [ "$(cat "$p/name" 2>/dev/null)" = org.qemu.guest_agent.0 ] && { port=/dev/${p##*/}; return 0; }
  done; return 1; }


# The CD of the guest tools, where there is one. Its drivers are loaded last and
# beside everything else: a guest that is only proved to boot has no drive.
first_cd() { for c in /dev/sr*; do [ -b "$c" ] && { cd=$c; return 0; }; done; return 1; }
tools() {
  modprobe -a ahci sr_mod isofs 2>/dev/null
  until_ok 40 first_cd
  [ -n "$cd" ] && mount -t iso9660 -o ro "$cd" /cd || return
  sh /cd/install.sh && echo "slipway-guest tools installed" > /dev/ttyS0
  # The tool's own system is this one; what it grows is the disk.
  while :; do /usr/local/sbin/slipway-guest serve --root /disk >/dev/ttyS0 2>&1; sleep 1; done
}

ip link set lo up
until_ok 20 test -e /sys/class/net/eth0
if [ -e /sys/class/net/eth0 ]; then
  ip link set eth0 up
  udhcpc -f -i eth0 -t 4 -T 3 -A 10 -s /etc/udhcpc.sh >/run/udhcpc.log 2>&1 &
fi

boots=none
until_ok 40 first_root
if [ -n "$root" ] && mount -t ext4 "$root" /disk 2>/dev/null; then
  mkdir -p /disk/var/log
  echo "boot $(cat /proc/sys/kernel/random/boot_id)" >> /disk/var/log/boots
  sync; boots=$(wc -l < /disk/var/log/boots)
  ln -s /disk/usr /usr # what is installed is installed on the disk
fi

. /etc/os-release
efi=no; [ -d /sys/firmware/efi ] && efi=yes
tpm=none; [ -e /sys/class/tpm/tpm0 ] && tpm=$(cat /sys/class/tpm/tpm0/tpm_version_major)
read -r up _ < /proc/uptime
echo 0 > /proc/sys/kernel/printk
{
  printf '\033[2J\033[H\033[44;97m'
  printf '%-160s\n' '' '    ____  _     ___ ______        ___ __   __' '   / ___|| |   |_ _|  _ \ \      / / \\ \ / /' \
    '   \___ \| |    | || |_) \ \ /\ / / _ \\ V / ' '    ___) | |___ | ||  __/ \ V  V / ___ \| |  ' \
    '   |____/|_____|___|_|     \_/\_/_/   \_\_|  ' ''
  printf '\033[0m\n\033[1;92m  Slipway sample guest is up\033[0m\n\n'
  # shellcheck disable=SC2010 # names of the kernel's have no surprises
  printf '  %-10s %s\n' system "$PRETTY_NAME" kernel "$(uname -r)" UEFI "$efi" 'TPM' "$tpm" \
    disks "$(ls /sys/block | grep -Ev 'loop|ram' | tr '\n' ' ')" network "$(ls /sys/class/net | tr '\n' ' ')" boots "$boots" uptime "${up}s"
  printf '\n'
} > /dev/tty0
echo "slipway-guest up id=$ID kernel=$(uname -r) efi=$efi tpm=$tpm boots=$boots uptime=$up" > /dev/ttyS0

# A guest that is made to crash, see uki.sh.
grep -q slipway.fault=panic /proc/cmdline && { sync; echo c > /proc/sysrq-trigger; }

acpid -c /etc/acpi -l /run/acpid.log -p /run/acpid.pid -a /etc/acpid.conf -M /etc/acpi.map 2>/dev/null
until_ok 100 agent_port
[ -n "$port" ] && qemu-ga -m virtio-serial -p "$port" -t /run -f /run/qga.pid -d && echo "slipway-guest agent started" > /dev/ttyS0
tools &
if [ -x /disk/usr/sbin/desktop-start ]; then
  mkdir -p /dev/pts /dev/shm; mount -t devpts p /dev/pts; mount -t tmpfs s /dev/shm
  for d in dev dev/pts dev/shm proc sys run; do mount --bind /$d /disk/$d; done
  chroot /disk /usr/sbin/desktop-start >/dev/ttyS0 2>&1 &
fi
while :; do
  # A shell on the screen, so that whoever looks through the display can type.
  setsid sh -c 'exec sh -i </dev/tty1 >/dev/tty1 2>&1'
  sleep 1
done
