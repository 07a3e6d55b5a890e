# --------------------------------------------------------------------------------------------------- a release is recorded

# Write down what stands in $work/tree: meta/raw as it is, meta/manifest without the identity line. Sets hashed.
record_tree() {
  recorded_of=''
  (cd "$work/tree" && scan ../climbing) >"$work/meta/raw" && canonical "$main_digest" "$work/meta/raw" >"$work/meta/manifest" || cannot_write "$private"
  hashed=$(sha256sum "$work/meta/manifest" "$work/meta/raw")
  ordered=${hashed#*"$nl"}
  ordered=${ordered%% *} hashed=${hashed%% *}
}

# Make a release $1 of $work/tree; it is complete when its hash is recorded beside it. $2: lines that are remembered of it.
# Its bytes are kept twice: what is live is edited through the link, and the way back must not depend on who did that.
keep_tree() {
  recorded_of=''
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
# Sets statements, which begin with "@" where it does not end with a newline.
split_main() {
  main_digest=''
  [ -n "$main" ] && [ -f "$work/tree/$main" ] && [ ! -L "$work/tree/$main" ] || return 1
  # One pass for both: the file without its identity line, and its statements.
  statements=$(sed -z -n "$strip${nl}w $work/main$nl/\\n\$/!s/^/@;/;$outline;p" "$work/tree/$main") && [ -e "$work/main" ] || cannot_write "$private"
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
  identity_line="$identity_line # deployer identity"
  if [ ! -s "$work/main" ] || [ "$statements" != "${statements#@}" ]; then identity_line="$nl$identity_line, no newline before"; fi
  { cat "$work/main" && printf '%s\n' "$identity_line"; } >"$work/tree/$main" || cannot_write "$private"
  true >>"$state/id/$1" || cannot_write "$state"
}

