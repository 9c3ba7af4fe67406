# shellcheck shell=bash
# What a machine must have to serve a lab. scripts/lab reads this file: it runs before anything that
# is not Debian's own is there. Nothing here changes the machine, but that its kernel may load the
# modules that a lab needs anyway.

readonly DEBIAN=12
readonly ARCHITECTURE=x86_64
# LOOP_CONFIGURE (scripts/cloud/hosts/loops.py) is of Linux 5.8. XFS's reflinks are older.
readonly KERNEL=5.8
readonly ALL_IDS=4294967295 # what a process outside of any user namespace reads in its uid_map
readonly NAMESPACES=(cgroup ipc mnt net pid uts)
readonly FILE_SYSTEMS=(overlay xfs)
# A machine that is sold with 4 GiB shows some hundred MiB less.
readonly MEMORY_MIB=3500
# What the set-up downloads and builds, Go's own caches with it; and a lab with a ring.
readonly CACHE_MIB=6000
readonly LAB_MIB=4000
readonly FILTER='
add table inet lab
add chain inet lab in { type filter hook input priority 0; }
add rule inet lab in ct state established accept'

declare -A machine=() # what was found
mistakes=()           # what was found and expected, and the next step, by turns

look_at_system() { # ETC: who asks, and what for a Debian it is
  local line id='' version=''
  if [[ -r $1/os-release ]]; then
    while read -r line; do
      line=${line//\"/}
      case $line in
        ID=*) id=${line#*=} ;;
        VERSION_ID=*) version=${line#*=} ;;
      esac
    done <"$1/os-release"
  fi
  machine[user]=$EUID
  machine[system]="$id $version"
}

look_at_hardware() { # PROC DEV: the processor, the kernel and what it knows
  local name value kind
  read -r "machine[kernel]" "machine[architecture]" < <(uname -rm)
  machine[memory]=0
  while read -r name value _; do
    [[ $name != MemTotal: ]] || machine[memory]=$((value / 1024))
  done <"$1/meminfo"
  machine[namespaces]=''
  for kind in "${NAMESPACES[@]}"; do
    [[ -e $1/self/ns/$kind ]] || machine[namespaces]+=" $kind"
  done
  read -r _ _ "machine[ids]" <"$1/self/uid_map"
  [[ -e $2/loop-control ]] && machine[loop]=yes || machine[loop]=no
  machine[right]=''
  ((machine[user] == 0)) || return 0 # nobody else may try the rest
  [[ -n ${machine[namespaces]} ]] ||
    machine[right]=$(unshare --net --mount --pid --ipc --uts --cgroup --fork true 2>&1) || true
  machine[filesystems]=''
  for kind in "${FILE_SYSTEMS[@]}"; do
    knows "$1" "$kind" || {
      # The kernel looks for a module of the name; the mount itself fails.
      unshare --mount mount -t "$kind" none /mnt >/dev/null 2>&1 || true
      knows "$1" "$kind"
    } || machine[filesystems]+=" $kind"
  done
}

knows() { # PROC FILESYSTEM
  local words
  while read -r -a words; do
    [[ ${words[-1]} != "$2" ]] || return 0
  done <"$1/filesystems"
  return 1
}

look_at_filter() { # whether the kernel takes nftables' rules; unasked while nft is not there
  machine[filter]=unasked
  ((machine[user] == 0)) && [[ -z ${machine[right]} ]] && command -v nft >/dev/null || return 0
  machine[filter]=$(unshare --net nft "$FILTER" 2>&1) || true
}

look_at_room() { # CACHE LAB: free room for what is not there yet, in MiB
  machine[cache]=$1 machine[lab]=$2
  machine[cache_needs]=0 machine[lab_needs]=0
  compgen -G "$1/venv-*/.complete" >/dev/null || machine[cache_needs]=$CACHE_MIB
  [[ -e $2/lab.json ]] || machine[lab_needs]=$LAB_MIB
  read -r "machine[cache_free]" _ "machine[cache_disk]" < <(room_of "$1") || true
  read -r "machine[lab_free]" "machine[lab_type]" "machine[lab_disk]" < <(room_of "$2") || true
}

room_of() { # FOLDER: free room in MiB, type and place of the file system that it is or will be on
  local folder=$1
  while [[ ! -d $folder ]]; do
    folder=$(dirname "$folder")
  done
  df -BM --output=avail,fstype,target "$folder" | sed -n '2s/M / /p'
}

lacks() { # FOUND-AND-EXPECTED NEXT-STEP
  mistakes+=("$1" "next step: $2")
}

judge_system() {
  ((machine[user] == 0)) ||
    lacks "found user id ${machine[user]}; expected root, who can make network namespaces and mounts" \
      "run it again with sudo"
  [[ ${machine[system]} == "debian $DEBIAN" ]] ||
    lacks "found the system '${machine[system]}'; expected 'debian $DEBIAN'" \
      "run the lab on a machine, or in a virtual machine, with Debian $DEBIAN"
}

judge_hardware() {
  local dots
  IFS=. read -r -a dots <<<"${machine[kernel]%%[!0-9.]*}"
  [[ ${machine[architecture]} == "$ARCHITECTURE" ]] ||
    lacks "found the architecture ${machine[architecture]}; expected $ARCHITECTURE, as MySQL 5.6 is" \
      "run the lab on such a machine, or in a virtual machine that emulates one"
  ((dots[0] > ${KERNEL%.*} || (dots[0] == ${KERNEL%.*} && dots[1] >= ${KERNEL#*.}))) ||
    lacks "found the kernel ${machine[kernel]}; expected Linux $KERNEL or later" \
      "boot a newer kernel, such as Debian $DEBIAN's own"
  ((machine[memory] >= MEMORY_MIB)) ||
    lacks "found ${machine[memory]} MiB of memory; expected $MEMORY_MIB MiB or more" \
      "give the machine 4 GiB: two hosts with their servers, Pulumi and its plugins run on it"
  [[ -z ${machine[namespaces]} ]] ||
    lacks "found no namespaces of these kinds:${machine[namespaces]}; expected ${NAMESPACES[*]}" \
      "boot a kernel that has them, such as Debian $DEBIAN's own"
  [[ -z ${machine[right]} ]] ||
    lacks "found that root may not make namespaces (${machine[right]}); expected that he may" \
      "in a container, start it with --privileged; else run the lab in a virtual machine"
  ((machine[ids] == ALL_IDS)) ||
    lacks "found the root of a user namespace (of ${machine[ids]} ids); expected the machine's own" \
      "run it as root of a machine or a virtual machine; not in a rootless container"
  [[ ${machine[loop]} == yes ]] ||
    lacks "found no loop-control in /dev; expected loop devices, which the lab's volumes are" \
      "run 'modprobe loop'; in a container, start it with --privileged"
  [[ -z ${machine[filesystems]:-} ]] ||
    lacks "found no file systems of these kinds:${machine[filesystems]}; expected ${FILE_SYSTEMS[*]}" \
      "load them with modprobe (for a container, on the machine below), or boot a kernel with them"
}

judge_filter() {
  [[ -z ${machine[filter]} || ${machine[filter]} == unasked ]] ||
    lacks "found that the kernel refuses rules of nftables (${machine[filter]}); expected that not" \
      "load nf_tables and nf_conntrack with modprobe, or boot a kernel that has them"
}

judge_room() {
  local cache_needs=${machine[cache_needs]} lab_needs=${machine[lab_needs]}
  [[ ${machine[lab_type]} != overlay ]] ||
    lacks "found the lab's folder ${machine[lab]} on an overlay; expected another file system" \
      "set MYSQL_RING_LAB to a folder on a disk or a container's volume: hosts are overlays there"
  if [[ ${machine[cache_disk]} == "${machine[lab_disk]}" ]]; then
    lab_needs=$((cache_needs + lab_needs)) cache_needs=0
  fi
  ((machine[lab_free] >= lab_needs)) ||
    lacks "found ${machine[lab_free]} MiB free on ${machine[lab_disk]}; expected $lab_needs MiB" \
      "make room there for ${machine[lab]}, or set MYSQL_RING_LAB to a folder elsewhere"
  ((machine[cache_free] >= cache_needs)) ||
    lacks "found ${machine[cache_free]} MiB free on ${machine[cache_disk]}; expected $cache_needs MiB" \
      "make room there for ${machine[cache]}, or set MYSQL_RING_CACHE to a folder elsewhere"
}
