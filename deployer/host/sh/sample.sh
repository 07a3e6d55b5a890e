# --------------------------------------------------------------------------------------------------- what users ask for, and who answers

sample_logs=8         # access logs that are looked at
sample_bytes=262144   # of the end of each
files_cs=1000         # after which no other directory is begun, in hundredths of a second

# Paths that were asked for and answered well, the most frequent first, each with the name when that is among the first words. Only the path of a
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

# Sets ours to an expression for the lines of our own questions in log $1. Where it does not say which program asked, they are those that come from
# the host itself, as far as others come from elsewhere.
tell_ours() {
  ours='"deployer-check"'
  ! tail -c "$sample_bytes" -- "$1" 2>/dev/null | grep -q -F "$ours" || return 0
  near='^([^ "]+ )?(127\.0\.0\.1|::1) |:[[:space:]]*"(127\.0\.0\.1|::1)"'
  ! tail -c "$sample_bytes" -- "$1" 2>/dev/null | grep -q -v -E "$near" || ours=$near
}

# A line of JSON has its fields in any order, so the name is put aside while the path is looked for.
paths_of() {
  path='(/[^]?" \\[:cntrl:]]*)' name='(([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*)(:[0-9]+)?' is='"[[:space:]]*:[[:space:]]*"'
  request="\"(GET|HEAD) $path(\\?[^ \"]*)? HTTP/[0-9.]+\" [23][0-9][0-9] .*\$"
  tell_ours "$1"
  tail -c "$sample_bytes" -- "$1" 2>/dev/null |
    grep -v -E "$ours" |
    sed -n -E -e '/^[[:space:]]*\{/b json' -e "s~^([^ \"]+ ){0,2}$name ([^[].*)?$request~\2 \7~p" -e t -e "s~^.*$request~- \2~p" -e d \
      -e ':json' -e '/"(GET|HEAD)[ "]/!d' -e "/\"(status|status_code|response_status)${is}?[23][0-9][0-9][^0-9]/!d" -e h \
      -e "s~^.*\"(host|http_host|server_name|vhost|domain)$is$name\".*\$~\2~" -e 't named' -e 's~^.*$~-~' -e 't named' -e ':named' -e x \
      -e "s~^.*\"(uri|request_uri|path|url|request)$is((GET|HEAD) )?${path}[? \"].*\$~\4~" -e 't both' -e d -e ':both' -e x -e G -e 's~\n~ ~p' |
    grep -v -E '[[:alnum:]]{20}|.{250}' | sort | uniq -c | sort -rn | head -n "${lines:-50}" |
    {
      while read -r _ name path; do
        say path "$1 $name $path"
      done
      flush
    }
}

# A few files below each directory that was asked for, of kinds that anybody may have and that nothing runs: of each directory and kind one. No
# hidden ones, none that look like a token.
do_files() {
  kinds='css|js|mjs|json|webmanifest|xml|txt|html?|csv|pdf|svg|png|jpe?g|gif|webp|avif|ico|woff2?|ttf|otf|mp3|m4a|ogg|mp4|webm'
  set -f
  read_uptime
  until_cs=$((uptime_cs + files_cs))
  for at in $places; do
    is_path "$at" || usage "place"
    read_uptime
    [ -d "$at" ] && [ "$uptime_cs" -lt "$until_cs" ] || continue
    flush
    timeout -s KILL 3 find "$at/" -maxdepth 4 -name '.*' -prune -o -type f -size -4096k -printf '%P\n' 2>/dev/null |
      head -n 5000 | grep -E "^[A-Za-z0-9_./@+=,~-]+\.($kinds)\$" | grep -v -E '[[:alnum:]]{20}|.{200}' |
      sed -E 's~^((.*)/)?[^/]*\.([a-z0-9]+)$~\2 \3 &~' | sort | sort -t ' ' -u -k 1,2 | head -n "${lines:-10}" |
      {
        while read -r file; do
          say file "$at ${file##* }"
        done
        flush
      }
  done
  set +f
}

# What stands at each path that was asked for: a socket, which may be one that nobody listens on any more, a directory, a file, or nothing.
do_there() {
  set -f
  for at in $places; do
    is_path "$at" || usage "place"
    what=nothing
    if [ -S "$at" ]; then what=socket; elif [ -d "$at" ]; then what=directory; elif [ -e "$at" ]; then what='file'; fi
    say there "$what $at"
  done
  set +f
}
