# shellcheck shell=bash
# Shared by uki.sh and build.sh: where downloads and results are kept, and the
# unpacked Debian packages. Sourced, never run.

export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
# One fixed moment for every time stamp, so that equal inputs give equal bytes.
export SOURCE_DATE_EPOCH=1767225600 E2FSPROGS_FAKE_TIME=1767225600 TZ=UTC

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(cd "$guest_dir/../.." && pwd)
if [ -n "${SLIPWAY_GUEST_CACHE:-}" ]; then cache=$SLIPWAY_GUEST_CACHE
elif [ -w "$repo_dir" ]; then cache=$repo_dir/.cache/guest
else cache=${XDG_CACHE_HOME:-$HOME/.cache}/slipway/guest
fi
mkdir -p "$cache/debs"
cache=$(cd "$cache" && pwd)

die() { echo "tools/guest: $*" >&2; exit 1; }

need() { # need PROGRAM DEBIAN_PACKAGE
  command -v "$1" >/dev/null || die "$1 is missing; on Debian and Ubuntu: apt-get install $2"
}

# lock makes concurrent builds wait for each other instead of mixing files.
# Child scripts inherit the held lock through the environment.
lock() {
  [ -n "${SLIPWAY_GUEST_LOCKED:-}" ] && return
  exec 9>"$cache/lock"
  flock 9
  export SLIPWAY_GUEST_LOCKED=1
  # What an interrupted build has left, and results that nobody wants any more.
  rm -rf "$cache"/tmp.*
  find "$cache" -maxdepth 1 -type f \( -name 'disk-*' -o -name 'uki-*' \) -mtime +7 -delete
}

# debs fetches the three packages once. Whatever is in the cache is used as it
# is: a guest that changed by itself would be a poor measure. `rm -r` the cache
# to get newer ones.
debs() {
  local k
  if ! ls "$cache"/debs/linux-image-*.deb "$cache"/debs/qemu-guest-agent_*.deb "$cache"/debs/busybox-static_*.deb >/dev/null 2>&1; then
    need apt-get apt
    # The generic kernel and not the cloud one: only it has a driver for the
    # e1000e card that machines get by default.
    k=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$k" ] || die "no kernel package is known; run apt-get update"
    echo "downloading $k, qemu-guest-agent, busybox-static" >&2
    # Older or half-fetched files must not stay beside the new ones.
    rm -f "$cache"/debs/*.deb
    (cd "$cache/debs" && apt-get download -q -o APT::Sandbox::User=root "$k" qemu-guest-agent busybox-static) >&2 ||
      die "the download failed; run apt-get update or look at the network"
  fi
  deb_key=$(cat "$cache"/debs/*.deb | sha256sum | cut -c1-16)
  unpacked=$cache/unpacked-$deb_key
  if [ ! -d "$unpacked" ]; then
    rm -rf "$cache"/unpacked-*
    rm -rf "$unpacked.part"
    for k in "$cache"/debs/*.deb; do dpkg-deb -x "$k" "$unpacked.part"; done
    mv "$unpacked.part" "$unpacked"
  fi
  # Debian 12 ships /lib, later releases /usr/lib.
  for k in "$unpacked/lib/modules" "$unpacked/usr/lib/modules"; do [ -d "$k" ] && modules=$k; done
  kver=$(ls "$modules")
  modules=$modules/$kver
  busybox=$(find "$unpacked" -path "*bin/busybox" -type f | head -n 1)
  # shellcheck disable=SC2034 # for uki.sh
  qemu_ga=$(find "$unpacked" -path "*bin/qemu-ga" -type f | head -n 1)
  # shellcheck disable=SC2034 # for uki.sh
  kernel=$unpacked/boot/vmlinuz-$kver
  [ -s "$modules/modules.dep" ] || "$busybox" depmod -b "${modules%/lib/modules/*}" "$kver" 2>/dev/null || true
  [ -s "$modules/modules.dep" ] || die "depmod gave nothing"
}

# desktop_debs fetches the packages of the graphical guest with all they need,
# once, as for a system that has none.
desktop_debs() {
  local dir=$cache/desktop
  local packages=(xserver-xorg-core xserver-xorg-video-fbdev xserver-xorg-input-evdev x11-xkb-utils x11-xserver-utils
    spice-vdagent xclip icewm xterm x11-apps xfonts-base fonts-dejavu-core bash)
  if [ "$(cat "$dir/complete" 2>/dev/null)" != "${packages[*]}" ]; then
    need apt-get apt
    echo "downloading the desktop's packages" >&2
    rm -rf "$dir"; mkdir -p "$dir/partial"; : > "$dir/status"
    apt-get -q -y -o Dir::State::status="$dir/status" -o Dir::Cache::archives="$dir/" -o APT::Sandbox::User=root -o APT::Install-Recommends=false \
      install --download-only "${packages[@]}" >&2 || die "the download failed; run apt-get update or look at the network"
    echo "${packages[*]}" > "$dir/complete"
  fi
  # shellcheck disable=SC2034 # for build.sh
  desktop_key=$(cd "$dir" && printf '%s\n' *.deb | sha256sum | cut -c1-16)
}

# module_order NAME… prints the files of modules in the order to load them in.
module_order() {
  local m line
  for m in "$@"; do
    line=$(grep -E "(^|/)${m//[-_]/[-_]}\.ko[^/]*:" "$modules/modules.dep" | head -n 1) || true
    [ -n "$line" ] && echo "$line" | tr -d : | tr ' ' '\n' | grep . | tac
  done | awk '!seen[$0]++'
}

# module_files NAME… prints the files of the modules and of all they need,
# relative to $modules; what the kernel has built in is left out.
module_files() {
  local m line
  for m in "$@"; do
    line=$(grep -E "(^|/)${m//[-_]/[-_]}\.ko[^/]*:" "$modules/modules.dep" | head -n 1) || true
    [ -n "$line" ] && echo "$line" | tr -d : | tr ' ' '\n'
  done | grep . | sort -u
}

# install_modules DIR NAME… copies modules without debug data, uncompressed.
install_modules() {
  local dir=$1 f; shift
  for f in $(module_files "$@"); do
    mkdir -p "$dir/$(dirname "$f")"
    case $f in
      *.xz) xz -dc "$modules/$f" > "$dir/${f%.xz}"; f=${f%.xz};;
      *) cp "$modules/$f" "$dir/$f";;
    esac
    strip -g "$dir/$f"
  done
}
