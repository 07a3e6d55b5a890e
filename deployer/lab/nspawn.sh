#!/bin/sh
# Boots one host whose pid 1 is systemd. Started in new mount and network namespaces. Holds the conversation of
# talk.sh, then prints the pid of the supervisor, which stays as long as the host does and switches it on again when
# systemd asks for a reboot.
#   nspawn.sh DIR NAME LOWERDIRS CONSOLE GROUP
set -eu
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"
dir=$1 name=$2 lower=$3 console=$4 group=$5
exec 3>>"$console"

root_mounted "$dir" "$lower"
# systemd-nspawn keeps locks and sockets in /run: let it have one of its own, in which only the host's root is seen.
mkdir -p "$dir/run"
mount -t tmpfs -o mode=755 tmpfs "$dir/run"
mkdir -p "$dir/run${dir#/run}/root"
mount --bind "$dir/root" "$dir/run${dir#/run}/root"
mount -n --move "$dir/run" /run
plugged_in

# A control group per host: systemd-nspawn divides the one it is started in, so two hosts must not share it.
for top in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  [ -f "$top/cgroup.procs" ] || continue
  mkdir -p "$top/$group"
  echo $$ >"$top/$group/cgroup.procs"
done

# shellcheck disable=SC2016 # the inner shell expands its own arguments
setsid sh -c '
  status=133 # of systemd-nspawn --keep-unit, when the host wants to be started again
  while [ "$status" = 133 ]; do
    status=0
    systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$1" --machine="$2" --hostname="$3" \
      --console=read-only --link-journal=no --resolv-conf=off --timezone=off \
      --capability=CAP_NET_ADMIN --kill-signal=SIGRTMIN+4 || status=$?
    echo "lab: systemd-nspawn ended ($status)"
  done' supervisor "$dir/root" "$group" "$name" </dev/null >&3 2>&3 3>&- &
echo $!
