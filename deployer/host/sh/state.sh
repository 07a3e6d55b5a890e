# --------------------------------------------------------------------------------------------------- state on disk

# Write text $2 to file $1 so that a crash leaves the old or the new one.
replace_file() {
  { printf '%s' "$2" >"$1.new"; } 2>/dev/null && sync "$1.new" && mv -f "$1.new" "$1"
}

# The same for text of less than a sector: over what is there, in one write of ever the same length, which neither a kill nor a crash
# parts. It takes no process. Who reads it without the lock reads until it reads the same twice.
overwrite_file() {
  if [ -s "$1" ] && [ "${#2}" -le 400 ]; then
    { printf '%-400s' "$2" 1<>"$1"; } 2>/dev/null
  else
    replace_file "$1" "$2"
  fi
}

is_full() {
  free_kb=$(stat -f -c '%a %S' "$1" 2>/dev/null)
  [ -n "$free_kb" ] || return 1
  free_kb=$((${free_kb% *} * ${free_kb#* } / 1024))
  [ "$free_kb" -lt "${2:-64}" ]
}

# fail with the reason why writing below $1 did not work.
cannot_write() {
  if is_full "$1"; then fail 67 "No space is left on the file system of $1; free some and try again." "${2-}"; fi
  if ! { true >"$1/.probe"; } 2>/dev/null; then fail 67 "$1 cannot be written (is the file system read-only?)." "${2-}"; fi
  rm -f "$1/.probe"
  fail 70 "Writing below $1 failed." "${2-}"
}

# Sets live: the release that stands, whatever the pointer says, while a plain directory is still there.
read_live() {
  live='' kind=absent
  if [ -L "$target" ]; then
    kind=foreign
    [ ! "$target/." -ef "$state/live/." ] || kind='link'
  elif [ -d "$target" ]; then
    kind=directory
  elif [ -e "$target" ]; then
    kind=foreign
  fi
  [ ! -f "$private/baseline" ] || { read -r baseline <"$private/baseline"; } 2>/dev/null
  if [ "$kind" = link ]; then
    for directory in "$releases"/*; do
      [ "$directory/." -ef "$target/." ] || continue
      live=${directory##*/}
      break
    done
  elif [ -n "$baseline" ] && [ -f "$private/directory" ]; then
    { read -r live <"$private/directory"; } 2>/dev/null
  fi
  [ -n "$live" ]
}

read_owner() {
  seen_owner='' owner='' owner_epoch=0 owner_controller='' silent=0
  [ -f "$instance/owner" ] || return 0
  while :; do
    { IFS= read -r owner_epoch && IFS= read -r owner && IFS= read -r owner_controller; } <"$instance/owner" 2>/dev/null
    again=$owner_epoch$nl$owner$nl$owner_controller
    [ "$locked" = no ] && [ "$again" != "$seen_owner" ] || break
    seen_owner=$again
  done
  is_digits "$owner_epoch" || owner_epoch=0
  [ -n "$owner" ] || return 0
  read_uptime
  heard='' heard_boot='' heard_offset=''
  { read -r heard heard_boot heard_offset <"$instance/heard"; } 2>/dev/null
  silent=${uptime%.*}
  # Heard before this boot, or unreadable: silent since the boot at the least.
  if is_digits "$heard" && [ "$heard_boot" = "$boot" ]; then
    silent=$((silent - heard))
    [ -n "$clock_offset" ] || clock_offset=$heard_offset
  fi
}

hear() {
  read_uptime
  { printf '%s %s %s\n' "${uptime%.*}" "$boot" "$clock_offset" >"$instance/heard"; } 2>/dev/null
}

write_owner() {
  overwrite_file "$instance/owner" "$1$nl$2$nl$3$nl" || cannot_write "$instance"
}

make_state() {
  [ ! -d "$instance" ] || return 0
  umask 077
  mkdir -p "$instance" 2>/dev/null || fail 67 "$instance cannot be made (is the file system read-only, or full?)."
  chmod 0711 "$base" && chmod 0700 "$base/instance" "$instance" || fail 67 "The mode of $base cannot be set."
  umask 022
}

make_store() {
  [ ! -d "$private/incoming" ] || return 0
  { mkdir -p "$releases" "$state/id" "$private/incoming" "$meta" "$private/test" &&
    chmod 0711 "$state" "$releases" "$state/id" && chmod 0700 "$private"; } 2>/dev/null ||
    fail 67 "$state cannot be made (is the file system read-only, or full?)."
}

# Takes the instance lock for the rest of the call. Nothing that is started from here inherits it.
take_lock() {
  [ "$locked" = no ] || return 0
  load_program
  if [ ! -d "$instance" ]; then
    [ "$verb" = begin ] || fail 76 "No deployment owns this host; begin one first."
    make_state
  fi
  { true >>"$instance/lock"; } 2>/dev/null || cannot_write "$instance"
  exec 9>>"$instance/lock"
  flock -w "$lock_wait_s" 9 || {
    read_owner
    busy "Another call of deployer has been working on this host for $lock_wait_s s; wait for it, or see what it does (ps)."
  }
  locked=yes
  # From here on a lost connection must not stop us halfway.
  trap '' HUP PIPE
}

busy() {
  say owner "$owner"
  say owner_controller "$owner_controller"
  say silent "$silent"
  fail 75 "$1"
}

# What every changing verb starts with: lock, ownership, and repair of what an earlier call left halfway.
need_ownership() {
  [ -n "$deployment" ] && [ -n "$epoch" ] || usage "deployment and epoch are wanted"
  take_lock
  read_owner
  [ "$owner" = "$deployment" ] && [ "$owner_epoch" = "$epoch" ] ||
    fail 76 "Deployment $deployment (epoch $epoch) does not own this host any more: ${owner:-nobody} does (epoch $owner_epoch)."
  hear
  logging=yes
  make_store
  repair
  mind_guard
}

# --------------------------------------------------------------------------------------------------- targets

# Refuses a target that another playbook has, or that overlaps one.
check_targets() {
  find_clash
  [ -z "$clash" ] || fail 67 "$clash"
}

# Sets clash to the sentence that says so, or to nothing.
find_clash() {
  clash=''
  for registry in "$base"/instance/*/targets; do
    [ -f "$registry" ] || continue
    while read -r other other_state; do
      [ "$other $other_state" != "$target $state" ] || continue
      if [ "$other" = "$target" ]; then
        clash="$target is already managed with the state $other_state; use that as target.state, or undo its adoption first."
      elif [ "$other_state" = "$state" ]; then
        clash="$state is already the state of $other; give $target a target.state of its own."
      else
        case $target/ in "$other"/*) clash="$target lies inside $other, which another playbook manages; targets must not overlap." ;; esac
        case $other/ in "$target"/*) clash="$other, which another playbook manages, lies inside $target; targets must not overlap." ;; esac
      fi
      [ -z "$clash" ] || return 0
    done <"$registry"
  done
}

register_target() {
  text=''
  if [ -f "$instance/targets" ]; then
    while read -r other other_state; do
      [ "$other $other_state" != "$target $state" ] || return 0
      text=$text$other' '$other_state$nl
    done <"$instance/targets"
  fi
  replace_file "$instance/targets" "$text$target $state$nl" || cannot_write "$instance"
}

