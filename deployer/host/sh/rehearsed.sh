# --------------------------------------------------------------------------------------------------- nginx in a rehearsal

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

# Ends the nginx of the rehearsal, for another one. Sets why where it does not end.
stop_rehearsed() {
  kill -TERM "$rehearsed" 2>/dev/null
  read_uptime
  began_cs=$uptime_cs
  while title_of "$rehearsed"; do
    read_uptime
    [ $((uptime_cs - began_cs)) -le 1500 ] || {
      why="the nginx of the rehearsal does not end"
      return 1
    }
    sleep 0.02 4>&- 5<&-
  done
  # shellcheck disable=SC2086 # paths without blanks
  remove_inside "$pid_path" $own_paths
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
  state=$inside$state releases=$inside$releases master=$rehearsed master_logged=$rehearsed_pid memory=$starting
  # shellcheck disable=SC2317 # load_release calls it
  send_reload() { kill -HUP "$master"; }
  read_workers
  load_release "$release" && return 0
  printf '%s' "$reasons"
  return 1
}
