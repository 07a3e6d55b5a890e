# --------------------------------------------------------------------------------------------------- rehearsal

# A candidate is run beside live, in private namespaces over the same private root as the validator's, with a network of its own that has the
# host's addresses on its loopback. Here, outside, the steps are taken and the proof is looked for, with the code that proves a real reload.

rehearsal_limit_s=60 # for a rehearsal that asks nothing
names_limit=64       # names of upstreams that are looked up for it

# What becomes of the private root: the first process of the rehearsal. Its standard input is its life line, held by the agent alone.
# shellcheck disable=SC2016 # it is a program for another shell
keeping=$private_root'asked=$1 host_net=$2 program=$3 addresses=$4
read -r pid _ </proc/self/stat
echo "deployer-keeper $pid"
# Addresses that the host lacks were found by the test, in the network of the host; here nothing must depend on which could be copied.
for word in ipv4 ipv6; do echo 1 >/proc/sys/net/$word/ip_nonlocal_bind; done 2>/dev/null
if [ -n "$addresses" ]; then
  printf "%s" "$addresses" >"$work/addresses"
  ip -force -batch "$work/addresses" >/dev/null 2>&1 || printf "%s" "$addresses" | while read -r line; do ip $line >/dev/null 2>&1; done
fi
if [ "$asked" = yes ]; then
  # Where nginx is started from, so that the one it replaces itself by can be something else; and the way out of the private network.
  : >"$root/deployer-rehearsal/net"
  mount -n --bind "$host_net" "$root/deployer-rehearsal/net" && ln -s "$program" "$root/deployer-rehearsal/nginx" || cannot "its way to the network of the host cannot be made"
fi
exec chroot "$root" /bin/sh -c "echo 1000 >/proc/self/oom_score_adj; echo deployer-ready; exec >/dev/null 2>&1; read -r line" deployer-rehearsal
'

do_rehearse() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  need_target
  find_master
  need_intact "$release"
  # An emergency must not wait for us: from here on nothing is held, and nothing on disk is ours.
  clean_up
  exec 9>&-
  locked=no
  trap - HUP PIPE
  transition=no learned=''
  if [ "$answers" = yes ]; then
    case $within in '' | 0) within=300000 ;; esac
    rehearsal_limit_s=$((within / 1000 + 60))
  fi
  why_not_rehearsed
  answering=no
  if [ -z "$why" ] && open_rehearsal; then
    rehearse_release
    [ "$answers" != yes ] || [ -n "$why" ] || open_to_questions
  fi
  [ -z "$why" ] || say note "not rehearsed: $why"
  say transition "$transition"
  say answering "$answering"
  [ "$answering" = no ] || answer_questions
  end_rehearsal
  note ok
}

# Sets why to the reason why nothing can be rehearsed here; empty: something can.
why_not_rehearsed() {
  why=''
  if [ "$program" != nginx ]; then
    why="${argv%%"$nl"*} is not nginx"
    return
  elif [ -n "$nginx_problem" ]; then
    why=$nginx_problem
    return
  elif [ -z "$binary" ]; then
    why="${argv%%"$nl"*} is not on this host"
    return
  fi
  for word in unshare nsenter mount chroot mkfifo timeout; do
    command -v "$word" >/dev/null || { why="$word is not on this host (util-linux, coreutils)"; return; }
  done
  # At most three of them run at a time: live, what it becomes, what answers.
  rss=0 free=0 all=0
  if [ -n "$master" ]; then
    while read -r word value _; do
      case $word in VmRSS:) rss=$value ;; esac
    done <"/proc/$master/status"
  fi
  while read -r word value _; do
    case $word in MemTotal:) all=$value ;; MemAvailable:) free=$value ;; esac
  done </proc/meminfo
  wanted=$((rss * 6 + 32768))
  [ "$free" -ge $((wanted + all / 20)) ] ||
    why="it may take $((wanted / 1024)) MB of memory, and only $((free / 1024)) MB are free"
}

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
  masks=''
  [ -z "$master" ] ||
    masks=$(find -L "/proc/$master/fd" /var/log/nginx -maxdepth 1 -type f -size +64k -exec readlink -f -- {} + 2>/dev/null)
  extra="proc $root/proc proc nosuid,nodev,noexec 0 0$nl$socket_mounts"
  [ ! -d /dev/shm ] || extra="${extra}deployer $root/dev/shm overlay lowerdir=/dev/shm,upperdir=$private/test/us,workdir=$private/test/ws 0 0$nl"
  # One worker is enough where the configuration leaves their number to the machine.
  [ ! -f /sys/devices/system/cpu/online ] || extra="$extra$private/test/one-cpu $root/sys/devices/system/cpu/online none bind 0 0$nl"
  made="$private/test/us $private/test/ws $private/test/u0/deployer-rehearsal"
  make_pipes || { why="nothing can be written below $private"; return 1; }
  rehearsal=opening
  extra_mounts=$extra extra_dirs=$made timeout -s KILL "$rehearsal_limit_s" \
    unshare -m -p -i -u -n -f --kill-child=KILL --propagation private \
    sh -c "$keeping" deployer-rehearsal "$private/test" "$target" "$state" "releases/$live" "$masks" \
    "$answers" "/proc/$$/ns/net" "$binary" "$addresses" <&3 >&8 2>&1 3<&- 4>&- 6<&- 7<&- 8>&- &
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

# Sets addresses to what gives the private loopback the host's addresses; empty: they cannot be copied.
read_addresses() {
  addresses=''
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

# The steps, once the private root stands on what is live. Refuses (65), or sets transition to what was rehearsed: yes, start, no (why).
rehearse_release() {
  # shellcheck disable=SC2086 # paths without blanks
  remove_inside "$pid_path" $own_paths
  began=live
  if [ -z "$master" ]; then
    reason="nginx does not run"
    began=candidate
  elif ! start_rehearsed; then
    first_reason
    reason="what is live cannot be started anew: $reason"
    began=candidate
  fi
  if [ $began = candidate ]; then
    only_start=$reason
    point_inside
    if start_rehearsed; then
      transition=start
      say note "only a start of the candidate was rehearsed, not the way to it ($only_start)"
    elif [ -n "$master" ]; then
      # What is live runs, and cannot be started in here either: that says more of here than of the candidate.
      first_reason
      why="neither what is live nor the candidate can be started beside it ($reason)"
    else
      refuse_rehearsed "cannot be started on this host"
    fi
  else
    [ "$answers" != yes ] || dump live
    point_inside
    change_rehearsed || refuse_rehearsed "cannot be reloaded on this host: nginx would refuse it and go on with the old one"
    [ -z "$why" ] || return 0
    pid_named=''
    { read -r pid_named <"$inside$pid_path"; } 2>/dev/null
    # Seen from outside, an absolute link on the way leads out.
    [ "$pid_named" = "$rehearsed_pid" ] || pid_named=$(in_rehearsal cat "$pid_path" 2>/dev/null)
    [ "$pid_named" = "$rehearsed_pid" ] || {
      reasons="it changes the pid path ($pid_path), after which no reload finds the master$nl"
      refuse_rehearsed "cannot be reloaded on this host"
    }
    transition=yes
  fi
  [ -n "$why" ] || refuse_clash
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

# Refuses the release, with what nginx said. Where it is not nginx that said no (it took too long, there was no memory), sets why instead.
refuse_rehearsed() {
  first_reason
  [ -d "/proc/$keeper" ] || reason="it took longer than $rehearsal_limit_s s" reasons=''
  case $reasons in
    *'(28: No space left on device)'* | *'(30: Read-only file system)'* | *'(12: Cannot allocate memory)'* | *'(24: Too many open files)'*) ;;
    # It was found when it was tested.
    *'host not found in '*) ;;
    *'[emerg]'* | *'no worker for'* | *'is gone'* | *'pid path'*)
      fail 65 "The rehearsal refuses release $release: it passes the test but $1 ($reason). Nothing was changed." "$reasons"
      ;;
  esac
  why=$reason
}

# Sets reason to the first thing that reasons says, without time and pid.
first_reason() {
  reason=''
  old_ifs=$IFS
  IFS=$nl
  set -f
  for entry in $reasons; do
    case $entry in
      *'[emerg] '*)
        reason=${entry#*"[emerg] "}
        case $reason in [0-9]*'#'*': '*) reason=${reason#*: } ;; esac
        # That it will be tried again says less than why.
        break
        ;;
      *) reason=${reason:-$entry} ;;
    esac
  done
  set +f
  IFS=$old_ifs
  reason=${reason:-no reason was given}
}

# The words that nginx is started with, but for the program.
rehearsed_words() {
  words='' takes=no named=no
  old_ifs=$IFS
  IFS=$nl
  set -f
  first=yes
  for entry in $argv; do
    if [ $first = yes ]; then first=no; continue; fi
    if [ $takes = yes ]; then words=$words$entry$nl; takes=no; continue; fi
    case $entry in
      -[cpge]) words=$words$entry$nl takes=yes ;;
      -[cpge]?*) words=$words$entry$nl ;;
    esac
    case $entry in -c*) named=yes ;; esac
  done
  set +f
  IFS=$old_ifs
  [ $named = yes ] || words=${words}-c$nl$conf$nl
}

# Starts nginx in the rehearsal on what stands there. Sets rehearsed (the master's pid here) and rehearsed_pid (as it knows itself), or returns 1 with reasons.
start_rehearsed() {
  rehearsed='' tries=0
  rehearsed_words
  while :; do
    launch_rehearsed && break
    tries=$((tries + 1))
    [ "$tries" -le "$names_limit" ] && learn_name || return 1
  done
  reasons=''
}

launch_rehearsed() {
  reasons=''
  old_ifs=$IFS
  IFS=$nl
  set -f
  # shellcheck disable=SC2086 # one word a line
  set -- $words
  set +f
  IFS=$old_ifs
  program_inside=$binary
  [ "$answers" != yes ] || program_inside=/deployer-rehearsal/nginx
  {
    echo 1000 >/proc/self/oom_score_adj
    exec nice -n 10 nsenter --target "$keeper" --mount --ipc --uts --net --pid --root --wd -- "$program_inside" "$@"
  } >"$inside/deployer-rehearsal/said" 2>&1 </dev/null 4>&- 5<&- 6<&- &
  launched=$!
  read_uptime
  began_cs=$uptime_cs
  launched_rc=''
  while :; do
    if [ -z "$launched_rc" ] && ! title_of "$launched"; then
      wait "$launched"
      launched_rc=$?
    fi
    children='' others=''
    { read -r children <"/proc/$keeper/task/$keeper/children"; } 2>/dev/null
    [ -n "$launched_rc" ] || { read -r others <"/proc/$launched/task/$launched/children"; } 2>/dev/null
    for pid in $children $others; do
      is_serving_master "$pid" || continue
      rehearsed=$pid
      inner_pid "$pid"
      rehearsed_pid=$inner
      return 0
    done
    if [ "${launched_rc:-0}" -ne 0 ]; then
      reasons=$(tail -c 20000 "$inside/deployer-rehearsal/said")
      return 1
    fi
    read_uptime
    if [ $((uptime_cs - began_cs)) -gt 1500 ]; then
      reasons="nginx showed no worker within 15 s$nl$(tail -c 20000 "$inside/deployer-rehearsal/said")"
      return 1
    fi
    sleep 0.02 4>&- 5<&-
  done
}

# Whether process $1 is an nginx master that has a worker.
is_serving_master() {
  title_of "$1" || return 1
  case $title in 'nginx: master process'*) ;; *) return 1 ;; esac
  below=''
  { read -r below <"/proc/$1/task/$1/children"; } 2>/dev/null
  for child in $below; do
    title_of "$child" || continue
    case $title in *'worker process'*) return 0 ;; esac
  done
  return 1
}

# Sets inner to the pid that process $1 has in its own namespace.
inner_pid() {
  inner=''
  while read -r word value; do
    case $word in NSpid:) inner=${value##*[	 ]} ;; esac
  done <"/proc/$1/status"
}

# A name that the private network cannot resolve is looked up on the host and written down for it. Returns 1 when that was not the reason.
learn_name() {
  case $reasons in *'host not found in '*'"'*) ;; *) return 1 ;; esac
  name=${reasons#*host not found in }
  name=${name#*\"}
  name=${name%%[\":/]*}
  case $name in '' | *[!A-Za-z0-9._-]*) return 1 ;; esac
  case " $learned " in *" $name "*) return 1 ;; esac
  # So that slow servers of names cannot use up the time that the caller gives.
  read_uptime
  [ $((uptime_cs - opened_cs)) -lt 4000 ] || return 1
  found=$(timeout 5 getent ahosts "$name" 2>/dev/null) || return 1
  [ -n "$learned" ] || in_rehearsal sh -c 'cp /etc/hosts /deployer-rehearsal/hosts && mount -n --bind /deployer-rehearsal/hosts /etc/hosts' 2>/dev/null || return 1
  learned="$learned $name"
  while read -r value word _; do
    [ "$word" != STREAM ] || printf '%s %s\n' "$value" "$name"
  done >>"$inside/deployer-rehearsal/hosts" <<END
$found
END
}

# Has the rehearsed nginx go over to the release, and proves that it did as a real reload is proved.
change_rehearsed() {
  while :; do
    if reasons=$(prove_rehearsed); then return 0; fi
    learn_name || return 1
  done
}

# Runs in a subshell: what it says of master and state is the rehearsal's.
prove_rehearsed() {
  trap - EXIT
  exec 4>&- 5<&-
  state=$inside$state releases=$inside$releases master=$rehearsed master_logged=$rehearsed_pid memory=$live
  # shellcheck disable=SC2317 # load_release calls it
  send_reload() { kill -HUP "$master"; }
  read_workers
  load_release "$release" && return 0
  printf '%s' "$reasons"
  return 1
}
