# --------------------------------------------------------------------------------------------------- adopt

# A copy of directory $1 as a new release $2-HASH12: sets copied (its id) and hashed. $3: yes to give it an identity of its own.
copy_tree() {
  work=$private/incoming/$2
  rm -rf "$work"
  mkdir -p "$work/meta" || cannot_write "$private"
  odd=$(find "$1/." ! -type f ! -type d ! -type l -printf '%P\0' | tr '\n\0' '?\n' | head -n 20)
  [ -z "$odd" ] || fail 67 "$target holds sockets, pipes or devices, which cannot be released; move them elsewhere." "$odd"
  errors=$(cp -a --no-preserve=links --reflink=auto "$1/." "$work/tree" 2>&1) || cannot_write "$private" "$errors"
  hash_tree "$work/tree"
  copied=$2-${hashed%"${hashed#????????????}"}
  hash_tree "$1"
  [ "$copied" = "$2-${hashed%"${hashed#????????????}"}" ] || fail 66 "$target changed while it was copied; somebody is working there. Try again."
  check_main "$work/tree"
  if [ "$3" = yes ]; then add_identity "$copied"; else split_main; fi
  record_tree
}

# Write down what stands in $work/tree: meta/raw as it is, meta/manifest without the identity line. Sets hashed.
record_tree() {
  (cd "$work/tree" && scan ../climbing) >"$work/meta/raw" && canonical "$main_digest" "$work/meta/raw" >"$work/meta/manifest" || cannot_write "$private"
  hashed=$(sha256sum "$work/meta/manifest" "$work/meta/raw")
  ordered=${hashed#*"$nl"}
  ordered=${ordered%% *} hashed=${hashed%% *}
}

# Make a release $1 of $work/tree; it is complete when its hash is recorded beside it. $2: lines that are remembered of it.
# Its bytes are kept twice: what is live is edited through the link, and the way back must not depend on who did that.
keep_tree() {
  errors=$(cp -a --no-preserve=links --reflink=auto "$work/tree" "$work/meta/tree" 2>&1) || cannot_write "$private" "$errors"
  { printf '%s\n' "$2" >"$work/meta/info" && printf '%s\n%s\n' "$hashed" "$ordered" >"$work/meta/hash"; } 2>/dev/null || cannot_write "$private"
  [ ! -e "$meta/$1" ] || rm -rf "${meta:?}/$1"
  [ ! -e "$releases/$1" ] || rm -rf "${releases:?}/$1"
  mv -T "$work/tree" "$releases/$1" && sync -f "$releases" && mv -T "$work/meta" "$meta/$1" || cannot_write "$private"
}

# Refuses a main file that is preserved: its identity would be copied away.
check_main() {
  [ -n "$main" ] && [ "$main_kept" != no ] && [ -f "$1/$main" ] || return 0
  [ -z "$(cd "$1" && find "./$main" -regextype posix-extended -regex "$preserve")" ] ||
    fail 67 "target.preserve covers $main, the file that must carry the release's identity; leave it out of preserve."
}

# Sets main_digest to the digest of the main file without identity line, which is put into $work/main; empty when there is no such file.
split_main() {
  main_digest=''
  [ -n "$main" ] && [ -f "$work/tree/$main" ] && [ ! -L "$work/tree/$main" ] || return 1
  # One pass for both: the file without its identity line, and its statements.
  statements=$(sed -z -n "$strip${nl}w $work/main$nl$outline;p" "$work/tree/$main") && [ -e "$work/main" ] || cannot_write "$private"
  main_digest=$(sha256sum <"$work/main")
  main_digest=${main_digest%% *}
}

# Append the identity line of release $1 to the main file of $work/tree; owner, mode and xattrs of the file stay.
add_identity() {
  split_main && [ "$main_identity" != no ] || return 0
  identity_line="error_log $state/id/$1 emerg;"
  # Any error_log of its own stays in charge.
  read_toplevel "$statements"
  [ "$main_log" = yes ] || identity_line="$identity_line error_log $default_log;"
  if [ -s "$work/main" ]; then
    sed -z "s|\\n\$|&$identity_line # deployer identity\\n|;t;s|\$|\\n$identity_line # deployer identity, no newline before\\n|" "$work/main" >"$work/tree/$main"
  else
    printf '\n%s # deployer identity, no newline before\n' "$identity_line" >"$work/tree/$main"
  fi || cannot_write "$private"
  true >>"$state/id/$1" || cannot_write "$state"
}

do_adopt() {
  need_ownership
  baseline=''
  read_live
  if [ -n "$baseline" ]; then
    register_target
    say baseline "$baseline"
    return 0
  fi
  case $kind in
    directory) ;;
    absent) fail 67 "$target is not there; install the program that it configures first." ;;
    link) fail 67 "$target is already a link into $state, but the baseline there is lost; make it a plain directory again and adopt anew." ;;
    *) fail 67 "$target is a symbolic link or a file that is not deployer's; make it a plain directory first." ;;
  esac
  need_no_mount
  check_targets
  find_master
  [ -z "$nginx_problem" ] || fail 67 "$nginx_problem"
  if [ -n "$serving" ] && [ "$accept_unproven" != yes ]; then check_age; fi
  copy_tree "$target" baseline no
  if [ "$accept_unproven" != yes ]; then
    run_validator "private/incoming/baseline/tree"
    case $? in
      0) ;;
      65) fail 65 "${argv%%"$nl"*} refuses what is live in $target now, as it would stand in $state; repair it, or adopt with --accept-unproven." "$output" ;;
      *) fail 67 "What is live in $target cannot be tested on this host: ${output%%"$nl"*}." ;;
    esac
  fi
  register_target
  write_boot_unit || say problem "$boot_unit could not be written, so a reboot would not take an unconfirmed release back."
  keep_tree "$copied" "deployment=$deployment${nl}kind=baseline"
  read_time
  printf '%s\n' "$copied" >"$private/directory"
  write_loaded "$copied"
  point_live "$copied"
  replace_file "$private/good" "$copied $deployment ${clock%.*}$nl" && replace_file "$private/baseline" "$copied$nl" || cannot_write "$private"
  sync -f "$state"
  say baseline "$copied"
  note "ok $copied"
}

# Refuses when something in the live tree is newer than the workers: what they hold would not be what is copied.
check_age() {
  read_load_time
  set -- -regextype posix-extended
  [ -z "$preserve" ] || set -- "$@" ! -regex "$preserve"
  newer=$(cd "$target" && find . "$@" \( -newermt "$at" -o -type f -newerct "$at" \) -printf '%P\0' | tr '\n\0' '?\n' | head -n 20)
  [ -z "$newer" ] ||
    fail 68 "Something in $target is newer than the running nginx workers, so what is in memory is not proved; reload nginx, or adopt with --accept-unproven." "$newer"
}

do_unadopt() {
  need_ownership
  if ! read_live && [ "$kind" != link ]; then
    forget
    return 0
  fi
  link_name
  if [ "$kind" = link ]; then
    find_master
    rm -rf "$beside.deployer-plain"
    cp -a --no-preserve=links "$target/." "$beside.deployer-plain" || cannot_write "${target%/*}"
    if [ -n "$main" ] && [ -f "$beside.deployer-plain/$main" ] && [ ! -L "$beside.deployer-plain/$main" ]; then
      sed -z "$strip" "$target/$main" >"$beside.deployer-plain/$main" || cannot_write "${target%/*}"
    fi
    sync -f "${target%/*}"
    exchange "$beside.deployer-plain" "$target" || {
      mv -T "$target" "$beside.deployer-link" && mv -T "$beside.deployer-plain" "$target" || fail 70 "$target could not be made a plain directory; its content is in $beside.deployer-plain."
    }
    # Whatever reads files of the release keeps reading there until it is told to load the plain directory.
    if [ -n "$master" ]; then
      memory=''
      live=''
      load_release none || {
        exchange "$beside.deployer-plain" "$target"
        fail 68 "nginx did not load $target as a plain directory; it is a link again." "$reasons"
      }
    fi
    rm -rf "$beside.deployer-plain" "$beside.deployer-link"
  fi
  rm -rf "$beside.deployer-before" "$beside.deployer-new"
  forget
}

# Remove all that belongs to this target; the owner and epoch of the instance stay, so that a stale controller stays fenced.
forget() {
  note ok
  logging=''
  if [ -f "$instance/targets" ]; then
    text=''
    while read -r other other_state; do
      [ "$other $other_state" = "$target $state" ] || text=$text$other' '$other_state$nl
    done <"$instance/targets"
    replace_file "$instance/targets" "$text"
  fi
  write_boot_unit || note "$boot_unit stays"
  rm -f "$instance/reverted"
  rm -rf "$state"
}

