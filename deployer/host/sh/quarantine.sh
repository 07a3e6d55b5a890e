# --------------------------------------------------------------------------------------------------- quarantine

# What is not to be deployed again, a line each, the newest first: RELEASE DEPLOYMENT TIME WHY. A host only remembers and
# tells: who plans a deployment looks at it before anything is begun, and begin shows whether that is still true.

# Sets text to the lines that are kept, without those of the tree of release $1; at most 500.
quarantine_without() {
  text='' count=0
  [ -f "$private/quarantine" ] || return 0
  while IFS= read -r line && [ "$count" -lt 500 ]; do
    count=$((count + 1)) word=${line%% *}
    [ "${word##*-}" = "${1##*-}" ] || text=$text$line$nl
  done <"$private/quarantine"
}

# Keep the line of the header. Going back comes first: where it cannot be kept, that is said, and nothing else.
keep_out() {
  [ -n "$quarantine" ] || return 0
  quarantine_without "${quarantine%% *}"
  replace_file "$private/quarantine" "$quarantine$nl$text" 2>/dev/null || say problem "That ${quarantine%% *} is quarantined could not be written down."
}

say_quarantine() {
  [ -f "$private/quarantine" ] || return 0
  while IFS= read -r line; do say quarantine "$line"; done <"$private/quarantine"
}

do_pardon() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  quarantine_without "$release"
  replace_file "$private/quarantine" "$text" || cannot_write "$private"
  note ok
}
