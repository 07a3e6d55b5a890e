# --------------------------------------------------------------------------------------------------- the guard

# The guard file is a request of its own: what to take back, where, and when. It lies in the instance, written before the switch, so whoever comes
# next sees it, whichever playbook it comes for. Files beside it: guardian (pid and start of what carries it), guard.stuck (why it could
# not take the release back), reverted (that it did).

guard_at_work=''
boot_unit=/etc/systemd/system/deployer-guard.service

# Sets guard to none, armed or expired; of an armed one guard_left, in 1/100 s; guard_rest: its lines but the deadline.
read_guard() {
  guard=none guard_left=0
  # Under the lock nobody but us writes it.
  [ "$locked.$guard_known" = yes.yes ] || read_guard_file
  [ -n "$guard_rest" ] || return 0
  guard=expired
  read_uptime
  this_boot && is_digits "$guard_due" && guard_left=$((guard_due - uptime_cs)) && [ "$guard_left" -gt 0 ] && guard=armed
  return 0
}

read_guard_file() {
  guard_known=yes
  guard_rest='' guard_due='' guard_boot='' guard_init='' guard_deployment='' guard_release='' guard_from='' guard_target=''
  [ -f "$instance/guard" ] || return 0
  while :; do
    # One without an end was being written when its writer was cut off: nothing was activated under it.
    IFS= read -r line || {
      guard_rest='' guard_deployment='' guard_release='' guard_from='' guard_target=''
      [ "$locked" = no ] || rm -f "$instance/guard"
      return 0
    }
    [ -n "$line" ] || return 0
    value=${line#*=}
    case ${line%%=*} in
      due)
        guard_due=$value
        continue
        ;;
      boot) guard_boot=$value ;;
      init) guard_init=$value ;;
      deployment) guard_deployment=$value ;;
      release) guard_release=$value ;;
      from) guard_from=$value ;;
      target) guard_target=$value ;;
    esac
    guard_rest=$guard_rest$line$nl
  done <"$instance/guard"
}

# Whether the guard was armed since this machine, or this container on it, was started.
this_boot() {
  [ "$guard_boot" = "$boot" ] && [ "$guard_init" = "$init_start" ]
}

# Sets fired to the deployment whose release the guard took back, empty when there is none.
read_reverted() {
  fired='' fired_release='' fired_from='' fired_how='' fired_time='' fired_target=''
  [ ! -f "$instance/reverted" ] || { read -r fired fired_release fired_from fired_how fired_time fired_target <"$instance/reverted"; } 2>/dev/null
  [ -n "$fired_target" ] || fired=''
}

# The deadline is moved to that many milliseconds from now, whatever the clock does.
write_guard() {
  read_uptime
  guard_left=$((within / 10)) guard_known=no
  text="due=$((uptime_cs + guard_left))$nl$guard_rest$nl"
  if [ -e "$instance/guard" ]; then
    replace_file "$instance/guard" "$text" && sync "$instance"
  else
    # A new one counts only when its end is there.
    { printf %s "$text" >"$instance/guard"; } 2>/dev/null && sync "$instance/guard" "$instance" || { rm -f "$instance/guard" && false; }
  fi || cannot_write "$instance"
}

guardian_lives() {
  guardian='' guardian_start=''
  { read -r guardian guardian_start <"$instance/guardian"; } 2>/dev/null
  is_digits "$guardian" && stat_of "$guardian" && [ "$started" = "$guardian_start" ] || return 1
  # One that was killed may still be listed.
  case ${stat_line##*) } in Z*) return 1 ;; esac
}

# Start what carries the guard of deployment $1, if it does not run. It outlives this call, the connection and the controller. $2: see carry.
start_guardian() {
  ! guardian_lives || return 0
  gone_file guardian
  set -- "$base/agent.sh" carry "$instance" "$@"
  if [ -d /run/systemd/system ]; then
    read_uptime
    # A service that sleeps: a timer would start anew at every daemon-reload. Nothing that it starts ends with it.
    if systemd-run --quiet --collect --no-block --unit="deployer-guard-$4-$uptime_cs" -p KillMode=process sh "$@" \
      </dev/null >/dev/null 2>&1 9>&- 8>&- 7>&- 6>&-; then
      tries=0
      until guardian_lives; do
        tries=$((tries + 1))
        [ "$tries" -lt 500 ] || break
        sleep 0.01 9>&-
      done
    fi
  fi
  # Without systemd a process of its own session, with nothing of ours open.
  guardian_lives || [ "$(setsid sh "$@" </dev/null 2>/dev/null 9>&- 8>&- 7>&- 6>&- 5>&- 4>&- 3>&- &)" = ready ]
}

# No guard any more: what was taken back, or confirmed, is durable before it goes.
guard_off() {
  guard_known=no
  [ -f "$instance/guard" ] || return 0
  lives=no
  ! guardian_lives || lives=yes
  rm -f "$instance/guard" "$instance/guard.stuck" "$instance/guardian" && sync "$instance" || cannot_write "$instance"
  # The one that fires must finish; the one that sleeps would only notice later.
  [ "$verb" = guard ] || [ $lives = no ] || kill -TERM "-$guardian" 2>/dev/null
  return 0
}

# Removes file $1 of the instance, mostly not there: no process then.
gone_file() { [ ! -e "$instance/$1" ] || rm -f "$instance/$1"; }

# --- verbs

do_arm() {
  [ -n "$release" ] && [ -n "$from" ] && [ -n "$within" ] || usage "release, from and within are wanted"
  need_ownership
  need_unreverted
  need_target
  read_guard
  if [ "$guard" != none ]; then
    # What it was armed for and is not live can be given up for something else; what is live cannot.
    [ "$guard_deployment" = "$deployment" ] && [ "$guard_target" = "$target" ] &&
      { [ "$guard_release" != "$live" ] || [ "$guard_release $guard_from" = "$release $from" ]; } ||
      busy "The guard of deployment $guard_deployment is armed on this host for another $((guard_left / 100)) s; wait for it, or roll back."
  fi
  if [ "$guard_release $guard_from" != "$release $from" ]; then
    [ "$from" = "$live" ] || need_intact "$from"
    [ -f "$base/agent.sh" ] || fail 67 "The agent is not installed on this host, so no guard can be armed; install it first."
    write_boot_unit || say problem "$boot_unit could not be written, so a reboot would not take an unconfirmed release back."
    guard_rest="boot=$boot${nl}init=$init_start${nl}deployment=$deployment${nl}epoch=$epoch${nl}controller=$controller${nl}release=$release${nl}from=$from$nl"
    name_programs
    guard_rest=$guard_rest"target=$target${nl}state=$state$nl${preserve:+preserve=$preserve$nl}$programs"
  fi
  gone_file guard.stuck
  write_guard
  start_guardian "$deployment" || {
    guard_off
    fail 67 "The guard cannot be started on this host (neither systemd-run nor setsid did it), so nothing is activated."
  }
  say_left armed
  note "ok $((within / 1000)) s"
}

do_renew() {
  [ -n "$within" ] || usage "within is wanted"
  need_ownership
  need_unreverted
  read_guard
  if [ "$guard" = none ] || [ "$guard_deployment" != "$deployment" ]; then
    say guard none
    return 0
  fi
  write_guard
  start_guardian "$deployment" || fail 70 "The guard's process is gone and cannot be started again."
  say_left armed
}

# What the carrier calls when the deadline has passed. The header is the guard file.
do_guard() {
  take_lock
  read_guard
  [ "$guard" != expired ] || take_back guard
}

# At boot, before nginx: there is nothing to reload or to prove yet, and names may not resolve. What cannot be done here is done as ever, a moment later.
do_boot() {
  load_program
  read_guard
  [ "$guard" != none ] || return 0
  if this_boot; then
    # Only nginx was started anew. The lock is not waited for: who holds it may be starting nginx.
    start_guardian "$guard_deployment"
    return 0
  fi
  flush
  (boot_back && flush) || start_guardian "$guard_deployment" late
}

boot_back() {
  lock_wait_s=5
  take_lock
  read_guard
  [ "$guard" = expired ] || return 0
  find_master
  [ -z "$master$nginx_problem" ] || return 1
  logging=yes
  make_store
  repair
  release=$guard_from
  need_target
  need_intact "$release"
  if [ "$live" != "$release" ]; then
    carry_preserved "$target" "$releases/$release"
    leave_live
  fi
  write_loaded "$release"
  write_reverted boot
  guard_off
}

# --- taking back

# Every verb of an owner looks here first: a guard whose deadline passed is not overtaken, even if what carried it was killed.
mind_guard() {
  case $verb in restore | release | guard) return 0 ;; esac
  read_guard
  [ "$guard" != expired ] || take_back contact
}

# Refuses to change anything that no guard would take back.
need_guard() {
  read_guard
  [ "$guard $guard_deployment $guard_release $guard_from" = "armed $deployment $release $from" ] ||
    fail 67 "No guard is armed for release $release, so it is not activated; arm one first."
}

# Refuses what comes from a deployment whose release was taken back.
need_unreverted() {
  read_reverted
  [ "$fired" = "$deployment" ] || return 0
  say reverted_to "$fired_from"
  say reverted_at "$fired_time"
  fail 74 "The guard took release $fired_release back to $fired_from, for nobody had confirmed it in time."
}

# Do what the guard file asks for, under the lock that is held, as restore does: validated, switched, loaded, proved. $1: who found it expired.
# In a subshell: the request may be another playbook's than this call's.
take_back() {
  flush
  (
    guard_at_work=yes
    read_header 6<"$instance/guard"
    check_header
    check_target
    program_known=no verb=guard logging=yes repaired=no
    load_program
    make_store
    repair
    release=$from start=yes
    restore_release
    write_reverted "$1"
    guard_off
    flush
  ) || exit "$?"
  guard_known=no
}

# Why it could not be; fail calls it.
note_stuck() { replace_file "$instance/guard.stuck" "$1$nl"; } 2>/dev/null

# The record of it, and a line in the host's own log.
write_reverted() {
  read_guard
  read_time
  text="$guard_deployment $guard_release $guard_from $1 ${clock%.*} $guard_target"
  replace_file "$instance/reverted" "$text$nl" || say problem "What the guard did could not be recorded."
  deployment=$guard_deployment release=$guard_release
  note "reverted to $guard_from ($1): nobody confirmed it in time"
}

# --- telling

say_left() {
  say guard "$1"
  say guard_left "$((guard_left / 100))"
}

# For observe.
say_guard() {
  read_guard
  read_reverted
  if [ "$guard" != none ]; then
    say_left "$guard"
    say guard_deployment "$guard_deployment"
    say guard_release "$guard_release"
    say guard_from "$guard_from"
    [ "$guard_target" = "$target" ] || say guard_elsewhere "$guard_target"
    if guardian_lives; then say guard_carried yes; else say guard_carried no; fi
    if [ -f "$instance/guard.stuck" ]; then
      { IFS= read -r line <"$instance/guard.stuck"; } 2>/dev/null
      say guard_stuck "$line"
    fi
  elif [ -n "$fired" ]; then
    say guard fired
    say guard_deployment "$fired"
    say guard_release "$fired_release"
    say guard_from "$fired_from"
    [ "$fired_target" = "$target" ] || say guard_elsewhere "$fired_target"
    say guard_how "$fired_how"
    say guard_time "$fired_time"
  fi
  if [ -f "$boot_unit" ]; then say guard_boot yes; else say guard_boot no; fi
}

# --- the boot unit

# Write the unit that looks at the guard before nginx starts, for all targets on this host; remove it when there is none. systemd reads it at
# the next boot, which is when it is wanted, so it need not be told now.
write_boot_unit() {
  [ -d /run/systemd/system ] || return 0
  mounts=''
  for registry in "$base"/instance/*/targets; do
    [ -f "$registry" ] || continue
    while read -r other other_state; do mounts="$mounts $other $other_state"; done <"$registry"
  done
  units=nginx.service
  case ${binary##*/} in '' | nginx | *[!A-Za-z0-9_.-]*) ;; *) units="nginx.service ${binary##*/}.service" ;; esac
  if [ -z "$mounts" ]; then
    [ ! -f "$boot_unit" ] || rm -f "$boot_unit" "${boot_unit%/*}"/*.service.wants/deployer-guard.service
    return 0
  fi
  unit_text="# Written by deployer; removed with the last adoption on this host.
[Unit]
Description=Take an unconfirmed release back before nginx starts (deployer)
DefaultDependencies=no
After=local-fs.target
Before=$units
ConditionPathExistsGlob=$base/instance/*/guard
RequiresMountsFor=$base$mounts

[Service]
Type=oneshot
TimeoutStartSec=60
KillMode=process
ExecStart=/bin/sh -c 'for guard in $base/instance/*/guard; do sh $base/agent.sh boot <\"\$\$guard\"; done'

[Install]
WantedBy=$units
"
  is_text "$boot_unit" "$unit_text" || replace_file "$boot_unit" "$unit_text" || return 1
  for unit in $units; do
    wants=${boot_unit%/*}/$unit.wants
    [ -L "$wants/deployer-guard.service" ] || { mkdir -p "$wants" && ln -sf ../deployer-guard.service "$wants/"; } 2>/dev/null || return 1
  done
}

