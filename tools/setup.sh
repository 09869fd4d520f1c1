#!/usr/bin/env bash
# setup.sh GROUP… installs the Debian packages that are missing, says which in
# one line, and does nothing at all (also without a network) when none is.
#
#   run    to boot machines: QEMU, UEFI firmware, TPM, sandbox
#   guest  to make the sample guest disk
#   web    to bundle the streaming pages
#   test   what `make test` needs beyond those
#   check  what `make check` needs
#   judge  what `make judge` fetches outside clients with
#
# shellcheck disable=SC2034 # the groups are read by their names
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/sbin:/sbin

# Each line is "what shows that it is there|Debian package": a program, or a
# file with alternatives separated by blanks. What is there counts however it
# was installed.
run='
qemu-system-x86_64|qemu-system-x86
qemu-img|qemu-utils
/usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/OVMF/OVMF_CODE.fd|ovmf
swtpm|swtpm
bwrap|bubblewrap'
guest='
/usr/lib/systemd/boot/efi/linuxx64.efi.stub|systemd-boot-efi
sgdisk|gdisk
mkfs.vfat|dosfstools
mcopy|mtools
mke2fs|e2fsprogs
mkntfs|ntfs-3g
objcopy|binutils
cpio|cpio
zstd|zstd
xz|xz-utils
flock|util-linux'
test='
make|make
git|git
wimapply|wimtools
mkfs.xfs|xfsprogs
gcc|gcc
/usr/include/stdlib.h|libc6-dev
/usr/bin/chromium|chromium'
check='
make|make
git|git
shellcheck|shellcheck'
judge='
python3|python3
pip3|python3-pip
node|nodejs'
web='
node|nodejs
npm|npm'

die() { echo "setup: $*" >&2; exit 1; }

present() { # present "PROGRAM" or "/FILE /FILE…"
  local p
  for p in $1; do
    case $p in
      /*) [ -e "$p" ] && return 0 ;;
      *) command -v "$p" >/dev/null && return 0 ;;
    esac
  done
  return 1
}

missing=() fresh_lists=
for group in "$@"; do
  case $group in
    run | guest | web | test | check | judge) ;;
    *) die "unknown group $group: run, guest, web, test, check or judge" ;;
  esac
  while IFS='|' read -r probe package; do
    [ -z "$probe" ] || present "$probe" || missing+=("$package")
  done <<<"${!group}"
  # The guest is made from Debian packages that are downloaded, not installed:
  # the lists must name versions that the mirrors still have.
  if [ "$group" = guest ] && [ -z "$(find .cache/guest/debs -name '*.deb' 2>/dev/null)" ]; then fresh_lists=yes; fi
done

command -v go >/dev/null || die "Go is missing: install Go 1.26 or newer from https://go.dev/dl/ (Debian's own is older)"
if [ ${#missing[@]} -eq 0 ] && [ -z "$fresh_lists" ]; then exit 0; fi
command -v apt-get >/dev/null || {
  [ ${#missing[@]} -eq 0 ] || echo "setup: this is no Debian; install what these packages hold: ${missing[*]}" >&2
  exit 1
}

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || die "not root and no sudo: run as root: apt-get install ${missing[*]-}"
  as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1 </dev/null; }

# Old lists name packages that mirrors no longer have. No network is no reason
# to stop yet: the packages may lie in apt's cache.
apt update || echo "setup: apt-get update failed; trying with the package lists of last time" >&2
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
echo "setup: installing ${missing[*]}" >&2
apt install -y --no-install-recommends "${missing[@]}" || {
  cat "$log" >&2
  die "apt-get could not install: ${missing[*]}"
}
