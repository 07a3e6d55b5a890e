# --------------------------------------------------------------------------------------------------- inspect

# What observe does not say of what is live: whether it is still valid, who wrote what drifted, what the logs gained, which certificates
# it names. For whoever watches: it changes nothing, wants no ownership and takes no lock, and of the logs only counts leave the host.

log_limit=2097152 # bytes of one log that are read in one look: the newest ones

do_inspect() {
  load_program
  [ -n "$kind" ] || {
    baseline='' drift=''
    read_live
    find_master
  }
  say_validity
  say_writers
  [ "$program" = nginx ] || return 0
  say_counts
  say_certificates
}

# Whether the validator accepts what stands at the target now, in the private namespaces of a test; never on a rewritten copy, which would be made
# where a deployment makes its own.
say_validity() {
  [ "$validity" = yes ] && [ -n "$live" ] && [ -n "$binary" ] && [ -d "$private/test" ] || return 0
  read_uptime
  began_cs=$uptime_cs
  test_limit_s=20 # who only looks does not wait for a name server as long as who deploys
  run_isolated ''
  rc=$?
  case $output in *'the validator was stopped after '*) rc=67 output=${output##*"$nl"} ;; esac
  case $rc in
    0) say valid yes ;;
    65)
      say valid no
      say_lines invalid "$output"
      ;;
    *)
      say valid unknown
      say_lines invalid "${output%%"$nl"*}"
      ;;
  esac
  read_uptime
  say valid_cs "$((uptime_cs - began_cs))"
}

# Of the first files that drifted: when they were written and whose they are; a file that is gone is told by its directory. And who was logged in
# when the newest was written.
say_writers() {
  [ -n "$drift" ] || return 0
  old_ifs=$IFS
  IFS=$nl
  set -f --
  for path in $drift; do
    [ $# -lt 20 ] || break
    file=$target/$path
    while [ ! -e "$file" ] && [ ! -L "$file" ] && [ "$file" != "$target" ]; do file=${file%/*}; done
    set -- "$@" "$file"
  done
  set +f
  IFS=$old_ifs
  written=$(stat -c '%Y %U %n' -- "$@" 2>/dev/null | sort -rn -u)
  say_lines wrote "$written"
  command -v last >/dev/null && [ -s /var/log/wtmp ] && is_digits "${written%% *}" || return 0
  # Both of a last that is there and of one that does not know -p.
  say_lines present "$(timeout -s KILL 5 last -w -p "$(date -d "@${written%% *}" '+%Y-%m-%d %H:%M:%S')" 2>/dev/null |
    sed -n 's/^\([a-z_][a-z0-9_.-]*\)  *[^ ][^ ]*  *\([^ ][^ ]*\) .*/\1 \2/p' | grep -v '^\(reboot\|runlevel\|shutdown\|wtmp\) ' | sort -u | head -n 10)"
}

# The regular files that the master appends to, each once and without the identities: its logs. Sets logs to "INODE:SIZE:PATH" words.
read_logs_of_master() {
  logs='' seen=' '
  set --
  for path in "/proc/$master/fd"/*; do
    [ -f "$path" ] || continue
    flags=''
    { read -r _ && read -r _ flags; } 2>/dev/null <"/proc/$master/fdinfo/${path##*/}"
    # Octal: opened to be written (1) or both (2), and to append (02000).
    case $flags in *[2367]??[12]) ;; *) continue ;; esac
    for identity_file in "$state"/id/*; do
      [ ! "$path" -ef "$identity_file" ] || continue 2
    done
    set -- "$@" "$path"
    [ $# -lt 64 ] || break
  done
  [ $# -gt 0 ] || return 0
  # shellcheck disable=SC2046 # words: numbers and our own paths
  for word in $(stat -L -c '%i:%s:%n' -- "$@" 2>/dev/null); do
    case $seen in *" ${word%%:*} "*) continue ;; esac
    seen="$seen${word%%:*} "
    logs="$logs$word "
  done
}

# Lines by what they are: "level error", "status 5", or "other".
# shellcheck disable=SC2016 # it is a program for sed
classes='/^$/d
s/^[0-9]{4}\/[0-9]{2}\/[0-9]{2} [0-9:]{8} \[(debug|info|notice|warn|error|crit|alert|emerg)\] .*/level \1/p;t
s/^[^"]*"[^"]*" ([1-5])[0-9]{2} .*/status \1/p;t
s/^[^"]*"[^"]*" "[^"]*" ([1-5])[0-9]{2} .*/status \1/p;t
s/^\{.*"status": ?"?([1-5])[0-9]{2}"?[,} ].*/status \1/p;t
s/.*/other/p'

# What was written since "offset=INODE:OFFSET", log by log. Where nothing was said of any, counting begins now, or "window" bytes before.
say_counts() {
  [ "$logs_wanted" = yes ] && [ -n "$master" ] || return 0
  read_logs_of_master
  old='' skipped=0 parts='' rest=$sinces
  for word in $logs; do
    inode=${word%%:*} word=${word#*:}
    size=${word%%:*} path=${word#*:} begin=0
    case $sinces in
      *" $inode:"*)
        begin=${sinces#*" $inode:"}
        begin=${begin%% *}
        rest="${rest%%" $inode:"*} ${rest#*" $inode:$begin "}"
        [ "$begin" -le "$size" ] || begin=0 # it was truncated, and filled anew
        ;;
      ' ') begin=$((size - ${window:-0})) ;;
    esac
    say log "$inode:$size"
    add_part
  done
  # What a log that was rotated away gained before it was let go of.
  for word in $rest; do
    inode=${word%%:*}
    [ -z "$logs" ] || old="$old -o -inum $inode"
  done
  [ -z "$old" ] || add_rotated
  [ "$skipped" -eq 0 ] || say log_skipped "$skipped"
  [ -n "$parts" ] || return 0
  # shellcheck disable=SC2086 # numbers and our own paths
  say_lines count "$(read_parts $parts | sed -n -E "$classes" | sort | uniq -c)"
}

# Adds $begin to $size of $path to parts; but for its newest bytes a log that gained too much is skipped.
add_part() {
  [ "$begin" -ge 0 ] || begin=0
  [ "$begin" -lt "$size" ] || return 0
  if [ $((size - begin)) -gt "$log_limit" ]; then
    skipped=$((skipped + size - begin - log_limit))
    begin=$((size - log_limit))
  fi
  parts="$parts$begin $((size - begin)) $path "
}

add_rotated() {
  set --
  for word in $logs; do
    path=$(readlink "${word##*:}") || continue
    path=${path% (deleted)}
    case $path in /*/*) set -- "$@" "${path%/*}/" ;; esac
  done
  [ $# -gt 0 ] || return 0
  # shellcheck disable=SC2086 # numbers
  for word in $(find "$@" -maxdepth 1 -type f \( -false $old \) -printf '%i:%s:%p\n' 2>/dev/null | sort -u | head -n 64); do
    inode=${word%%:*} word=${word#*:}
    size=${word%%:*} path=${word#*:}
    case $path in *[!A-Za-z0-9_./@+-]*) continue ;; esac
    is_digits "$size" || continue
    begin=${sinces#*" $inode:"}
    begin=${begin%% *}
    is_digits "$begin" && add_part
  done
}

# The bytes of parts "BEGIN LENGTH PATH …", each ended by a newline. A pipe in the place of a log must not hold us.
read_parts() {
  while [ $# -ge 3 ]; do
    timeout -s KILL 10 dd if="$3" bs=65536 skip="$1" count="$2" iflag=skip_bytes,count_bytes,nonblock 2>/dev/null
    echo
    shift 3
  done
}

# The certificates that the files at the target name, by inode, time and size; of those that are not known yet the certificate itself: what
# lies between the lines that begin and end one, never a key.
say_certificates() {
  [ "$certificates" = yes ] && [ -n "$conf" ] || return 0
  named=$(grep -rhE --binary-files=text '^[^#]*ssl_certificate[[:space:]]' "$target/" 2>/dev/null |
    sed -n -E "s/^[^#]*ssl_certificate[[:space:]]+[\"']?([^;\"'[:space:]]+).*/\\1/p" | sort -u | head -n 100)
  set -f --
  for word in $named; do
    case $word in *'$'* | data:* | *[!A-Za-z0-9_./@+:*-]*) continue ;; /*) ;; *) word=${conf%/*}/$word ;; esac
    [ ! -f "$word" ] || set -- "$@" "$word"
  done
  set +f
  [ $# -gt 0 ] || return 0
  new=0
  # shellcheck disable=SC2044 # paths of plain characters
  for word in $(find -L "$@" -maxdepth 0 -printf '%i.%T@.%s:%p\n' 2>/dev/null); do
    say certificate "${word%%:*} ${word#*:}"
    case $knowns in *" ${word%%:*} "*) continue ;; esac
    new=$((new + 1))
    [ "$new" -le 25 ] || continue
    say pem "${word%%:*} $(timeout -s KILL 5 head -c 65536 -- "${word#*:}" 2>/dev/null |
      sed -n '/-----BEGIN [A-Z ]*CERTIFICATE-----/,/-----END/{/-----/!p;/-----END/q}' | tr -cd 'A-Za-z0-9+/=' | head -c 16384)"
  done
}

