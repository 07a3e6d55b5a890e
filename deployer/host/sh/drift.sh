# --------------------------------------------------------------------------------------------------- drift: edited by hand

# Sets at to when the oldest worker started, as find wants it: what they all hold was loaded then, or before.
read_load_time() {
  oldest=''
  # A younger worker may be a respawn; the oldest one started at the load.
  for child in $serving; do
    stat_of "$child" || started=0
    [ -n "$oldest" ] && [ "$oldest" -le "$started" ] || oldest=$started
  done
  # Wall clock and uptime are read as one moment, or again; where they differ a little, the file counts as newer.
  tries=0
  while :; do
    read_uptime
    age_cs=$uptime_cs
    read_clock
    read_uptime
    tries=$((tries + 1))
    [ $((uptime_cs - age_cs)) -gt 1 ] && [ "$tries" -lt 20 ] || break
  done
  age_cs=$((uptime_cs - oldest))
  fraction=${clock#*.}
  now_cs=${clock%.*}${fraction%"${fraction#??}"}
  then_cs=$((now_cs - age_cs))
  at="@${then_cs%??}.${then_cs#"${then_cs%??}"}"
}

# Sets loaded: whether nginx holds what stands at the target instead of the live release: yes, no, partly (somebody edited, reloaded and edited
# again). $1: the paths that differ. Wants memory as it was read. Sets proved_no: it never held anything but the release.
read_loaded() {
  loaded=yes proved_no=no
  [ "$program" = nginx ] || return 0
  loaded=no
  [ -n "$master" ] && [ "$serving_count" -gt 0 ] || return 0
  if [ -n "$memory" ]; then
    [ "$memory" = "$live" ] && any_younger "$live" || {
      proved_no=yes
      return 0
    }
  fi
  # Somebody reloaded since: what was changed before that was loaded, what was changed after was not.
  differing=$1
  old_ifs=$IFS
  IFS=$nl
  set -f --
  for path in $differing; do
    file=$target/$path
    # What is gone was taken out of its directory.
    while [ ! -e "$file" ] && [ ! -L "$file" ] && [ "$file" != "$target" ]; do file=${file%/*}; done
    [ "$file" != "$target" ] || file=$target/.
    set -- "$@" "$file"
  done
  set +f
  IFS=$old_ifs
  read_load_time
  newer=$(find "$@" -maxdepth 0 -newerct "$at" -printf x 2>/dev/null)
  if [ -z "$newer" ]; then loaded=yes; elif [ "${#newer}" -lt $# ]; then loaded=partly; fi
}

# Whether the bytes of release $1 are on this host as they were recorded, wherever somebody wrote.
has_bytes() {
  read_recorded "$1" || return 1
  if [ "$kind" = directory ] && is_intact "$releases/$1" "$1"; then return 0; fi
  [ -d "$meta/$1/tree" ] && is_intact "$meta/$1/tree" "$1"
}

# Sets back to the release to go back to from what was edited: the live one, where nginx does not hold the edit; empty: the edit itself.
find_back() {
  back=''
  [ "$loaded" != no ] || ! has_bytes "$live" || back=$live
}

# For observe.
say_drift() {
  read_loaded "$drift"
  say drift_loaded "$loaded"
  find_back
  [ -z "$back" ] || say drift_back "$back"
}

# Sets back as it was found when release $1 was frozen.
recall_back() {
  back=''
  [ ! -f "$meta/$1/info" ] || while IFS= read -r line; do
    case $line in back=*) back=${line#*=} ;; esac
  done <"$meta/$1/info"
}

do_freeze() {
  need_ownership
  need_target
  if is_intact "$target" "$live"; then
    recall_back "$live"
    say frozen "$live"
    say back "${back:-$live}"
    say changed no
    return 0
  fi
  find_master
  read_memory no
  read_loaded "$(differences "$target" "$live")"
  find_back
  if [ "$kind" = directory ]; then copy_tree "$target" drift no; else copy_tree "$target" drift yes; fi
  # What nobody goes back to need not be valid.
  if [ "$fix_forward" != yes ] && [ -z "$back" ]; then
    run_validator "private/incoming/drift/tree"
    case $? in
      0) ;;
      65) fail 65 "${argv%%"$nl"*} refuses what somebody wrote into $target, so there would be nothing to go back to; repair it or roll back first, or deploy with --fix-forward." "$output" ;;
      *) fail 67 "What is live in $target cannot be tested on this host: ${output%%"$nl"*}." ;;
    esac
  fi
  keep_tree "$copied" "deployment=$deployment${nl}kind=drift${nl}back=$back"
  [ "$kind" != directory ] || replace_file "$private/directory" "$copied$nl" || cannot_write "$private"
  edited=$live
  [ "$kind" = directory ] || replace_file "$private/mending" "$edited$nl" || cannot_write "$private"
  point_live "$copied"
  live=$copied
  # What nginx holds under the name of the release that was written into is something else.
  case $loaded$proved_no in
    yes*) write_loaded "$copied" "$edited" ;;
    *no) [ "$memory" != "$edited" ] || write_loaded - "$edited" ;;
  esac
  # Good is what nginx served: what was edited and never loaded is kept, no more.
  read_time
  goods_without "$copied"
  [ "$loaded" != yes ] || text="$text$copied $deployment ${clock%.*}$nl"
  replace_file "$private/good" "$text" || cannot_write "$private"
  [ "$loaded" = yes ] || { aside_without "$copied" && replace_file "$private/aside" "$text$copied$nl"; } || cannot_write "$private"
  finish_mending
  sync -f "$state"
  say frozen "$copied"
  say back "${back:-$copied}"
  note "ok $copied"
}

# Sets text to the lines of aside, edits that nginx never held, oldest first, without release $1.
aside_without() {
  text=''
  [ ! -f "$private/aside" ] || while read -r line; do
    [ "$line" = "$1" ] || text=$text$line$nl
  done <"$private/aside"
}

# The release that was live and edited is made what it was, where its bytes are kept; else it is a release no more, but for a baseline. Its
# identity file stays, for nginx holds it open.
finish_mending() {
  [ -f "$private/mending" ] || return 0
  edited=''
  { read -r edited; } 2>/dev/null <"$private/mending"
  if is_release "$edited" && [ "$edited" != "$live" ] && ! mend "$edited"; then
    goods_without "$edited"
    replace_file "$private/good" "$text" || cannot_write "$private"
    recorded_of=''
    [ "$edited" = "$baseline" ] || rm -rf "${meta:?}/$edited" "${releases:?}/$edited" || cannot_write "$state"
  fi
  rm -f "$private/mending"
}

# Put the recorded bytes of release $1 in its place. False: they are not kept here.
mend() {
  ! is_intact "$releases/$1" "$1" || return 0
  has_bytes "$1" || return 1
  rm -rf "$private/incoming/mended"
  errors=$(cp -a --no-preserve=links --reflink=auto "$meta/$1/tree" "$private/incoming/mended" 2>&1) || cannot_write "$private" "$errors"
  rm -rf "${releases:?}/$1" && mv -T "$private/incoming/mended" "$releases/$1" || cannot_write "$releases"
}

# Sets untouched to the sentence that ends a refusal: what was done for it all the same.
tell_untouched() {
  untouched="Nothing was changed."
  case ${live-} in drift-*) ;; *) return 0 ;; esac
  frozen_by=''
  [ ! -f "$meta/$live/info" ] || while IFS= read -r line; do
    case $line in deployment=*) frozen_by=${line#*=} ;; esac
  done <"$meta/$live/info"
  [ "$frozen_by" != "$deployment" ] ||
    untouched="$target is as it was; what was edited by hand is kept as release $live in $releases."
}
