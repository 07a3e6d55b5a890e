# --------------------------------------------------------------------------------------------------- reload and verdict

# The unit that the master runs in: sets unit, empty when systemd does not keep it.
read_unit() {
  unit=''
  [ -d /run/systemd/system ] && [ -n "$master" ] || return 0
  while read -r line; do
    case $line in *.service) unit=${line##*/} ;; esac
  done <"/proc/$master/cgroup"
  # Started by hand it lives in the unit of whoever did (sshd's, say).
  case $unit in *[!A-Za-z0-9_.@:-]*) unit='' ;; *nginx* | *openresty*) ;; *) unit='' ;; esac
}

# Tells the program to load what stands at the target. Returns non-zero when it could not even be told.
send_reload() {
  output=''
  if [ -n "$reload" ]; then
    old_ifs=$IFS
    IFS=$nl
    set -f
    # shellcheck disable=SC2086 # argv, one word a line
    set -- $reload
    set +f
    IFS=$old_ifs
    output=$(timeout -s KILL "$start_limit_s" "$@" 2>&1 9>&- 8>&- 7>&- 6<&-)
  else
    read_unit
    if [ -n "$unit" ]; then
      output=$(timeout -s KILL "$start_limit_s" systemctl reload "$unit" 2>&1 9>&- 8>&- 7>&- 6<&-)
    else
      kill -HUP "$master"
    fi
  fi
}

# Opens the logs in which the master says no: descriptor 7 the identity file of release $1, 8 what the old configuration logs to.
open_logs() {
  has_7=no has_8=no
  if [ -f "$state/id/$1" ]; then
    exec 7<"$state/id/$1"
    has_7=yes
  fi
  old_log="/proc/$master/fd/2"
  [ -z "$memory" ] || [ "$memory" = "$1" ] || [ ! -f "$state/id/$memory" ] || old_log=$state/id/$memory
  if [ -f "$old_log" ] && [ -r "$old_log" ]; then
    exec 8<"$old_log"
    has_8=yes
  fi
  # Reading starts at the end of what is there now. tail leaves the shared offset there without reading the file.
  if [ "$has_8" = yes ] && [ -s "$old_log" ]; then tail -c 1 <&8 >/dev/null; fi
  if [ "$has_7" = yes ] && [ -s "$state/id/$1" ]; then tail -c 1 <&7 >/dev/null; fi
}

# Reads what the logs gained. Sets refused=yes when the master gave up.
read_logs() {
  if [ "$has_7" = yes ]; then
    while IFS= read -r line <&7; do judge_line; done
  fi
  if [ "$has_8" = yes ]; then
    while IFS= read -r line <&8; do judge_line; done
  fi
}

# master_logged: the master's pid as it knows it itself, where that is another one (a rehearsal has its own pids).
judge_line() {
  case $line in
    *"[emerg] ${master_logged:-$master}#"*)
      # Both logs may be the same one, or say the same.
      case $nl$reasons in *"$nl$line$nl"*) ;; *) [ "${#reasons}" -gt 20000 ] || reasons=$reasons$line$nl ;; esac
      # A port in use is tried five times; only then does the master say that it could not.
      case $line in *'(98: '*) ;; *) refused=yes ;; esac
      ;;
  esac
}

# Reload, and wait until it is known what master and workers hold. Returns 0 (proved to be release $1) or 1 (reasons says why not).
load_release() {
  reasons='' refused=no verdict='' none_since=''
  old=" $serving"
  open_logs "$1"
  identity=no
  has_identity "$1" && identity=yes
  read_uptime
  began_cs=$uptime_cs
  send_reload || {
    reasons="the reload command failed$nl$output"
    [ "$program" = nginx ] || return 1
    refused=yes
  }
  if [ "$program" != nginx ]; then
    proof="the reload command succeeded; what is in memory cannot be proved"
    return 0
  fi
  pause=0.05
  while :; do
    sleep "$pause" 9>&-
    # Titles and descriptors are read only once there is a worker that was not there before.
    { read -r children <"/proc/$master/task/$master/children"; } 2>/dev/null
    for child in $children; do
      case $old in *" $child "*) continue ;; esac
      read_workers
      if all_new; then
        if [ "$identity" = yes ]; then
          if all_hold "$1"; then verdict='held'; fi
        elif none_hold; then
          verdict='time'
        fi
      fi
      break
    done
    [ -n "$children" ] || serving_count=0
    [ -z "$verdict" ] || break
    read_logs
    [ "$refused" = no ] || break
    if ! title_of "$master"; then
      reasons="${reasons}the master (pid $master) is gone$nl"
      break
    fi
    read_uptime
    waited=$((uptime_cs - began_cs))
    if [ "$serving_count" -eq 0 ]; then
      none_since=${none_since:-$waited}
      if [ $((waited - none_since)) -gt 200 ]; then
        reasons="${reasons}the master has had no worker for 2 s: they die at once$nl"
        break
      fi
    else
      none_since=''
    fi
    if [ "$waited" -gt $((reload_limit_s * 100)) ]; then
      reasons="${reasons}master and workers did not take it up within $reload_limit_s s$nl"
      break
    fi
    [ "$waited" -lt 50 ] || pause=0.1
  done
  read_uptime
  seconds=$((uptime_cs - began_cs))
  exec 7<&- 8<&-
  case $verdict in
    held) proof="the master and $serving_count new worker(s) hold the identity of $1" ;;
    time) proof="by time: $serving_count new worker(s) started after the switch and none holds another release" ;;
    *) return 1 ;;
  esac
}

# Whether every serving worker started after the signal, and there is one.
all_new() {
  [ "$serving_count" -gt 0 ] || return 1
  for child in $serving; do
    case $old in *" $child "*) return 1 ;; esac
  done
}

none_hold() {
  read_held
  [ -z "$held" ]
}

# Whether the main file of release $1 names its identity.
has_identity() { [ -n "$main" ] && [ -f "$state/id/$1" ] && [ -f "$releases/$1/$main" ]; }

# Start an nginx that is dead. Returns non-zero with reasons.
start_nginx() {
  reasons=''
  read_uptime
  began_cs=$uptime_cs
  rm -f "$private/start.log"
  if [ -d /run/systemd/system ] && systemctl cat "${binary##*/}.service" >/dev/null 2>&1 9>&-; then
    systemctl reset-failed "${binary##*/}.service" >/dev/null 2>&1 9>&-
    timeout -s KILL "$start_limit_s" systemctl start "${binary##*/}.service" >"$private/start.log" 2>&1 9>&- 6<&-
  else
    set -- "$binary"
    [ -z "$main" ] || set -- "$binary" -c "$conf"
    timeout -s KILL "$start_limit_s" "$@" >"$private/start.log" 2>&1 9>&- 6<&-
  fi
  started_rc=$?
  identity=no
  has_identity "$1" && identity=yes
  tries=0
  while [ "$started_rc" -eq 0 ] && [ "$tries" -lt 100 ]; do
    find_master
    if [ -n "$master" ] && [ "$serving_count" -gt 0 ]; then
      if [ "$identity" = no ] || all_hold "$1"; then
        proof="nginx was started; its master and $serving_count worker(s) read $1"
        read_uptime
        seconds=$((uptime_cs - began_cs))
        return 0
      fi
    fi
    tries=$((tries + 1))
    sleep 0.05 9>&-
  done
  reasons="nginx could not be started$nl$(tail -c 4096 "$private/start.log" 2>/dev/null)"
  read_uptime
  seconds=$((uptime_cs - began_cs))
  return 1
}

say_seconds() {
  fraction=$((seconds % 100))
  case $fraction in ?) fraction=0$fraction ;; esac
  say seconds "$((seconds / 100)).$fraction"
}

# What activate and restore share, once the release is known to be intact and valid: the switch and its proof.
switch_to() {
  if [ "$kind" = directory ]; then
    point_live "$1"
    convert
  else
    point_live "$1"
  fi
  kind='link'
}

write_last() {
  overwrite_file "$private/last" "$deployment$nl$1$nl$2$nl" || cannot_write "$private"
}

need_target() {
  read_live || {
    case $kind in
      absent) fail 67 "$target is not there; install the program that it configures first." ;;
      foreign) fail 67 "$target is a symbolic link or a file that is not deployer's; make it a plain directory first." ;;
      *) fail 67 "$target is not adopted yet; adopt it first." ;;
    esac
  }
}

need_no_mount() {
  if [ "$kind" = directory ] && grep -q " $target " /proc/self/mountinfo; then
    fail 67 "$target is a mount point and cannot become a symbolic link; unmount it, or make a directory below it the target."
  fi
}

