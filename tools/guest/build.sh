#!/bin/bash
# build.sh OUT_DIR [VARIANT]
#
# Makes a raw disk of exactly 1 GiB (2^30 bytes, sparse; desktop: 2 GiB) as OUT_DIR/VARIANT.raw
# and prints its path as the last line. Variants:
#   linux     boots: Debian kernel, guest agent, network, TPM (the default)
#   windows   boots too, but looks like Windows from outside: EFI paths of the
#             Windows boot manager, the partitions of Windows Setup, an agent
#             that says mswindows. No registry hives: who needs them makes his
#             own disk around uki.sh.
#   desktop   as linux, with X, a window manager, a terminal and a calculator
#             (2 GiB; downloads some 130 MB of Debian packages once)
#   panic     as linux, but its kernel crashes when it is up
#   hang      a boot loader that starts and never gives control to a system
#   empty     an EFI system partition without a loader: ends in the firmware
# Needs no root, no mounts, no loop devices. Results are kept in the cache by
# the hash of everything that went in.
set -euo pipefail
# shellcheck source=tools/guest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
out_dir=${1:?usage: build.sh OUT_DIR [linux|windows|desktop|panic|hang|empty]} variant=${2:-linux}
case $variant in linux|windows|desktop|panic|hang|empty) ;; *) die "unknown variant $variant: linux, windows, desktop, panic, hang or empty";; esac
need sgdisk gdisk; need mkfs.vfat dosfstools; need mcopy mtools; need mke2fs e2fsprogs; need debugfs e2fsprogs; need flock util-linux
[ "$variant" != windows ] || need mkntfs ntfs-3g
[ "$variant" != hang ] || need go golang
mkdir -p "$out_dir"
out_dir=$(cd "$out_dir" && pwd)
export MTOOLS_SKIP_CHECK=1
lock
t=$(mktemp -d "$cache/tmp.XXXXXX"); trap 'rm -rf "$t"' EXIT

efi=
case $variant in
  linux) efi=$("$guest_dir/uki.sh" "$t/boot.efi" | tail -n 1); debs;;
  desktop) efi=$("$guest_dir/uki.sh" "$t/boot.efi" | tail -n 1); debs; desktop_debs;;
  panic) efi=$(SLIPWAY_GUEST_FAULT=panic "$guest_dir/uki.sh" "$t/boot.efi" | tail -n 1); debs;;
  windows) efi=$("$guest_dir/uki.sh" "$t/boot.efi" mswindows 'Microsoft Windows' 2022 | tail -n 1);;
  hang) efi=$t/boot.efi; (cd "$guest_dir" && go run ./hangefi "$efi");;
esac
key=$(cat "${efi:-/dev/null}" "$guest_dir/lib.sh" "$guest_dir/desktop-start.sh" "${BASH_SOURCE[0]}" <(echo "${desktop_key:-}") | sha256sum | cut -c1-16)
kept=$cache/disk-$variant-$key.raw
disk=$t/disk.raw

# GUIDs are fixed so that the same inputs give the same bytes.
guid=534c5057-0000-4000-8000-0000000000
uuid=534c5057-0000-4000-8000-000000000102
esp_type=c12a7328-f81f-11d2-ba4b-00a0c93ec93b

extent() { # first sector and number of sectors of a partition
  sgdisk -i "$1" "$disk" | awk '/First sector/{f=$3} /Last sector/{l=$3} END{print f, l-f+1}'
}
place() { # place FILE FIRST_SECTOR: into the disk, holes stay holes
  dd if="$1" of="$disk" bs=64K oflag=seek_bytes seek=$(($2 * 512)) conv=sparse,notrunc status=none
}

make_esp() { # make_esp PATH_IN_ESP… each gets a copy of $efi
  local s n p d
  read -r s n < <(extent 1)
  truncate -s $((n * 512)) "$t/esp"
  mkfs.vfat -F 32 -n ESP -i 534C5057 --invariant "$t/esp" >/dev/null
  for p in "$@"; do
    d=$(dirname "$p")
    while [ "$d" != / ]; do echo "$d"; d=$(dirname "$d"); done | sort | while read -r d; do
      mmd -D s -i "$t/esp" "::$d" >/dev/null 2>&1 </dev/null || true
    done
    mcopy -i "$t/esp" "$efi" "::$p"
  done
  place "$t/esp" "$s"
}

make_desktop() { # a Debian userland that no package manager has set up
  local r=$t/root d
  mkdir -p "$r"
  for d in "$cache"/desktop/*.deb; do dpkg-deb -x "$d" "$r"; done
  # What nothing that runs here opens: two thirds of it.
  rm -rf "$r"/usr/share/{doc,man,info,locale,lintian,bug,perl,perl5} "$r"/usr/include "$r"/usr/lib/x86_64-linux-gnu/{dri,perl-base,libLLVM*,libz3*,libgs.so*,gconv}
  cp "$busybox" "$r/bin/busybox"
  for d in $("$busybox" --list); do [ -e "$r/bin/$d" ] || [ -e "$r/usr/bin/$d" ] || ln -s busybox "$r/bin/$d"; done
  printf 'root:x:0:0:root:/root:/bin/bash\n' > "$r/etc/passwd"; printf 'root:x:0:\n' > "$r/etc/group"
  mkdir -p "$r"/{tmp/.X11-unix,root,proc,sys,dev,run,usr/lib/modules}
  chmod 1777 "$r/tmp" "$r/tmp/.X11-unix"
  ldconfig -r "$r"
  install -m 755 "$guest_dir/desktop-start.sh" "$r/usr/sbin/desktop-start"
  install_modules "$r/usr/lib/modules/$kver" xhci_pci usbhid hid_generic evdev bochs
  module_order xhci_pci usbhid hid_generic evdev bochs | sed "s|^|/usr/lib/modules/$kver/|; s|\.xz$||" > "$r/usr/lib/modules/desktop"
}

make_root() { # what an offline inspector looks for in a Linux system
  local r=$t/root s n m
  [ "$variant" != desktop ] || make_desktop
  mkdir -p "$r"/{usr/lib,usr/sbin,etc/systemd/system/multi-user.target.wants,boot,var/log,var/lib,root}
  [ -e "$r/lib" ] || { ln -s usr/lib "$r/lib"; ln -s usr/sbin "$r/sbin"; }
  rm -f "$r/etc/os-release" "$r/usr/lib/os-release"
  # As Debian ships it: the file in /usr/lib and a relative link in /etc.
  printf 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n' > "$r/usr/lib/os-release"
  ln -s ../usr/lib/os-release "$r/etc/os-release"
  echo slipway-guest > "$r/etc/hostname"
  echo "UUID=$uuid / ext4 defaults 0 1" > "$r/etc/fstab"
  m=$r/usr/lib/modules/$kver
  install_modules "$m" virtio_pci virtio_net virtio_blk virtio_scsi ena e1000e nvme
  # nvme is listed as built in as well, as kernels made for clouds have it.
  { cat "$modules/modules.builtin"; echo kernel/drivers/nvme/host/nvme.ko; } > "$m/modules.builtin"
  "$busybox" depmod -b "$r" "$kver" 2>/dev/null || true
  cp "$qemu_ga" "$r/usr/sbin/qemu-ga"
  ln -s /lib/systemd/system/qemu-guest-agent.service "$r/etc/systemd/system/multi-user.target.wants/qemu-guest-agent.service"
  cp "$kernel" "$r/boot/vmlinuz-$kver"
  find "$r" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  read -r s n < <(extent 2)
  mke2fs -q -t ext4 -F -d "$r" -L root -U "$uuid" \
    -E "offset=$((s * 512)),hash_seed=$uuid,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0" "$disk" $((n / 2))k
  # mke2fs before 1.47.1 copies the time at which we wrote our own files.
  (cd "$r" && find . -mindepth 1 | sed 's|^\.\(.*\)|set_inode_field "\1" ctime @'"$SOURCE_DATE_EPOCH|") |
    debugfs -w -f - "$disk?offset=$((s * 512))" >"$t/debugfs.log" 2>&1 || die "debugfs: $(tail -n 1 "$t/debugfs.log")"
}

make_ntfs() {
  local s n
  read -r s n < <(extent 3)
  truncate -s $((n * 512)) "$t/ntfs"
  mkntfs -F -Q -q -T -s 512 -L Windows -p "$s" -H 255 -S 63 "$t/ntfs" >/dev/null 2>&1
  place "$t/ntfs" "$s"
}

build() {
  local gib=1
  [ "$variant" != desktop ] || gib=2
  truncate -s $((gib << 30)) "$disk"
  set -- --clear --disk-guid="${guid}00" -n 1:2048:+100M -t "1:$esp_type" -c '1:EFI system partition' -u "1:${guid}01"
  case $variant in
    linux|desktop|panic) set -- "$@" -n 2:0:0 -t 2:8304 -c 2:root -u "2:${guid}02";;
    windows) set -- "$@" -n 2:0:+16M -t 2:0c01 -c '2:Microsoft reserved partition' -u "2:${guid}02" \
      -n 3:0:0 -t 3:0700 -c '3:Basic data partition' -u "3:${guid}03";;
  esac
  sgdisk "$@" "$disk" >/dev/null
  case $variant in
    linux|desktop|panic) make_esp /EFI/BOOT/BOOTX64.EFI; make_root;;
    windows) make_esp /EFI/Microsoft/Boot/bootmgfw.efi /EFI/Boot/bootx64.efi; make_ntfs;;
    hang) make_esp /EFI/BOOT/BOOTX64.EFI;;
    empty) make_esp;;
  esac
  mv "$disk" "$kept"
}
[ -f "$kept" ] || build
touch "$kept" # used: not to be cleaned away
cp --sparse=always "$kept" "$out_dir/$variant.raw.part"
mv "$out_dir/$variant.raw.part" "$out_dir/$variant.raw"
echo "$out_dir/$variant.raw"
