#!/usr/bin/env bash
# Make a Debian tree: bootstrap.sh TARGET debootstrap's ARGUMENTS..., without its own target.
# Runs in a mount namespace of its own (`unshare --mount`), so that nothing stays mounted whatever
# happens. dpkg waits for the disk after each file: the tree is made in memory and copied once.
set -euo pipefail

(($# >= 4)) || {
  printf 'bootstrap.sh: found %d arguments; expected TARGET OPTIONS... SUITE MIRROR\n' "$#" >&2
  exit 2
}
target=$1
shift
options=("${@:1:$#-2}")
suite=${*: -2:1}
mirror=${*: -1}

mkdir -p "$target"
mount -t tmpfs -o mode=0755,size=3g mysql-ring "$target"
# Debian's packages compile their Python as they are installed; the lab's own place for that is not
# where a host looks for it.
env -u PYTHONPYCACHEPREFIX -u PYTHONPATH -u PYTHONSAFEPATH \
  debootstrap "${options[@]}" "$suite" "$target/tree" "$mirror"
rm -rf "$target/tree/var/cache/apt/archives"/*.deb
disk=$(mktemp -d)
mount --bind "${target%/*}" "$disk"
printf 'copy the tree to the disk\n'
cp -a "$target/tree/." "$disk/${target##*/}/"
umount "$disk"
rmdir "$disk"
