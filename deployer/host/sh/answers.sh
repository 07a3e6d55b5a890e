# --------------------------------------------------------------------------------------------------- answers

spoken=''

# An answer is kept until there is something to do with it: sshd makes a packet of every write.
say() {
  spoken=$spoken$1=$2$nl
  [ "${#spoken}" -lt 4000 ] || flush
}

# Before anything else writes to standard output, and before a subshell that may say something.
flush() {
  [ -z "$spoken" ] || printf %s "$spoken"
  spoken=''
}

# Each line of text $2 as key $1, at most 100 of them; control characters cannot reach the caller's terminal.
say_lines() {
  left=100
  old_ifs=$IFS
  IFS=$nl
  set -f
  # shellcheck disable=SC2086 # split into lines on purpose
  set -- "$1" $2
  set +f
  IFS=$old_ifs
  key=$1
  shift
  for text; do
    [ "$left" -gt 0 ] || break
    left=$((left - 1))
    case $text in *[[:cntrl:]]*) text=$(printf %s "$text" | tr '[:cntrl:]' ' ') ;; esac
    [ -n "$text" ] && say "$key" "$text"
  done
  return 0
}

# End the call: fail CODE SENTENCE [DETAILS]. Whatever was half made is removed by the exit trap.
fail() {
  say error "$2"
  [ -z "$guard_at_work" ] || note_stuck "$2"
  [ -z "${3-}" ] || say_lines detail "$3"
  note "refused $1"
  say end "$1"
  flush
  exit "$1"
}

usage() { fail 64 "The request is malformed: $1. This is a bug in the program that called the agent."; }

# One line in the host's own log. RESULT may hold blanks.
note() {
  [ -n "$logging" ] && [ -d "$private" ] || return 0
  [ -n "$clock" ] || read_time
  date_of "${clock%.*}"
  # shellcheck disable=SC2086 # fields
  { printf '%04d-%02d-%02dT%02d:%02d:%02dZ %s %s %s %s\n' $date "${deployment:--}" "$verb" "${release:--}" "$1" >>"$private/log"; } 2>/dev/null
  return 0
}

# Sets clock, in seconds with a fraction, and clock_offset: how far it is ahead of the uptime.
read_clock() {
  clock=$(date -u +%s.%N)
  read_uptime
  clock_offset=$((${clock%.*} - ${uptime%.*}))
}

# Sets clock to whole seconds, by what begin saw of it where that was heard since the boot.
read_time() {
  if is_digits "$clock_offset"; then
    read_uptime
    clock=$((clock_offset + ${uptime%.*}))
  else
    read_clock
  fi
}

# Sets date to the fields of second $1 since the epoch, UTC; years begin in March while it is counted.
date_of() {
  days=$(($1 / 86400 + 719468)) date=$(($1 % 86400))
  date="$((date / 3600)) $((date / 60 % 60)) $((date % 60))"
  years=$((days / 146097)) days=$((days % 146097))
  count=$(((days - days / 1460 + days / 36524 - days / 146096) / 365))
  days=$((days - count * 365 - count / 4 + count / 100)) years=$((years * 400 + count))
  count=$(((5 * days + 2) / 153))
  days=$((days - (153 * count + 2) / 5 + 1)) count=$((count + 3))
  [ "$count" -le 12 ] || count=$((count - 12)) years=$((years + 1))
  date="$years $count $days $date"
}

