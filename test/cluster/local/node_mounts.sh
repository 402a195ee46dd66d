#!/bin/sh
# node_mounts.sh <directory> <host name> <mount point>...: makes the mount namespace it runs in the file system of a
# node, touches <directory>/mounted, and stays so that other programs can enter.
# Every mount point gets <directory>/root/<mount point>: the node has the usual paths, and they are its own.
set -eu
directory=$1
host=$2
shift 2
hostname "$host"

# sysfs shows the network namespace it was mounted in. The cgroup hierarchies, which cannot be bound from another
# mount namespace, are put aside meanwhile.
mkdir -p "$directory/cgroup"
mount --rbind /sys/fs/cgroup "$directory/cgroup"
umount -R -l /sys
mount -t sysfs sysfs /sys
mount --rbind "$directory/cgroup" /sys/fs/cgroup
umount -R -l "$directory/cgroup"
mount -t bpf bpf /sys/fs/bpf

# A container may ask for mounts to be seen both ways; that goes no further than the node. Not earlier: of two shared
# copies of the cgroup hierarchies, unmounting one empties the other.
mount --make-rshared /

for point in "$@"; do
  mount --bind "$directory/root$point" "$point"
done

# A kubelet writes these settings of the whole machine unless it reads what it wants.
while read -r setting value; do
  echo "$value" >"$directory/$setting"
  mount --bind "$directory/$setting" "/proc/sys/$(echo "$setting" | tr . /)"
done <<'WANTED'
vm.overcommit_memory 1
vm.panic_on_oom 0
kernel.panic 10
kernel.panic_on_oops 1
kernel.keys.root_maxkeys 1000000
kernel.keys.root_maxbytes 25000000
WANTED

touch "$directory/mounted"
exec sleep infinity
