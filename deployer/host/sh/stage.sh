# --------------------------------------------------------------------------------------------------- stage, validate

do_stage() {
  [ -n "$release" ] && [ -n "$tree_hash" ] && [ -n "$base_release" ] || usage "release, tree_hash and base are wanted"
  case $tree_hash in "${release#*-}"*) ;; *) usage "release and tree_hash differ" ;; esac
  need_ownership
  if [ -d "$releases/$release" ] && read_recorded "$release" && [ "$recorded" = "$tree_hash" ] && is_intact "$releases/$release" "$release"; then
    read_payload >/dev/null
    say changed no
    note ok
    return 0
  fi
  if read_live && [ "$live" = "$release" ]; then
    fail 66 "Release $release is live and was changed by hand; freeze it first (--overwrite-drift)." "$(differences "$target" "$release")"
  fi
  [ -d "$releases/$base_release" ] && read_recorded "$base_release" ||
    fail 67 "Release $base_release, on which $release builds, is not in $releases any more; plan again."
  work=$private/incoming/$release
  mkdir -p "$work/new" "$work/meta" || cannot_write "$private"
  # Files become copies of their own: a hard link inside the base would tie two paths together.
  errors=$(cp -a --no-preserve=links --reflink=auto "$releases/$base_release" "$work/tree" 2>&1) || cannot_write "$private" "$errors"
  errors=$(read_payload | tar -x -f - -C "$work" --no-same-owner --no-same-permissions -m 2>&1) || cannot_write "$private" "$errors"
  check_unpacked
  stage_removals
  stage_files
  stage_bits
  check_main "$work/tree"
  main_pid=''
  add_identity "$release"
  check_pid
  record_tree
  check_links
  [ "$hashed" = "$tree_hash" ] ||
    fail 69 "What was put together for release $release is not what was meant (a file was lost or changed on the way); try again." \
      "$(sort -z "$work/meta/manifest" "$work/manifest" | uniq -zu | sed -z 's/^[0-9a-f]\{64\}  //;s/^\.\///;s/\/\/.*//' | sort -zu | tr '\n\0' '?\n' | head -n 100)"
  keep_tree "$release" "deployment=$deployment${nl}commit=$commit${nl}source_hash=$source_hash${nl}base=$base_release"
  intact="$intact $releases/$release//$release"
  say changed yes
  note ok
}

# Refuses another pid path, as read from the release's main file: a reload cannot change it, and the next one would not find the master.
check_pid() {
  case $main_pid in /var/run/*) [ ! -L /var/run ] || main_pid=/run/${main_pid#/var/run/} ;; esac
  [ -z "$main_pid" ] || [ "$main_pid" = "$pid_path" ] ||
    fail 65 "Release $release changes the pid path from $pid_path to $main_pid, which nginx cannot do by a reload; change it by hand, with a restart."
}

# Refuses an archive that holds anything but the parts of a payload: what tar made of a name that climbs, or a link in the place of a list.
check_unpacked() {
  for part in "$work"/* "$work"/.[!.]* "$work/modes"/*; do
    case ${part#"$work/"} in
      manifest | remove | exec | noexec | modes/[0-9] | modes/[0-9][0-9] | modes/[0-9][0-9][0-9]) [ -f "$part" ] && [ ! -L "$part" ] && continue ;;
      tree | new | meta | modes) [ -d "$part" ] && [ ! -L "$part" ] && continue ;;
    esac
    [ ! -e "$part" ] && [ ! -L "$part" ] || fail 64 "The payload holds something that is no part of a release." "${part#"$work/"}"
  done
  [ -f "$work/manifest" ] || usage "the payload has no manifest"
}

# Of the NUL-ended list $1, what the find expression $2… does not name in the tree (such a path could lead out of it).
strangers() {
  list=$1
  shift
  (cd "$work/tree" && find . -mindepth 1 "$@" -printf '%P\0') | sort -z >"$work/known"
  sort -zu "$list" | comm -z -23 - "$work/known" | tr '\n\0' '?\n' | head -n 20
}

stage_removals() {
  [ -s "$work/remove" ] || return 0
  odd=$(strangers "$work/remove" ! -type d)
  [ -z "$odd" ] || fail 64 "The base does not hold what is to be removed." "$odd"
  (cd "$work/tree" && xargs -0 rm -f -- <"$work/remove") || cannot_write "$private"
}

# Copy new/ over the tree.
stage_files() {
  # In a file's way there may be a link (never written through) or a directory that the release no longer has (empty by now).
  # Not split here: no sign parts names that may hold any.
  # shellcheck disable=SC2016
  odd=$(cd "$work/new" && find . ! -type d -exec sh -c '
    for path do
      at=../tree/$path
      if [ -L "$at" ]; then
        [ -L "$path" ] || printf "%s\n" "$path"
      elif [ -d "$at" ]; then
        find "$at" -depth -type d -empty -delete
        [ ! -d "$at" ] || printf "%s\n" "$path"
      fi
    done' sh {} + \( -type l -o -links 1 -perm 0644 -o -printf '//\n' \))
  new=$work/new
  case $nl$odd in
    *"$nl//"*)
      # Hard links into the base, and what had the mode of a file that is gone now: copied once beside, which parts them and gives plain modes.
      new=$work/plain
      cp -RP --no-preserve=mode,ownership,links "$work/new" "$new" || cannot_write "$private"
      odd=$(printf '%s\n' "$odd" | grep -vx //)
      ;;
  esac
  [ -z "$odd" ] || fail 67 "A file of the release would be written through a symbolic link, or over a directory that still holds preserved files." "$odd"
  errors=$(cp -RP --reflink=auto "$new/." "$work/tree" 2>&1) || cannot_write "$private" "$errors"
}

stage_bits() {
  set --
  for list in "$work/exec" "$work/noexec" "$work/modes"/*; do
    [ ! -s "$list" ] || set -- "$@" "$list"
  done
  [ $# -gt 0 ] || return 0
  cat "$@" >"$work/touched"
  odd=$(strangers "$work/touched" -type f)
  [ -z "$odd" ] || fail 64 "The release does not hold the file whose mode is to be set." "$odd"
  (
    cd "$work/tree" || exit 1
    [ ! -s ../exec ] || xargs -0 chmod a+x -- <../exec || exit 1
    [ ! -s ../noexec ] || xargs -0 chmod a-x -- <../noexec || exit 1
  ) || cannot_write "$private"
  IFS=$nl
  for entry in $modes; do
    IFS=' '
    # shellcheck disable=SC2086 # fields
    set -- $entry
    IFS=$blanks
    is_digits "${1-}" || usage "mode"
    case ${2-} in [0-7][0-7][0-7] | 0[0-7][0-7][0-7]) ;; *) usage "mode" ;; esac
    case ${3-} in *[!A-Za-z0-9_.:-]* | -*) usage "mode" ;; esac
    [ -s "$work/modes/$1" ] || continue
    if [ -n "${3-}" ]; then
      errors=$(cd "$work/tree" && xargs -0 chown -- "$3" 2>&1 <"$work/modes/$1") || fail 67 "target.modes wants the owner $3, which this host does not know." "$errors"
    fi
    (cd "$work/tree" && xargs -0 chmod "$2" -- <"$work/modes/$1") || cannot_write "$private"
  done
  IFS=$blanks
}

# Refuses relative links that climb out of the tree: they would point elsewhere from where releases stand.
check_links() {
  [ -s "$work/climbing" ] || return 0
  odd=$(while IFS= read -r line; do
    path=${line%%//*} to=${line#*//} depth=0
    while :; do
      case $path in */*) path=${path#*/} depth=$((depth + 1)) ;; *) break ;; esac
    done
    while [ -n "$to" ]; do
      part=${to%%/*}
      case $to in */*) to=${to#*/} ;; *) to='' ;; esac
      case $part in '' | .) ;; ..) depth=$((depth - 1)) ;; *) depth=$((depth + 1)) ;; esac
      [ "$depth" -ge 0 ] || { printf '%s\n' "${line%%//*}"; break; }
    done
  done <"$work/climbing")
  [ -z "$odd" ] || fail 67 "A symbolic link climbs out of $target by a relative path, and would point elsewhere once $target is a link; make it absolute." "$odd"
}

do_validate() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  need_intact "$release"
  validate_release "$release"
  say_lines detail "$output"
  note ok
}

