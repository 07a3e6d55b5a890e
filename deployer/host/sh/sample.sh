# --------------------------------------------------------------------------------------------------- what users ask for

sample_logs=8         # access logs that are looked at
sample_bytes=262144   # of the end of each

# Paths that were asked for and answered well, the most frequent first, each with the name when the log begins with one. Only the path of a
# GET or HEAD leaves the host: no query, no client, nothing that looks like a token. Our own questions are no users.
do_paths() {
  load_program
  find_master quick
  [ -n "$master" ] || return 0
  count=0
  for at in $(readlink "/proc/$master/fd"/* 2>/dev/null | grep -F log | grep -v -e error -e '[^A-Za-z0-9_./@+=-]' | sort -u); do
    [ -f "$at" ] || continue
    count=$((count + 1))
    [ "$count" -le "$sample_logs" ] || break
    flush
    paths_of "$at"
  done
}

paths_of() {
  request='"(GET|HEAD) (/[^]?" \\[:cntrl:]]*)(\?[^ "]*)? HTTP/[0-9.]+" [23][0-9][0-9] .*$'
  tail -c "$sample_bytes" -- "$1" 2>/dev/null |
    sed -n -E -e '/"deployer-check"/d' -e "s~^(([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*)(:[0-9]+)? .*$request~\1 \5~p" -e t -e "s~^.*$request~- \2~p" |
    grep -v -E '[[:alnum:]]{20}|.{250}' | sort | uniq -c | sort -rn | head -n "${lines:-50}" |
    {
      while read -r _ name path; do
        say path "$1 $name $path"
      done
      flush
    }
}

