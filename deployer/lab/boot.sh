#!/bin/sh
# Boots one light host. Started in new mount, uts, ipc and network namespaces, whose life then hangs on the
# host's pid 1 alone. Prints "mounted", waits for "go" (the network cable is plugged in by then), prints the
# pid of the host's init. End of input instead of "go" means that the lab's owner died: nothing is started.
#   boot.sh DIR NAME LOWERDIRS CONSOLE   (then on stdin: "go ADDRESS/PREFIX ADDRESS6/PREFIX")
set -eu
dir=$1 name=$2 lower=$3 console=$4

mount -t overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
printf %s "$name" >/proc/sys/kernel/hostname
cd "$dir/root"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=755,nosuid,nodev,size=64m tmpfs run
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev,size=64m tmpfs dev/shm
echo mounted

read -r word address address6 || exit 1
[ "$word" = go ] || exit 1
ip -batch - <<END
link set lo up
address add $address dev eth0
address add $address6 dev eth0 nodad
link set eth0 up
END

# What the host prints while it boots is kept outside its root.
exec 3>>"$console"
pivot_root . mnt
cd /
# The first process made after "unshare --pid" is pid 1 of the new namespace.
exec unshare --pid setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio --inh-caps=-all sh -c '
  setsid sh /usr/local/sbin/lab-init </dev/null >&3 2>&3 3>&- &
  echo $!'
