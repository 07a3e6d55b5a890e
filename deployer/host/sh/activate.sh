# --------------------------------------------------------------------------------------------------- activate, restore

do_activate() {
  [ -n "$release" ] && [ -n "$from" ] || usage "release and from are wanted"
  need_ownership
  need_unreverted
  need_guard
  baseline='' memory='' proof='' seconds=0
  need_target
  need_no_mount
  find_master
  need_intact "$release"
  if [ "$live" = "$release" ]; then
    # Said twice, or the answer was lost: prove it again.
    read_memory yes
    if [ "$memory" = "$release" ]; then
      say changed no
      say memory "$memory"
      say proof "$memory_note"
      say_seconds
      return 0
    fi
  elif [ "$live" != "${leaves:-$from}" ]; then
    fail 66 "What is live is $live, not ${leaves:-$from} as planned; plan again."
  else
    is_intact "$target" "$live" ||
      fail 66 "$target was changed by hand since it was planned; look at the difference (plan)." "$(differences "$target" "$live")"
  fi
  if [ "$program" = nginx ]; then
    [ -z "$nginx_problem" ] || fail 67 "$nginx_problem"
    [ -n "$master" ] || [ "$fix_forward" = yes ] || fail 67 "nginx does not run (no master named by $pid_path); start it, or deploy with --fix-forward."
  fi
  read_memory ''
  carry_and_validate "$release"
  write_last "$release" "$from"
  switch_to "$release"
  prove "$release" "Release $release stands on disk but is not what nginx holds in memory; it must be rolled back."
  # A slow activation must not use up the time that there is to confirm it.
  read_guard
  [ -z "$within" ] || [ "$guard_left" -ge $((within / 15)) ] || write_guard
}

# The outgoing tree's preserved paths go into release $1; it is validated unless this deployment has done so and nothing was carried since.
carry_and_validate() {
  carried=no
  [ "$live" = "$1" ] || carry_preserved "$target" "$releases/$1"
  valid_for=''
  { read -r valid_for <"$meta/$1/valid"; } 2>/dev/null
  [ "$valid_for" = "$deployment" ] && [ "$carried" = no ] && [ "$verb" = activate ] || validate_release "$1"
}

# Load release $1 (or start nginx with it), and answer with what is proved. $2: the sentence when it is not.
prove() {
  if [ "$program" = nginx ] && [ -z "$master" ]; then
    start_nginx "$1"
  else
    load_release "$1"
  fi
  loaded_rc=$?
  live=$1
  if [ "$program" = nginx ]; then
    if [ "$loaded_rc" -eq 0 ]; then
      write_loaded "$1"
      memory=$1 memory_note=$proof
    else
      find_master
      read_memory ''
    fi
  else
    memory=''
  fi
  say memory "$memory"
  say proof "$proof"
  say_seconds
  if [ "$loaded_rc" -ne 0 ]; then
    say memory_note "$memory_note"
    fail 68 "$2" "$reasons"
  fi
  say changed yes
  note "ok $seconds cs"
}

do_restore() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  restore_release
  keep_out
  # What is proved needs no guard, whoever armed it; one for another target stays.
  read_guard
  [ "$guard_target" != "$target" ] || guard_off
  read_reverted
  [ "$fired_target" != "$target" ] || gone_file reverted
}

# Put $release back and prove it.
restore_release() {
  baseline='' memory='' proof='' seconds=0
  need_target
  find_master
  [ -z "$nginx_problem" ] || fail 67 "$nginx_problem"
  need_intact "$release"
  same=''
  [ "$live" != "$release" ] || same=yes
  read_memory "$same"
  on_disk=$same
  # A release that names an identity is proved by it, whatever is on disk; one that does not only by what stands there.
  if [ "$on_disk" = yes ] && { [ "$memory" = "$release" ] || { [ "$program" = other ] && [ "$kind" = directory ]; }; }; then
    say changed no
    say memory "$memory"
    say proof "$memory_note"
    say_seconds
    note "ok unchanged"
    return 0
  fi
  [ "$program" = other ] || [ -n "$master" ] || [ "$start" = yes ] || fail 68 "nginx does not run; ask for it to be started."
  carry_and_validate "$release"
  if [ "$on_disk" != yes ]; then
    leave_live
  fi
  if [ "$program" = nginx ] && [ "$memory" = "$release" ]; then
    # The release that is left never reached memory: nothing to reload, only to prove.
    proof="never left memory: $memory_note"
    write_loaded "$release"
    say changed yes
    say memory "$memory"
    say proof "$proof"
    say_seconds
    note ok
    return 0
  fi
  prove "$release" "Release $release stands on disk again but is not what nginx holds in memory; look at the host."
}


# What is gone back from is not good any more; before the switch, so that no cut leaves it live and good. Where there is no
# space for that, going back comes first.
leave_live() {
  # Of an edit that nginx never held, what it did hold is gone back from.
  left=$live
  case $live in drift-*) [ -z "$memory" ] || [ "$memory" = "$release" ] || left="$left $memory" ;; esac
  goods_without ''
  goods=$text
  goods_without "$left"
  if [ "$text" != "$goods" ]; then
    replace_file "$private/good" "$text" 2>/dev/null || say problem "$live could not be demoted."
  fi
  switch_to "$release"
}

