#!/bin/sh
# Boots one light host. Started in new mount, uts, ipc and network namespaces, whose life then hangs on the
# host's pid 1 alone. Holds the conversation of talk.sh, then prints the pid of the host's init.
#   boot.sh DIR NAME LOWERDIRS CONSOLE
set -eu
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"
dir=$1 name=$2 lower=$3 console=$4

root_mounted "$dir" "$lower"
printf %s "$name" >/proc/sys/kernel/hostname
cd "$dir/root"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=755,nosuid,nodev,size=64m tmpfs run
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev,size=64m tmpfs dev/shm
plugged_in

# What the host prints while it boots is kept outside its root.
exec 3>>"$console"
pivot_root . mnt
cd /
# The first process made after "unshare --pid" is pid 1 of the new namespace.
exec unshare --pid setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio --inh-caps=-all sh -c '
  setsid sh /usr/local/sbin/lab-init </dev/null >&3 2>&3 3>&- &
  echo $!'
