#!/bin/bash
# uki.sh OUT.efi [OS_ID [OS_NAME [OS_VERSION]]]
#
# Makes one UEFI executable: a Debian kernel and an initramfs with busybox and
# qemu-guest-agent, which says that it is OS_ID (default debian). With
# OS_ID=mswindows it stands in for a Windows boot manager, so that the whole way
# of a Windows image can be tested without Windows. Needs no root and no mounts.
# SLIPWAY_GUEST_FAULT=panic makes a guest that crashes once it is up.
# Results are kept by the hash of everything that went in.
set -euo pipefail
# shellcheck source=tools/guest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
out=${1:?usage: uki.sh OUT.efi [OS_ID [OS_NAME [OS_VERSION]]]}
id=${2:-debian} name=${3:-Debian GNU/Linux} version=${4:-12}
stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
[ -f $stub ] || die "$stub is missing; on Debian and Ubuntu: apt-get install systemd-boot-efi"
need objcopy binutils; need cpio cpio; need zstd zstd; need dpkg-deb dpkg; need flock util-linux; need ldd libc-bin; need xz xz-utils
lock
debs

# no_timer_check: on a loaded host without KVM the kernel else takes late ticks
# for a broken interrupt controller and panics.
cmdline='console=ttyS0,115200 console=tty0 quiet no_timer_check panic=-1 tpm_tis.interrupts=0 random.trust_cpu=on mitigations=off'
[ -z "${SLIPWAY_GUEST_FAULT:-}" ] || cmdline="$cmdline slipway.fault=$SLIPWAY_GUEST_FAULT"
key=$(printf '%s\n' "$deb_key" "$id" "$name" "$version" "$cmdline" "$(sha256sum < "$stub")" \
  "$(cat "$guest_dir/lib.sh" "$guest_dir/init.sh" "${BASH_SOURCE[0]}" | sha256sum)" | sha256sum | cut -c1-16)
kept=$cache/uki-$id-$key.efi

build() {
  local r l d end
  t=$(mktemp -d "$cache/tmp.XXXXXX"); trap 'rm -rf "$t"' EXIT
  r=$t/root
  mkdir -p "$r"/{bin,dev,proc,sys,run,tmp,disk,cd,etc/acpi/PWRF,lib64,var,lib/x86_64-linux-gnu,lib/modules}
  ln -s bin "$r/sbin"; ln -s ../run "$r/var/run"
  cp "$busybox" "$r/bin/busybox"
  for l in $("$busybox" --list); do [ "$l" = busybox ] || ln -sf busybox "$r/bin/$l"; done
  install_modules "$r/lib/modules/$kver" virtio_pci virtio_console virtio_blk virtio_net nvme ext4 crc32c_generic crc32c_intel e1000e ena button evdev atkbd efivarfs pvpanic-mmio ahci sr_mod isofs
  cp "$modules"/modules.builtin "$modules"/modules.order "$r/lib/modules/$kver/" 2>/dev/null || true
  "$busybox" depmod -b "$r" "$kver" 2>/dev/null
  cp "$qemu_ga" "$r/bin/qemu-ga"
  ldd "$qemu_ga" | grep -q 'not found' && die "a library of qemu-ga is missing; on Debian and Ubuntu: apt-get install libglib2.0-0 liburing2 libnuma1"
  for l in $(ldd "$qemu_ga" | awk '/=> \//{print $3}'); do cp -L "$l" "$r/lib/x86_64-linux-gnu/"; done
  cp -L /lib64/ld-linux-x86-64.so.2 "$r/lib64/"
  printf 'PRETTY_NAME="%s %s (Slipway sample guest)"\nNAME="%s"\nVERSION_ID="%s"\nVERSION="%s"\nID=%s\n' \
    "$name" "$version" "$name" "$version" "$version" "$id" > "$r/etc/os-release"
  echo 'root:x:0:0:root:/:/bin/sh' > "$r/etc/passwd"; echo 'root:x:0:' > "$r/etc/group"
  # The agent runs /sbin/shutdown -h -P|-H|-r +0; the power button runs the same.
  rm -f "$r/bin/shutdown"
  printf '#!/bin/sh\nsync; umount /disk 2>/dev/null || mount -o remount,ro /disk 2>/dev/null; sync\ncase " $* " in *" -r "*) exec /bin/busybox reboot -f;; esac\nexec /bin/busybox poweroff -f\n' > "$r/bin/shutdown"
  printf '#!/bin/sh\nexec /bin/shutdown -P\n' > "$r/etc/acpi/PWRF/00000080"
  cat > "$r/etc/udhcpc.sh" <<'E'
#!/bin/sh
# What udhcpc calls with a lease in its environment.
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr flush dev $interface; ip addr add $ip/${mask:-24} dev $interface
for g in $router; do ip route add default via $g; break; done
for s in $dns; do echo "nameserver $s"; done > /etc/resolv.conf
echo "slipway-guest lease $ip" > /dev/ttyS0
E
  cp "$guest_dir/init.sh" "$r/init"
  chmod 755 "$r/init" "$r/bin/shutdown" "$r/etc/udhcpc.sh" "$r/etc/acpi/PWRF/00000080"
  find "$r" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  (cd "$r" && find . -print0 | sort -z | cpio --null -o -H newc -R 0:0 --reproducible --quiet) > "$t/initrd.cpio"
  zstd -q -12 --single-thread -o "$t/initrd" "$t/initrd.cpio"
  printf '%s' "$cmdline" > "$t/cmdline"; printf '%s' "$kver" > "$t/uname"

  # The new sections go behind the last one of the stub, whatever its version.
  end=$(objdump -h "$stub" | awk '$1 ~ /^[0-9]+$/ {print $4, $3}' | while read -r v s; do echo $((0x$v + 0x$s)); done | sort -n | tail -n 1)
  set --
  for l in osrel:"$r/etc/os-release" cmdline:"$t/cmdline" uname:"$t/uname" initrd:"$t/initrd" linux:"$kernel"; do
    end=$(((end + 0xffff) & ~0xffff))
    d=${l#*:}; l=.${l%%:*}
    set -- "$@" --add-section "$l=$d" --change-section-vma "$l=$end"
    end=$((end + $(stat -L -c %s "$d")))
  done
  objcopy "$@" "$stub" "$kept.part"
  # objcopy writes the time of day and a checksum over it; the firmware looks at
  # neither.
  l=$(od -An -tu4 -j60 -N4 "$kept.part" | tr -d ' ')
  for d in 8 88; do printf '\0\0\0\0' | dd of="$kept.part" bs=1 seek=$((l + d)) conv=notrunc status=none; done
  mv "$kept.part" "$kept"
}
[ -f "$kept" ] || build
touch "$kept" # used: not to be cleaned away
cp "$kept" "$out.part" && mv "$out.part" "$out"
echo "$out"
