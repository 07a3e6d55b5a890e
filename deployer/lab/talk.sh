#!/bin/sh
# What booting a host of either kind has in common; read by boot.sh and nspawn.sh.

# The host's root: the machine's own files below what the host writes.   root_mounted DIR LOWERDIRS
root_mounted() {
  mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
}

# Prints "mounted", waits for "go ADDRESS/PREFIX ADDRESS6/PREFIX" (the network cable is plugged in by then) and takes
# the addresses. End of input instead means that the lab's owner died: nothing is started.
plugged_in() {
  echo mounted
  read -r word address address6 || exit 1
  [ "$word" = go ] || exit 1
  ip -batch - <<END
link set lo up
address add $address dev eth0
address add $address6 dev eth0 nodad
link set eth0 up
END
}
