# --------------------------------------------------------------------------------------------------- pins

# Where root wrote down what may be asked for here (adopt --print-hardening), nothing else may: a block of header lines
# for each target, ended by an empty line. Whoever holds a key for the agent alone cannot have another program run as root.
is_pinned() { [ -e "$base/pinned" ]; }

# Refuses a target, validator or reload command that root did not write down.
check_pins() {
  is_pinned || return 0
  name_programs
  asked="target=$target${nl}state=$state$nl$programs"
  block=''
  while IFS= read -r line; do
    if [ -n "$line" ]; then
      block=$block$line$nl
    else
      [ "$block" != "$asked" ] || return 0
      block=''
    fi
  done <"$base/pinned"
  fail 77 "This host is hardened, and target, state, validate or reload of the playbook are not what is pinned in $base/pinned; as root, run the script of 'adopt --print-hardening' again."
}
