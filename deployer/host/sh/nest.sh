# --------------------------------------------------------------------------------------------------- the rehearsal's private namespaces

# What becomes of the private root: the first process of the rehearsal. Its standard input is its life line, held by the agent alone.
# shellcheck disable=SC2016 # it is a program for another shell
keeping=$private_root'asked=$1 host_net=$2 program=$3 addresses=$4 foreign=$5
read -r pid _ </proc/self/stat
echo "deployer-keeper $pid"
# Here are the addresses of the host and no others, so that a proxy_bind to one that it lacks fails as it will. Where they cannot be copied
# every address is taken for one of them: what it listens on was tried by the test, in the network of the host.
for word in ipv4 ipv6; do echo 1 >/proc/sys/net/$word/ip_nonlocal_bind; done 2>/dev/null
if [ -n "$addresses" ]; then
  printf "%s" "$addresses" >"$work/addresses"
  if ip -force -batch "$work/addresses"; then
    echo "${foreign% *}" >/proc/sys/net/ipv4/ip_nonlocal_bind
    echo "${foreign#* }" >/proc/sys/net/ipv6/ip_nonlocal_bind
  else
    printf "%s" "$addresses" | while read -r line; do ip $line; done
  fi >/dev/null 2>&1
fi
if [ "$asked" = yes ]; then
  # Where nginx is started from, so that the one it replaces itself by can be something else; and the way out of the private network.
  : >"$root/deployer-rehearsal/net"
  mount -n --bind "$host_net" "$root/deployer-rehearsal/net" && ln -s "$program" "$root/deployer-rehearsal/nginx" || cannot "its way to the network of the host cannot be made"
fi
exec chroot "$root" /bin/sh -c "echo 1000 >/proc/self/oom_score_adj; echo deployer-ready; exec >/dev/null 2>&1; read -r line" deployer-rehearsal
'

# A pipe without a process at either end: sets nothing, opens $1 to read and $2 to write. The name is gone at once.
make_pipes() {
  mkfifo "$private/incoming/life" "$private/incoming/word" 2>/dev/null || return 1
  exec 5<>"$private/incoming/life"
  exec 3<"$private/incoming/life" 4>"$private/incoming/life"
  exec 5<>"$private/incoming/word"
  exec 7<"$private/incoming/word" 8>"$private/incoming/word"
  exec 5>&-
  rm -f "$private/incoming/life" "$private/incoming/word"
}

# Starts the keeper of the private namespaces. Sets keeper (its pid here), inside (its root as seen from here), or why.
open_rehearsal() {
  keeper=''
  root=$private/test/root
  own_sockets=''
  [ -z "$master" ] || own_sockets=$(readlink "/proc/$master/fd"/* 2>/dev/null)
  read_sockets
  read_addresses
  read_caches
  masks=''
  [ -z "$master" ] ||
    masks=$(find -L "/proc/$master/fd" /var/log/nginx -maxdepth 1 -type f -size +64k -exec readlink -f -- {} + 2>/dev/null)
  extra="proc $root/proc proc nosuid,nodev,noexec 0 0$nl$socket_mounts"
  [ ! -d /dev/shm ] || extra="${extra}deployer $root/dev/shm overlay lowerdir=/dev/shm,upperdir=$private/test/us,workdir=$private/test/ws 0 0$nl"
  extra=$extra$cache_mounts
  # One worker is enough where the configuration leaves their number to the machine.
  [ ! -f /sys/devices/system/cpu/online ] || extra="$extra$private/test/one-cpu $root/sys/devices/system/cpu/online none bind 0 0$nl"
  made="$private/test/us $private/test/ws $private/test/u0/deployer-rehearsal$cache_dirs"
  make_pipes || { why="nothing can be written below $private"; return 1; }
  rehearsal=opening
  extra_mounts=$extra extra_dirs=$made timeout -s KILL "$rehearsal_limit_s" \
    unshare -m -p -i -u -n -f --kill-child=KILL --propagation private \
    sh -c "$keeping" deployer-rehearsal "$private/test" "$target" "$state" "releases/$starting" "$masks" \
    "$answers" "/proc/$$/ns/net" "$binary" "$addresses" "$foreign" <&3 >&8 2>&1 3<&- 4>&- 6<&- 7<&- 8>&- &
  rehearsal=$!
  read_uptime
  opened_cs=$uptime_cs
  exec 3<&- 8>&- 5<&7 7<&-
  said=''
  while read -r line <&5; do
    case $line in
      'deployer-keeper '*) keeper=${line#* } ;;
      deployer-ready)
        inside=/proc/$keeper/root
        return 0
        ;;
      *) said=${line#deployer-cannot: } ;;
    esac
  done
  why="the private namespaces for it could not be made: ${said:-it took longer than $rehearsal_limit_s s}"
  end_rehearsal
  return 1
}

# A socket seen through an overlay leads nowhere, so those that others listen on are bound back; nginx's own are made anew. Sets
# socket_mounts, and own_paths: where live nginx listens.
read_sockets() {
  socket_mounts='' own_paths='' found='' count=0
  while read -r _ _ _ flags _ _ inode at; do
    case $flags:$at in 00010000:/*) ;; *) continue ;; esac
    case $at in /proc/* | /sys/* | /dev/* | *[!A-Za-z0-9_./@+=:-]*) continue ;; esac
    case $at in /var/run/*) [ ! -L /var/run ] || at=/run/${at#/var/run/} ;; esac
    [ -S "$at" ] || continue
    case $own_sockets in *"socket:[$inode]"*) own_paths="$own_paths $at"; continue ;; esac
    case "$found " in *" $at "*) continue ;; esac
    count=$((count + 1))
    [ "$count" -le 300 ] || break
    found="$found $at"
  done </proc/net/unix
  [ -n "$found" ] || return 0
  # shellcheck disable=SC2086 # paths without blanks
  for at in $(readlink -f -- $found); do
    socket_mounts="$socket_mounts$at $root$at none bind 0 0$nl"
  done
}

# What live keeps for its users would be found in an overlay, and answer for the candidate: its caches begin empty, as nobody's. Sets
# cache_mounts and cache_dirs.
read_caches() {
  cache_mounts='' cache_dirs='' count=0
  [ "$answers" = yes ] || return 0
  found=$(grep -rhosE '^[[:space:]]*[a-z]+_cache_path[[:space:]]+/[A-Za-z0-9_./@+=-]+' \
    "$state/releases/$starting" "$state/releases/$release") || found=
  for at in $found; do
    case $at in /*/?*) ;; *) continue ;; esac
    [ -d "$at" ] || continue
    at=$(readlink -f -- "$at") && [ -n "$at" ] || continue
    case $cache_mounts in *" $root$at none "*) continue ;; esac
    count=$((count + 1))
    [ "$count" -le 50 ] || break
    cache_dirs="$cache_dirs $private/test/c$count"
    cache_mounts="$cache_mounts$private/test/c$count $root$at none bind 0 0$nl"
  done
}

# Sets addresses to what gives the private loopback the host's addresses (empty: they cannot be copied), and foreign to whether the host
# lets programs use addresses that it lacks (a balancer's, before it takes them over): of IPv4 and of IPv6.
read_addresses() {
  addresses='' foreign=''
  for word in ipv4 ipv6; do
    value=0
    read -r value 2>/dev/null <"/proc/sys/net/$word/ip_nonlocal_bind" || :
    foreign="$foreign${foreign:+ }$value"
  done
  command -v ip >/dev/null || return 0
  shown=$(ip -o addr show 2>/dev/null) || return 0
  while read -r _ _ family value _; do
    # Its loopback has these by itself; others that stand there (anycast, a balancer's) are addresses like any.
    case $value in 127.* | ::1/*) continue ;; esac
    case $family in
      inet) addresses="${addresses}addr add ${value%/*}/32 dev lo$nl" ;;
      inet6) addresses="${addresses}addr add ${value%/*}/128 dev lo nodad$nl" ;;
    esac
  done <<END
$shown
END
  addresses="link set lo up$nl$addresses"
}

# Runs a command in the rehearsal.
in_rehearsal() {
  nsenter --target "$keeper" --mount --ipc --uts --net --pid --root --wd -- "$@" 4>&- 5<&- 6<&- </dev/null
}

end_rehearsal() {
  [ -n "$rehearsal" ] || return 0
  exec 4>&- 5<&-
  [ -z "$keeper" ] || kill -KILL "$keeper" 2>/dev/null
  [ "$rehearsal" = opening ] || wait "$rehearsal" 2>/dev/null
  rehearsal='' keeper=''
}

# Removes paths of the rehearsal's root.
remove_inside() {
  for at; do
    if [ -e "$inside$at" ] || [ -L "$inside$at" ]; then
      in_rehearsal rm -f -- "$@" 2>/dev/null
      return 0
    fi
  done
}

point_inside() {
  in_rehearsal ln -sfn "releases/$release" "$state/live" || why="the candidate cannot be put in its place"
}
