# --------------------------------------------------------------------------------------------------- traffic

traffic_logs=16     # logs that are looked at
traffic_limit_s=4   # for reading one of them
traffic_limit=33554432 # bytes of each, from its end, when the caller names no limit

# Counts requests per span of time. Fields are parted by the quotes that nginx itself escapes within them, so neither a user's
# name nor a URL can pass for a time or a status; this reads "combined", "main" and whatever begins like them.
# shellcheck disable=SC2016 # awk's
counter='
function days_of(year, number, day) {
  if (number < 3) year -= 1
  number = (number + 9) % 12
  return 365 * year + int(year / 4) - int(year / 100) + int(year / 400) + int((153 * number + 2) / 5) + day - 719469
}
function epoch_of(text, shift) {
  shift = (substr(text, 23, 2) * 60 + substr(text, 25, 2)) * 60
  if (substr(text, 22, 1) == "-") shift = -shift
  return days_of(substr(text, 8, 4) + 0, month[substr(text, 4, 3)], substr(text, 1, 2) + 0) * 86400 + \
    substr(text, 13, 2) * 3600 + substr(text, 16, 2) * 60 + substr(text, 19, 2) - shift
}
BEGIN {
  FS = "\""
  number = split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", names, " ")
  for (i = 1; i <= number; i++) month[names[i]] = i
  digit = "[0-9]"
  stamp = "\\[" digit digit "/[A-Z][a-z][a-z]/" digit digit digit digit ":" digit digit ":" digit digit ":" digit digit " [-+]" digit digit digit digit "\\] $"
}
$0 == "deployer: cut off" { cut = 1; next }
NF >= 3 && $3 ~ /^ [1-5][0-9][0-9] / && match($1, stamp) {
  text = substr($1, RSTART + 1, 26)
  if (text != before) { before = text; at = epoch_of(text) }
  if (!known++ || at < first) first = at
  # Our own checks are no users.
  if (at < from || at >= to || $6 == "deployer-check") next
  span = from + int((at - from) / width) * width
  total[span]++
  if (substr($3, 2, 1) == "5") failed[span]++
  next
}
/^[0-9][0-9][0-9][0-9]\/[0-9][0-9]\/[0-9][0-9] [0-9:]* \[/ { errors++; next }
NF { others++ }
END {
  printf "read %d %d %d %d %.0f\n", known, errors, others, cut, first
  for (span in total) printf "count %.0f %d %d\n", span, total[span], failed[span]
}'
# Sums what several logs say of one span.
# shellcheck disable=SC2016 # awk's
adder='
$1 == "count" { total[$2] += $3; failed[$2] += $4 }
END { for (span in total) printf "count=%s %d %d\n", span, total[span], failed[span] }'

# What access logs say of the time from `since` to `until` seconds ago, `width` seconds at a time. Only counts leave the host.
do_traffic() {
  is_digits "$since" && is_digits "${until:-0}" && [ "${until:-0}" -lt "$since" ] || usage "since"
  width=${width:-1}
  reach=${limit:-$traffic_limit}
  [ "$width" -gt 0 ] && [ $(((since - ${until:-0}) / width)) -le 5000 ] || usage "width"
  load_program
  [ "$program" = nginx ] || fail 67 "${argv%%"$nl"*} is not nginx, and other programs' access logs are not known."
  read_clock
  say clock "$clock"
  to=$((${clock%.*} + 1 - ${until:-0})) from=$((${clock%.*} - since))
  say from "$from"
  say to "$to"
  say width "$width"
  find_logs
  counts='' left=$traffic_logs old_ifs=$IFS
  IFS=$nl
  set -f
  # shellcheck disable=SC2086 # split into lines on purpose
  set -- $logs
  set +f
  IFS=$old_ifs
  for log; do
    case $log in
      *'$'*)
        say skipped "$log: its name holds variables"
        continue
        ;;
    esac
    [ -f "$log" ] || continue
    left=$((left - 1))
    [ "$left" -ge 0 ] || {
      say skipped "$log: more than $traffic_logs logs"
      break
    }
    count_log "$log"
  done
  flush
  printf %s "$counts" | awk "$adder"
}

# Sets logs: what the master holds open, and what the files at the target name; a line each.
find_logs() {
  find_master
  held=''
  [ -z "$master" ] || held=$(readlink "/proc/$master/fd"/* 2>/dev/null)
  named=$(grep -rhoE --binary-files=text '^[[:space:]]*access_log[[:space:]]+/[^;[:space:]]+' "$target/" 2>/dev/null)
  old_ifs=$IFS logs=''
  IFS=$nl
  set -f
  for log in $held $named; do
    log=/${log#*/}
    case $log in
      *' (deleted)' | /dev/* | /proc/* | "$state"/* | *:\[*) continue ;;
    esac
    case $nl$logs in *"$nl$log$nl"*) ;; *) logs=$logs$log$nl ;; esac
  done
  set +f
  IFS=$old_ifs
}

# Adds what log $1 says to counts, and what the log before it says, when it does not reach back far enough.
count_log() {
  # Which log it is shows in its last lines: an error log is not read whole.
  # shellcheck disable=SC2046 # fields
  set -- "$1" $(tail -n 20 "$1" 2>/dev/null | awk -v from=0 -v to=0 -v width=1 "$counter")
  if [ "${3-0}" -eq 0 ]; then
    [ "${5-0}" -eq 0 ] || [ "${4-0}" -gt 0 ] || {
      say skipped "$1: not in the format combined or main"
      return 0
    }
    # An access log that was rotated this moment is empty, and so is many another file.
    [ "${4-0}" -eq 0 ] && [ ! -s "$1" ] && [ -n "$(rotated "$1")" ] || return 0
  fi
  log=$1
  read_log "$log" || return 0
  [ "$begins" -gt "$from" ] || return 0
  if [ "$cut" = yes ]; then
    say short "$log"
    return 0
  fi
  older=$(rotated "$log")
  [ -n "$older" ] || return 0
  read_log "$older" || return 0
  # The one before that is not looked for.
  [ "$begins" -le "$from" ] || say short "$log"
}

# Counts in file $1. Sets begins (the time of its first request) and cut: whether its beginning was not read.
read_log() {
  size=$(wc -c <"$1") cut=no
  [ "${size##* }" -le "$reach" ] || cut=yes
  found=$({
    case $1 in
      *.gz) timeout "$traffic_limit_s" gzip -dc "$1" ;;
      *) timeout "$traffic_limit_s" tail -c "$reach" "$1" ;;
    esac 2>/dev/null || printf '\n%s\n' "deployer: cut off"
  } | awk -v from="$from" -v to="$to" -v width="$width" "$counter")
  # shellcheck disable=SC2086 # fields
  set -- "$1" ${found%%"$nl"*}
  begins=${7-0}
  # An empty log begins when it was made, which nobody knows: after all that is asked for.
  [ "${3-0}" -gt 0 ] || begins=$to
  if [ "${6-0}" -eq 1 ]; then
    say skipped "$1: it could not be read within $traffic_limit_s s"
    return 1
  fi
  [ "${3-0}" -eq 0 ] || say log "$1"
  counts=$counts$found$nl
}

# The log that $1 was before it was rotated last, as logrotate names it.
rotated() {
  for older in "$1.1" "$1.1.gz"; do
    [ ! -f "$older" ] || {
      printf %s "$older"
      return
    }
  done
  newest=''
  for older in "$1"-[0-9]*; do [ ! -f "$older" ] || newest=$older; done
  printf %s "$newest"
}

