# --------------------------------------------------------------------------------------------------- confirm, promote, prune

do_confirm() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  need_unreverted
  baseline='' memory=''
  need_target
  find_master quick
  [ "$live" = "$release" ] || fail 68 "What is live is $live, not $release."
  need_in_memory "so it is not confirmed"
  say memory "$memory"
  read_guard
  [ "$guard_deployment" != "$deployment" ] || guard_off
  note ok
}

# Fails unless master and workers hold $release now. $1: what follows from that.
need_in_memory() {
  [ "$program" = nginx ] || return 0
  read_memory_beside "$release"
  [ "$memory" = "$release" ] || fail 68 "Release $release is live on disk but not proved to be in memory, $1: ${memory:+it holds $memory, }$memory_note."
}

# Finds the master. After a reboot ssh may be back before nginx is: an nginx that has no worker yet is waited for.
await_nginx() {
  tries=0
  find_master quick
  while [ "$program" = nginx ] && [ "$serving_count" -eq 0 ] && [ "$tries" -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1 9>&-
    find_master
  done
}

do_promote() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  need_unreverted
  read_guard
  [ "$guard_deployment" != "$deployment" ] || fail 67 "Release $release is not confirmed yet (its guard is armed), so it cannot be promoted."
  baseline='' memory=''
  need_target
  [ "$live" = "$release" ] || fail 68 "What is live is $live, not $release, so it cannot be promoted."
  await_nginx
  need_in_memory "so it cannot be promoted"
  read_time
  goods_without "$release"
  line=$release' '$deployment' '${clock%.*}
  goods=$text$line$nl gone='' kept=$text
  [ -z "$keep" ] || find_unwanted
  keep_checks
  if [ -z "$gone" ] && is_text "$private/good" "$kept"; then
    # Nothing but a line more. One that was cut off has no end, and is not read.
    { printf '%s\n' "$line" >>"$private/good"; } 2>/dev/null && sync "$private/good"
  else
    replace_file "$private/good" "$goods"
  fi || cannot_write "$private"
  remove_unwanted
  link_name
  [ ! -e "$beside.deployer-before" ] || rm -rf "$beside.deployer-before"
  # The log is bounded: one older half is kept. Now and then is often enough to look.
  [ $((epoch % 8)) -ne 0 ] || [ -z "$(find "$private/log" -size +1024k 2>/dev/null)" ] || mv -f "$private/log" "$private/log.1"
  note ok
}

# Keeps the checks that passed with $release, beside what has none of its own keeping those that passed with that: whoever goes back goes
# back to its checks, or a check that came with a release would stand in the way of the next one once that is undone. Mostly they are the
# same ones, and nothing is written.
keep_checks() {
  [ ! -e "$meta/$release/checks" ] || is_text "$meta/$release/checks" "$checks" || replace_file "$meta/$release/checks" "$checks" || cannot_write "$private"
  ! is_text "$private/checks" "$checks" || return 0
  were=$text
  [ ! -f "$private/checks" ] || for directory in "$meta"/*/; do
    [ ! -d "$directory" ] || [ "$directory" = "$meta/$release/" ] || [ -e "${directory}checks" ] || replace_file "${directory}checks" "$were" || cannot_write "$private"
  done
  replace_file "$private/checks" "$checks" || cannot_write "$private"
}

is_good() {
  [ -f "$private/good" ] || return 1
  while read -r good_id rest; do
    [ "$good_id" != "$1" ] || return 0
  done <"$private/good"
  return 1
}

# Sets text to the lines of good without those of the releases in $1.
goods_without() {
  text=''
  [ -f "$private/good" ] || return 0
  while read -r good_id rest; do
    case " $1 " in *" $good_id "*) ;; *) text=$text$good_id' '$rest$nl ;; esac
  done <"$private/good"
}

# Whether file $1 consists of the lines $2.
is_text() {
  text=''
  [ -f "$1" ] || return 1
  while IFS= read -r one; do text=$text$one$nl; done <"$1"
  [ -z "$one" ] && [ "$text" = "$2" ]
}

do_demote() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  goods_without "$release"
  replace_file "$private/good" "$text" || cannot_write "$private"
  note ok
}

do_prune() {
  [ -n "$keep" ] || usage "keep is wanted"
  need_ownership
  baseline=''
  need_target
  find_master quick
  goods_without ''
  goods=$text
  find_unwanted
  [ -z "$gone" ] || is_text "$private/good" "$goods" || replace_file "$private/good" "$goods" || cannot_write "$private"
  remove_unwanted
  note "ok$gone"
}

# Of the releases that are here, those that nothing wants, goods being the lines of good: sets gone, and takes them out of goods.
find_unwanted() {
  held='' proved='' last_target='' last_from='' newest='' gone='' count=0
  [ -z "$master" ] || read_held
  { read -r proved _ <"$private/loaded"; } 2>/dev/null
  { read -r _ && read -r last_target && read -r last_from; } 2>/dev/null <"$private/last"
  old_ifs=$IFS
  IFS=$nl
  for line in $goods; do newest=${line%% *}$nl$newest; done
  wanted=" $live $baseline $proved $last_target $last_from $held $holds "
  for word in $newest; do
    count=$((count + 1))
    [ "$count" -le "$keep" ] || break
    wanted="$wanted$word "
  done
  # As many edits by hand that nginx never held.
  aside_without ''
  newest='' count=0
  for line in $text; do newest=$line$nl$newest; done
  for word in $newest; do
    count=$((count + 1))
    [ "$count" -le "$keep" ] || break
    wanted="$wanted$word "
  done
  for directory in "$releases"/*/; do
    directory=${directory%/}
    word=${directory##*/}
    is_release "$word" || continue
    case $wanted in *" $word "*) ;; *) gone="$gone $word" ;; esac
  done
  text=''
  for line in $goods; do
    case "$gone " in *" ${line%% *} "*) ;; *) text=$text$line$nl ;; esac
  done
  IFS=$old_ifs
  goods=$text
}

# Remove what find_unwanted found. Their names are no longer among the good ones by now.
remove_unwanted() {
  [ -n "$gone" ] || return 0
  for word in $gone; do
    set -- "$@" "${meta:?}/$word" "${releases:?}/$word" "$state/id/$word"
    say pruned "$word"
  done
  # Identities of releases that went by another way, once nothing holds them open.
  for identity_file in "$state"/id/*; do
    word=${identity_file##*/}
    case $wanted in *" $word "*) continue ;; esac
    [ ! -e "$identity_file" ] || [ -d "$releases/$word" ] || set -- "$@" "$identity_file"
  done
  # What is recorded of a release goes first: without that it is no release any more, whatever happens next.
  rm -rf -- "$@" || cannot_write "$state"
}
