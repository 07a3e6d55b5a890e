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

