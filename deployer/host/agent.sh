#!/bin/sh
# shellcheck shell=sh
# shellcheck disable=SC3013 # -ef: dash, busybox ash and bash all have it, and it saves a process each time
# shellcheck disable=SC2015 # "a && b || fail" is meant as it reads: fail does not return
# shellcheck disable=SC2094 # a file is read to its end, and replaced by a rename
#
# The agent: everything deployer does on a host. Its protocol is docs/agent.md.
#
# Written for few processes (120 hosts may share two cores) and for any of dash, busybox ash and bash. Nothing that an
# operator wrote is ever evaluated: it arrives on standard input and stays in variables. `main "$@"` is the last line, so
# a text that was cut off does nothing.

agent_id=@AGENT_ID@
protocol=1

base=/var/lib/deployer
lock_wait_s=20    # for the instance lock
owner_silent_s=600 # an owner unheard for so long has lost the host
test_limit_s=60   # for the validator
reload_limit_s=20 # for nginx to show what it holds after a reload: bind() alone is retried for 2.5 s
start_limit_s=30  # for systemctl or nginx to return

nl='
'
blanks=" 	$nl"
# 64 characters that stand where a digest stands, so that one sort can order all three sections of a manifest.
fill=0000000000000000000000000000000000000000000000000000000000000000
strip='s/\nerror_log [^\n]* # deployer identity, no newline before\n$//;ts;s/\(^\|\n\)error_log [^\n]* # deployer identity\n$/\1/;:s'

# ---------------------------------------------------------------------------------------------------- answers

say() { printf '%s=%s\n' "$1" "$2"; }

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
  [ -z "${3-}" ] || say_lines detail "$3"
  note "refused $1"
  say end "$1"
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

# ---------------------------------------------------------------------------------------------------- the header

read_header() {
  target='' state='' preserve='' argv='' reload='' deployment='' epoch='' controller='' release='' from='' leaves='' tree_hash=''
  base_release='' commit='' source_hash='' main_identity='' modes='' checks='' holds='' keep='' lines='' hash='' sha256=''
  preempt='' accept_unproven='' fix_forward='' start='' limit='' survey=''
  count=0
  while :; do
    IFS= read -r line || usage "the header has no end"
    [ -n "$line" ] || break
    count=$((count + 1))
    [ "$count" -le 4000 ] && [ "${#line}" -le 65536 ] || usage "the header is too long"
    case $line in *[[:cntrl:]]*) usage "a header value holds a control character" ;; esac
    case $line in *=*) ;; *) usage "a header line without =" ;; esac
    value=${line#*=}
    case ${line%%=*} in
      target) target=$value ;;
      state) state=$value ;;
      preserve) preserve=$value ;;
      argv) argv=$argv$value$nl ;;
      reload) reload=$reload$value$nl ;;
      deployment) deployment=$value ;;
      epoch) epoch=$value ;;
      controller) controller=$value ;;
      release) release=$value ;;
      from) from=$value ;;
      leaves) leaves=$value ;;
      tree_hash) tree_hash=$value ;;
      base) base_release=$value ;;
      commit) commit=$value ;;
      source_hash) source_hash=$value ;;
      main_identity) main_identity=$value ;;
      mode) modes=$modes$value$nl ;;
      check) checks=$checks$value$nl ;;
      hold) holds="$holds $value " ;;
      keep) keep=$value ;;
      lines) lines=$value ;;
      hash) hash=$value ;;
      sha256) sha256=$value ;;
      preempt) preempt=$value ;;
      accept_unproven) accept_unproven=$value ;;
      fix_forward) fix_forward=$value ;;
      start) start=$value ;;
      limit) limit=$value ;;
      survey) survey=$value ;;
    esac # an unknown key belongs to a later controller and changes nothing here
  done
}

is_digits() { case $1 in '' | *[!0-9]*) return 1 ;; esac; [ "${#1}" -le 15 ]; }

is_hex64() { case $1 in *[!0-9a-f]*) return 1 ;; esac; [ "${#1}" -eq 64 ]; }

is_release() {
  case $1 in *-*-* | -* | *[!a-z0-9-]*) return 1 ;; esac
  case ${1#*-} in *[!0-9a-f]*) return 1 ;; esac
  case $1 in *-????????????) [ "${#1}" -le 25 ] && [ "${#1}" -ge 14 ] ;; *) return 1 ;; esac
}

# An absolute, normalised path of characters that need no quoting in nginx, fstab, sed or find.
is_path() {
  case $1 in [!/]* | '' | / | */ | *//* | */./* | */. | */../* | */.. | *[!A-Za-z0-9_./@+-]*) return 1 ;; esac
  [ "${#1}" -le 512 ]
}

# Refuses a path whose parent goes through a symbolic link: the test at the real path would land elsewhere.
real_parent() {
  parent=${1%/*}
  while [ -n "$parent" ]; do
    [ ! -L "$parent" ] || fail 67 "$1 goes through the symbolic link $parent; name its real path in the playbook ($2)."
    parent=${parent%/*}
  done
}

check_header() {
  if [ -n "$deployment" ]; then
    case $deployment in *[!0-9a-z-]*) usage "deployment" ;; esac
    [ "${#deployment}" -le 40 ] || usage "deployment"
  fi
  [ -z "$epoch" ] || is_digits "$epoch" || usage "epoch"
  [ "${#controller}" -le 256 ] || usage "controller"
  for value in "$release" "$from" "$leaves" "$base_release"; do
    [ -z "$value" ] || is_release "$value" || usage "a release id"
  done
  [ -z "$tree_hash" ] || is_hex64 "$tree_hash" || usage "tree_hash"
  [ -z "$sha256" ] || is_hex64 "$sha256" || usage "sha256"
  [ -z "$keep" ] || is_digits "$keep" || usage "keep"
  [ -z "$lines" ] || is_digits "$lines" || usage "lines"
  [ -z "$limit" ] || is_digits "$limit" || usage "limit"
}

check_target() {
  is_path "$target" || fail 67 "target.directory is not a plain absolute path (letters, digits and _ . / @ + - only): $target"
  is_path "$state" || fail 67 "target.state is not a plain absolute path (letters, digits and _ . / @ + - only): $state"
  [ -n "$argv" ] || usage "argv"
  case $target/ in "$state"/*) fail 67 "target.directory $target lies inside target.state $state; keep them apart." ;; esac
  case $state/ in "$target"/*) fail 67 "target.state $state lies inside target.directory $target; keep them apart." ;; esac
  case $state/ in "$base"/instance/*) fail 67 "target.state $state lies in the agent's own directory; choose another." ;; esac
  real_parent "$target" target.directory
  real_parent "$state" target.state
  [ ! -L "$state" ] || fail 67 "target.state $state is a symbolic link; name its real path in the playbook."
  releases=$state/releases
  private=$state/private
  meta=$private/release
}

# Refuses a preserve that is no expression; sets main_kept: whether it covers the main file (empty: not known).
check_preserve() {
  main_kept=''
  if [ -z "$preserve" ]; then
    main_kept=no
  elif [ -n "$main" ] && [ -f "$target/$main" ]; then
    main_kept=$(cd "$target" && find "./$main" -maxdepth 0 -regextype posix-extended -regex "$preserve" 2>/dev/null) || usage "preserve"
    if [ -n "$main_kept" ]; then main_kept=yes; else main_kept=no; fi
  else
    find / -maxdepth 0 -regextype posix-extended -regex "$preserve" >/dev/null 2>&1 || usage "preserve"
  fi
}

# ---------------------------------------------------------------------------------------------------- processes

read_uptime() {
  read -r uptime _ </proc/uptime
  uptime_cs=${uptime%.*}${uptime#*.}
  uptime_cs=${uptime_cs#0}
  uptime_cs=${uptime_cs#0}
}

read_boot() { read -r boot </proc/sys/kernel/random/boot_id; }

# What process $1 calls itself: sets title, empty when it is gone.
title_of() {
  title=''
  { read -r title <"/proc/$1/cmdline"; } 2>/dev/null
  [ -n "$title" ]
}

# Sets started (1/100 s since boot) and ppid of process $1.
stat_of() {
  started='' ppid=''
  { read -r stat_line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086 # fields
  set -- ${stat_line##*) }
  ppid=${2-} started=${20-}
  [ -n "$started" ]
}

# Sets serving to the workers of the master that take new connections ("PID:START …"), serving_count to their number.
read_workers() {
  serving='' serving_count=0 children=''
  { read -r children <"/proc/$master/task/$master/children"; } 2>/dev/null
  for child in $children; do
    title_of "$child" || continue
    case $title in *'is shutting down'*) continue ;; *'worker process'*) ;; *) continue ;; esac
    stat_of "$child" || continue
    serving="$serving$child:$started "
    serving_count=$((serving_count + 1))
  done
}

# Finds the one master. $1: quick where it was looked already whether another one runs, and the pid file names one. Sets master (empty: none), master_start, orphans, oldbin, running, nginx_problem.
find_master() {
  master='' master_start='' orphans=0 oldbin=no running=no nginx_problem='' others=''
  serving='' serving_count=0
  [ "$program" = nginx ] || return 0
  pid_named=''
  [ ! -f "$pid_path" ] || { read -r pid_named <"$pid_path"; } 2>/dev/null
  is_digits "$pid_named" || pid_named=''
  if [ -n "$pid_named" ] && title_of "$pid_named"; then
    case $title in
      'nginx: master process'*)
        if [ "/proc/$pid_named/root/." -ef /. ] && same_view "$pid_named"; then
          master=$pid_named
        else
          nginx_problem="The nginx master (pid $pid_named) sees another file system than this login does: it runs in a container or a chroot. Deploy inside it, or to an nginx on the host itself."
        fi
        ;;
    esac
  fi
  # One process lists every nginx here; then the kernel's own files say who belongs to whom.
  found=''
  [ "${1-}" = quick ] && [ -n "$master" ] || found=$(grep -aos '^nginx: [a-z]* process' /proc/[0-9]*/cmdline)
  old_ifs=$IFS
  IFS=$nl
  for entry in $found; do
    IFS=$old_ifs
    pid=${entry#/proc/}
    pid=${pid%%/*}
    [ "$pid" != "$master" ] && stat_of "$pid" || continue
    [ "/proc/$pid/root/." -ef /. ] && [ "/proc/$pid/ns/pid" -ef /proc/self/ns/pid ] || continue
    case $entry in
      # A child that was forked this moment still has its master's title.
      *'master process') [ "$ppid" = "$master" ] || others="$others $pid" ;;
      *'worker process') [ "$ppid" != 1 ] || orphans=$((orphans + 1)) ;;
    esac
  done
  IFS=$old_ifs
  [ ! -e "$pid_path.oldbin" ] || oldbin=yes
  if [ -n "$master" ]; then
    stat_of "$master" && master_start=$started
    read_workers
  fi
  if [ -n "$nginx_problem" ]; then
    :
  elif [ "$oldbin" = yes ]; then
    nginx_problem="An nginx binary upgrade is not finished ($pid_path.oldbin is there), so two configurations may be served; finish it or remove the file."
  elif [ -n "$others" ] && [ -z "$master" ]; then
    nginx_problem="nginx runs (pid$others) but its pid file $pid_path does not name it, so it cannot be told which master to reload; restart nginx."
  elif [ -n "$others" ] && second_master; then
    nginx_problem="More than one nginx master runs (pid $master and$others) over the same configuration; stop the one that is not wanted."
  elif [ "$orphans" -gt 0 ]; then
    nginx_problem="$orphans nginx worker(s) without a master still serve an old configuration; stop them (kill -QUIT) before deploying."
  fi
  [ -z "$master" ] || [ -n "$nginx_problem" ] || running=yes
}

# Whether the target looks the same from process $1 (units with PrivateTmp have a mount namespace of their own).
same_view() { [ ! -e "$target" ] || [ "/proc/$1/root$target/." -ef "$target/." ]; }

# Other masters with another configuration, prefix or pid file are other instances and no business of ours.
second_master() {
  for pid in $others; do
    title_of "$pid" || continue
    case $title in
      *" -c $conf" | *" -c $conf "*) return 0 ;;
      *' -c '* | *' -p '* | *'pid '*) ;;
      *) return 0 ;;
    esac
  done
  return 1
}

# ---------------------------------------------------------------------------------------------------- the program

# The first word of a list, and what the program is. Sets validator_argv0, binary, program.
find_program() {
  word=${argv%%"$nl"*}
  program=other binary=''
  case ${word##*/} in nginx | openresty) program=nginx ;; esac
  case $word in
    /*) [ ! -x "$word" ] || binary=$word ;;
    */*) ;;
    *)
      old_ifs=$IFS
      IFS=:
      for directory in $PATH; do
        if [ -f "$directory/$word" ] && [ -x "$directory/$word" ]; then
          binary=$directory/$word
          break
        fi
      done
      IFS=$old_ifs
      ;;
  esac
}

# The statements of file $1 outside all blocks, without the identity line: one string, separated by ";".
outline='s/#[^\n]*//g;:a;s/{[^{}]*}/;/g;ta;s/[[:space:]]\+/ /g'
toplevel() { sed -z "$strip;$outline" "$1" 2>/dev/null; }

# Reads statements $1: sets main_pid (its pid directive) and main_log (yes when it names an error_log of its own).
read_toplevel() {
  main_pid='' main_log=no
  old_ifs=$IFS
  IFS=';'
  set -f
  for statement in $1; do
    statement=${statement# }
    case $statement in
      'pid '*) main_pid=${statement#pid } ;;
      'error_log '*) main_log=yes ;;
    esac
  done
  set +f
  IFS=$old_ifs
  main_pid=${main_pid% }
  main_pid=${main_pid#[\"\']}
  main_pid=${main_pid%[\"\']}
  case $main_pid in '') ;; /*) ;; *) main_pid=$prefix/$main_pid ;; esac
}

# What the nginx binary and the live main file say: sets version, prefix, conf, main, default_log, pid_path, key.
read_program() {
  find_program
  version='' prefix='' conf='' main='' default_log='' pid_path='' key=''
  if [ "$program" = nginx ] && [ -n "$binary" ]; then
    built=$("$binary" -V 2>&1 </dev/null)
    set -f
    for word in $built; do
      case $word in
        nginx/* | openresty/*) [ -n "$version" ] || version=$word ;;
        --prefix=*) prefix=${word#*=} ;;
        --conf-path=*) conf=${word#*=} ;;
        --pid-path=*) pid_path=${word#*=} ;;
        --error-log-path=*) default_log=${word#*=} ;;
      esac
    done
    set +f
    prefix=${prefix:-/usr/local/nginx}
    conf=${conf:-conf/nginx.conf} pid_path=${pid_path:-logs/nginx.pid} default_log=${default_log:-logs/error.log}
    previous=''
    old_ifs=$IFS
    IFS=$nl
    set -f
    for word in $argv; do
      [ "$previous" != -c ] || conf=$word
      previous=$word
    done
    set +f
    IFS=$old_ifs
    case $conf in /*) ;; *) conf=$prefix/$conf ;; esac
    built_pid=$pid_path
    read_pid_path
    # A master that was started with -c says so in its title.
    if [ -f "$pid_path" ] && { read -r pid_named <"$pid_path"; } 2>/dev/null && is_digits "$pid_named" && title_of "$pid_named"; then
      case $title in
        'nginx: master process'*' -c '*)
          word=${title#* -c }
          word=${word%% *}
          case $word in
            "$conf") ;;
            /*)
              conf=$word
              pid_path=$built_pid
              read_pid_path
              ;;
          esac
          ;;
      esac
    fi
    case $default_log in /* | stderr) ;; *) default_log=$prefix/$default_log ;; esac
    case $conf in "$target"/*) main=${conf#"$target"/} ;; esac
    case $main in *[!A-Za-z0-9_./@+-]*) main='' ;; esac
  elif [ "$program" = other ] && [ -n "$binary" ]; then
    version=${binary##*/}
  fi
  if [ "$program" = nginx ]; then make_key "${pid_path:-/run/nginx.pid}"; else make_key "$target"; fi
}

read_pid_path() {
  [ ! -f "$conf" ] || read_toplevel "$(toplevel "$conf")"
  [ -z "${main_pid-}" ] || pid_path=$main_pid
  case $pid_path in /*) ;; *) pid_path=$prefix/$pid_path ;; esac
  case $pid_path in /var/run/*) [ ! -L /var/run ] || pid_path=/run/${pid_path#/var/run/} ;; esac
}

# KEY: the path with + for /. A path with other characters is named by its hash.
make_key() {
  key='' rest=${1#/}
  case $rest in
    *[!A-Za-z0-9._/-]*)
      key=$(printf %s "$1" | sha256sum)
      key=${key%% *}
      ;;
    *)
      while :; do
        case $rest in
          */*)
            key=$key${rest%%/*}+
            rest=${rest#*/}
            ;;
          *) break ;;
        esac
      done
      key=$key$rest
      ;;
  esac
  instance=$base/instance/$key
}

# The same from what begin wrote down, so that later calls of one deployment need not ask nginx again.
load_program() {
  [ "$program_known" = no ] || return 0
  program_known=yes
  find_program
  recall_program || read_program
  [ "$recalled" = yes ] && [ "$known_preserve" = "$preserve" ] || {
    recalled=no
    check_preserve
  }
  main_pattern=''
  rest=$main
  while :; do
    case $rest in
      *[./+]*)
        word=${rest%%[./+]*}
        rest=${rest#"$word"}
        main_pattern=$main_pattern${word}[${rest%"${rest#?}"}]
        rest=${rest#?}
        ;;
      *) break ;;
    esac
  done
  main_pattern=$main_pattern$rest
}

# Within a deployment what begin wrote down holds. begin itself and observe believe it only as long as the master that it was seen
# with runs, from the very file that would be asked, and the main file is older.
recall_program() {
  recalled=no
  [ -f "$private/program" ] || return 1
  {
    IFS= read -r known_target && IFS= read -r known_binary && IFS= read -r version && IFS= read -r prefix &&
      IFS= read -r conf && IFS= read -r main && IFS= read -r default_log && IFS= read -r pid_path && IFS= read -r key &&
      IFS= read -r known_preserve && IFS= read -r main_kept && IFS= read -r known_argv && read -r known_boot known_master known_start
  } <"$private/program" || return 1
  [ -n "$key" ] && [ "$known_target $known_binary" = "$target $binary" ] || return 1
  case $verb in
    begin | observe)
      [ -n "$boot" ] || read_boot
      argv_line
      # A release that was loaded since has the same pid path: stage saw to that.
      [ "$private/program" -nt "$conf" ] || [ "$private/loaded" -nt "$conf" ] || return 1
      [ -n "$known_master" ] && [ "$known_boot" = "$boot" ] && [ "$known_argv" = "$line" ] &&
        title_of "$known_master" && stat_of "$known_master" && [ "$started" = "$known_start" ] && [ "/proc/$known_master/exe" -ef "$binary" ] || return 1
      case $title in 'nginx: master process'*) ;; *) return 1 ;; esac
      ;;
  esac
  instance=$base/instance/$key
  recalled=yes
}

# Write down what is known of the program, and the master as a witness that it is still the same.
remember_program() {
  pid_named='' started=''
  if [ "$program" = nginx ] && [ -f "$pid_path" ] && { read -r pid_named <"$pid_path"; } 2>/dev/null && is_digits "$pid_named" &&
    [ "/proc/$pid_named/exe" -ef "$binary" ]; then
    stat_of "$pid_named"
  fi
  [ -n "$started" ] || pid_named=''
  argv_line
  [ -n "$boot" ] || read_boot
  printf '%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s %s %s\n' "$target" "$binary" "$version" "$prefix" "$conf" "$main" "$default_log" \
    "$pid_path" "$key" "$preserve" "$main_kept" "$line" "$boot" "$pid_named" "$started" >"$private/program.new" &&
    mv -f "$private/program.new" "$private/program" || cannot_write "$private"
}

# Sets line to argv, its words parted by tabs: no header value holds one.
argv_line() {
  line='' old_ifs=$IFS
  IFS=$nl
  set -f
  for word in $argv; do line="$line	$word"; done
  set +f
  IFS=$old_ifs
}

# ---------------------------------------------------------------------------------------------------- manifests

# What stands in the current directory, as NUL-ended records in find's order: three processes, however many files. A digest
# with its path as sha256sum writes it; for an executable and for a link the fill, a sign and the path; "~~" is no release.
# find flushes its own output before each sha256sum, so no two records mix. $1: a file for the relative links that go up, if wanted.
scan() {
  if [ -n "${1-}" ]; then set -- \( -type l -lname '*..*' ! -lname '/*' -fprintf "$1" '%P//%l\n' -o -true \); fi
  [ -z "$preserve" ] || set -- "$@" ! -regex "$preserve"
  find . -regextype posix-extended "$@" \( -type l -printf "$fill##%p\\001//%l\\0" \
    -o -type f -exec sha256sum -z -- {} + \( ! -perm -100 -o -printf "$fill!!%p\\0" \) -o -type d -o -printf "$fill~~%p\\0" \)
}

# The canonical manifest of such records in the files $2…, after those on standard input. $1: digest of the main file without its
# identity line, if any.
canonical() {
  # Sorting is stable: of the two records of the main file the first one stays.
  twice=''
  [ -z "$1" ] || twice="\\|^[0-9a-f]\\{64\\}  \\./$main_pattern\$|{x;s/^/x/;/xx/{x;d};x};"
  digest=$1
  shift
  printf 'files\0'
  {
    printf '%s!!\0%s##\0' "$fill" "$fill"
    [ -z "$digest" ] || printf '%s  ./%s\0' "$digest" "$main"
    [ $# -gt 0 ] || scan
  } | sort -z -s -k1.65,1.66 -k1.67 - "$@" |
    sed -z -e "${twice}s/^$fill!!\$/exec/;t;s/^$fill##\$/links/;t;s/^$fill!!//;t;s/^$fill##\\([^\\x01]*\\)\\x01/\\1/"
}

# The canonical manifest of directory $1, whatever it is. Changes the current directory: for a subshell.
manifest_of() {
  cd -P -- "$1" 2>/dev/null || return 1
  digest=''
  if [ -n "$main" ] && [ -f "$main" ] && [ ! -L "$main" ]; then
    digest=$(sed -z "$strip" "$main" | sha256sum)
    digest=${digest%% *}
  fi
  canonical "$digest"
}

# Sets hashed to the tree hash of directory $1.
hash_tree() {
  hashed=$(manifest_of "$1" | sha256sum)
  hashed=${hashed%% *}
}

# Sets recorded to the tree hash of release $1, false when it is not complete; ordered to the hash of its records as find gave them.
read_recorded() {
  recorded='' ordered=''
  { read -r recorded && read -r ordered; } 2>/dev/null <"$meta/$1/hash"
  is_hex64 "$recorded"
}

# Whether directory $1 is what was recorded of release $2, its identity line included.
is_intact() {
  case "$intact " in *" $1//$2 "*) return 0 ;; esac
  read_recorded "$2" || return 1
  # A directory lists its files in the same order as long as none comes or goes; another order only takes longer.
  if [ -n "$ordered" ] && [ "$kind.$1" != "directory.$target" ] && [ "$(cd -P -- "$1" && scan | sha256sum)" = "$ordered  -" ]; then
    intact="$intact $1//$2"
    return 0
  fi
  if (cd -P -- "$1" && { scan; cat "$meta/$2/raw"; } | sort -z | uniq -zu | { IFS= read -r line; [ -n "$line" ]; }); then return 1; fi
  intact="$intact $1//$2"
}

# The names by which directory $1 differs from release $2, at most 100 lines.
differences() {
  (cd -P -- "$1" && { scan; cat "$meta/$2/raw"; }) | sort -z | uniq -zu | names_of
}

# Paths of NUL-ended records, one a line; a newline in a name is shown as "?".
names_of() { sed -z -e "s/^[0-9a-f]\{64\}..\.\///;s/\x01.*//" | sort -zu | tr '\n\0' '?\n' | head -n 100; }

# Fails with 69 unless release $1 is complete and its bytes are its manifest's.
need_intact() {
  [ -d "$releases/$1" ] && read_recorded "$1" ||
    fail 67 "Release $1 is not in $releases any more; deploy its revision again (deploy --rev)."
  is_intact "$releases/$1" "$1" ||
    fail 69 "The bytes of release $1 in $releases are not those of its manifest; somebody wrote there." "$(differences "$releases/$1" "$1")"
}

# ---------------------------------------------------------------------------------------------------- state on disk

# Write text $2 to file $1 so that a crash leaves the old or the new one.
replace_file() {
  { printf '%s' "$2" >"$1.new"; } 2>/dev/null && sync "$1.new" && mv -f "$1.new" "$1"
}

is_full() {
  free_kb=$(stat -f -c '%a %S' "$1" 2>/dev/null)
  [ -n "$free_kb" ] || return 1
  free_kb=$((${free_kb% *} * ${free_kb#* } / 1024))
  [ "$free_kb" -lt "${2:-64}" ]
}

# fail with the reason why writing below $1 did not work.
cannot_write() {
  if is_full "$1"; then fail 67 "No space is left on the file system of $1; free some and try again." "${2-}"; fi
  if ! { true >"$1/.probe"; } 2>/dev/null; then fail 67 "$1 cannot be written (is the file system read-only?)." "${2-}"; fi
  rm -f "$1/.probe"
  fail 70 "Writing below $1 failed." "${2-}"
}

# Sets live: the release that stands, whatever the pointer says, while a plain directory is still there.
read_live() {
  live='' kind=absent
  if [ -L "$target" ]; then
    kind=foreign
    [ ! "$target/." -ef "$state/live/." ] || kind='link'
  elif [ -d "$target" ]; then
    kind=directory
  elif [ -e "$target" ]; then
    kind=foreign
  fi
  [ ! -f "$private/baseline" ] || { read -r baseline <"$private/baseline"; } 2>/dev/null
  if [ "$kind" = link ]; then
    for directory in "$releases"/*; do
      [ "$directory/." -ef "$target/." ] || continue
      live=${directory##*/}
      break
    done
  elif [ -n "$baseline" ] && [ -f "$private/directory" ]; then
    { read -r live <"$private/directory"; } 2>/dev/null
  fi
  [ -n "$live" ]
}

read_owner() {
  owner='' owner_epoch=0 owner_controller='' silent=0
  [ -f "$instance/owner" ] || return 0
  { IFS= read -r owner_epoch && IFS= read -r owner && IFS= read -r owner_controller; } <"$instance/owner" 2>/dev/null
  is_digits "$owner_epoch" || owner_epoch=0
  [ -n "$owner" ] || return 0
  read_uptime
  [ -n "$boot" ] || read_boot
  heard='' heard_boot='' heard_offset=''
  { read -r heard heard_boot heard_offset <"$instance/heard"; } 2>/dev/null
  silent=${uptime%.*}
  # Heard before this boot, or unreadable: silent since the boot at the least.
  if is_digits "$heard" && [ "$heard_boot" = "$boot" ]; then
    silent=$((silent - heard))
    [ -n "$clock_offset" ] || clock_offset=$heard_offset
  fi
}

hear() {
  read_uptime
  [ -n "$boot" ] || read_boot
  { printf '%s %s %s\n' "${uptime%.*}" "$boot" "$clock_offset" >"$instance/heard"; } 2>/dev/null
}

write_owner() {
  replace_file "$instance/owner" "$1$nl$2$nl$3$nl" || cannot_write "$instance"
}

make_state() {
  [ ! -d "$instance" ] || return 0
  umask 077
  mkdir -p "$instance" 2>/dev/null || fail 67 "$instance cannot be made (is the file system read-only, or full?)."
  chmod 0711 "$base" && chmod 0700 "$base/instance" "$instance" || fail 67 "The mode of $base cannot be set."
  umask 022
}

make_store() {
  [ ! -d "$private/incoming" ] || return 0
  { mkdir -p "$releases" "$state/id" "$private/incoming" "$meta" "$private/test" &&
    chmod 0711 "$state" "$releases" "$state/id" && chmod 0700 "$private"; } 2>/dev/null ||
    fail 67 "$state cannot be made (is the file system read-only, or full?)."
}

# Takes the instance lock for the rest of the call. Nothing that is started from here inherits it.
take_lock() {
  [ "$locked" = no ] || return 0
  load_program
  if [ ! -d "$instance" ]; then
    [ "$verb" = begin ] || fail 76 "No deployment owns this host; begin one first."
    make_state
  fi
  { true >>"$instance/lock"; } 2>/dev/null || cannot_write "$instance"
  exec 9>>"$instance/lock"
  flock -w "$lock_wait_s" 9 || {
    read_owner
    busy "Another call of deployer has been working on this host for $lock_wait_s s; wait for it, or see what it does (ps)."
  }
  locked=yes
  # From here on a lost connection must not stop us halfway.
  trap '' HUP PIPE
}

busy() {
  say owner "$owner"
  say owner_controller "$owner_controller"
  say silent "$silent"
  fail 75 "$1"
}

# What every changing verb starts with: lock, ownership, and repair of what an earlier call left halfway.
need_ownership() {
  [ -n "$deployment" ] && [ -n "$epoch" ] || usage "deployment and epoch are wanted"
  take_lock
  read_owner
  [ "$owner" = "$deployment" ] && [ "$owner_epoch" = "$epoch" ] ||
    fail 76 "Deployment $deployment (epoch $epoch) does not own this host any more: ${owner:-nobody} does (epoch $owner_epoch)."
  hear
  logging=yes
  make_store
  repair
}

# ---------------------------------------------------------------------------------------------------- targets

# Refuses a target that another playbook has, or that overlaps one.
check_targets() {
  for registry in "$base"/instance/*/targets; do
    [ -f "$registry" ] || continue
    while read -r other other_state; do
      [ "$other $other_state" != "$target $state" ] || continue
      [ "$other" != "$target" ] || fail 67 "$target is already managed with the state $other_state; use that as target.state, or undo its adoption first."
      [ "$other_state" != "$state" ] || fail 67 "$state is already the state of $other; give $target a target.state of its own."
      case $target/ in "$other"/*) fail 67 "$target lies inside $other, which another playbook manages; targets must not overlap." ;; esac
      case $other/ in "$target"/*) fail 67 "$other, which another playbook manages, lies inside $target; targets must not overlap." ;; esac
    done <"$registry"
  done
}

register_target() {
  text=''
  if [ -f "$instance/targets" ]; then
    while read -r other other_state; do
      [ "$other $other_state" != "$target $state" ] || return 0
      text=$text$other' '$other_state$nl
    done <"$instance/targets"
  fi
  replace_file "$instance/targets" "$text$target $state$nl" || cannot_write "$instance"
}

# ---------------------------------------------------------------------------------------------------- the switch

# Point STATE/live at release $1, by one rename; all that was written before it is on disk by then.
point_live() {
  [ ! -L "$state/.live.new" ] || rm -f "$state/.live.new"
  ln -s "releases/$1" "$state/.live.new" && sync -f "$state" && mv -T "$state/.live.new" "$state/live" || cannot_write "$state"
}

link_name() { beside=${target%/*}/.${target##*/}; }

# Exchange $1 and $2 by one rename where something here can call it; 18 when they are on an overlay's lower layer.
exchange() {
  if [ -x /usr/bin/perl ]; then
    # shellcheck disable=SC2016 # perl's variables
    perl -e 'use POSIX (); my $m = (POSIX::uname())[4]; my %n = (x86_64 => 316, aarch64 => 276, riscv64 => 276, ppc64le => 357, s390x => 347);
      exit 2 unless $n{$m}; my ($a, $b) = @ARGV; exit 0 if syscall($n{$m}, -100, $a, -100, $b, 2) == 0; exit($! == 18 ? 18 : 2)' "$1" "$2" 2>/dev/null
    exchanged=$?
    [ "$exchanged" -ne 0 ] && [ "$exchanged" -ne 18 ] || return "$exchanged"
  fi
  mv --exchange -T "$1" "$2" 2>/dev/null
}

# Put a symlink to STATE/live in the place of the plain directory. The directory is kept beside it until promote.
# private/converting is there as long as this is under way; repair reads it.
convert() {
  link_name
  rm -rf "$beside.deployer-before" "$beside.deployer-new"
  replace_file "$private/converting" "intact$nl$live$nl" || cannot_write "$private"
  ln -s "$state/live" "$beside.deployer-new" || cannot_write "${target%/*}"
  exchange "$beside.deployer-new" "$target"
  case $? in
    0) mv -T "$beside.deployer-new" "$beside.deployer-before" ;;
    18) convert_by_copy ;;
    *)
      # mv alone would copy and remove where it cannot rename; a rename of the directory onto a name that is free is tried first.
      if mv -T --no-copy "$target" "$beside.deployer-before" 2>/dev/null; then
        mv -T "$beside.deployer-new" "$target"
      else
        convert_by_copy
      fi
      ;;
  esac || fail 70 "$target could not be replaced by a symbolic link; the next call puts it right."
  sync -f "${target%/*}"
  rm -f "$private/converting" "$private/directory"
}

# The directory cannot be renamed (an overlay's lower layer): copy it whole, and only then replace it.
convert_by_copy() {
  cp -a "$target" "$beside.deployer-before" && sync -f "${target%/*}" || return 1
  replace_file "$private/converting" "removing$nl$live$nl" || return 1
  rm -rf "$target" && mv -T "$beside.deployer-new" "$target"
}

# Finish or take back what a killed call left. Cheap when there is nothing.
repair() {
  [ "$repaired" = no ] || return 0
  repaired=yes
  for leftover in "$private"/incoming/*; do
    [ ! -e "$leftover" ] || rm -rf "$private"/incoming/*
    break
  done
  [ -f "$private/converting" ] || return 0
  { read -r phase && read -r came_from; } <"$private/converting"
  link_name
  if [ -L "$target" ]; then
    # The exchange was done; what it displaced may still carry the link's name.
    [ ! -d "$beside.deployer-new" ] || [ -L "$beside.deployer-new" ] || mv -T "$beside.deployer-new" "$beside.deployer-before"
    rm -f "$private/directory"
  elif [ "$phase" = intact ] && [ -d "$target" ]; then
    rm -f "$beside.deployer-new"
    rm -rf "$beside.deployer-before"
    point_live "$came_from"
  else
    # The directory is gone, or partly: what it held is release $came_from, byte for byte.
    point_live "$came_from"
    rm -rf "$target"
    rm -f "$beside.deployer-new"
    ln -s "$state/live" "$beside.deployer-new" && mv -T "$beside.deployer-new" "$target" || fail 70 "$target could not be repaired; make it a symbolic link to $state/live."
    rm -f "$private/directory"
  fi
  sync -f "${target%/*}"
  rm -f "$private/converting"
  say repaired "$target"
}

# Copy preserved paths of the outgoing tree $1 to the incoming tree $2, and remove those that the outgoing one lacks.
# Sets carried=yes when something was different (the result has then not been validated yet).
carry_preserved() {
  carried=no
  [ -n "$preserve" ] || return 0
  [ "$(preserved "$1")" != "$(preserved "$2")" ] || return 0
  [ "$(preserved "$1" | sort)" != "$(preserved "$2" | sort)" ] || return 0
  carried=yes
  crossed=$( (cd "$1" && find . -type d -print0 && cd "$2" && find . -type l -print0) | sort -z | uniq -zd | tr '\n\0' '?\n' | head -n 20)
  if [ -n "$crossed" ] && [ -n "$(cd "$2" && (cd "$1" && find . -regextype posix-extended ! -type d -regex "$preserve" -print0) |
    while_through "$crossed")" ]; then
    fail 67 "A preserved path would be written through a symbolic link of the release; change target.preserve or the release." "$crossed"
  fi
  (cd "$2" && find . -mindepth 1 -regextype posix-extended ! -type d -regex "$preserve" -exec rm -f -- {} +) &&
    (cd "$1" && find . -mindepth 1 -regextype posix-extended \( ! -type d -o -type d -empty \) -regex "$preserve" \
      -exec cp -a --no-preserve=links --parents -t "$2" -- {} +) || cannot_write "$private" "Preserved paths could not be copied."
}

# Those of the NUL-ended paths on standard input that lie below one of the directories $1 (lines).
while_through() {
  tr '\n\0' '?\n' | while IFS= read -r path; do
    old_ifs=$IFS
    IFS=$nl
    set -f
    for directory in $1; do
      case $path in "$directory"/*) printf '%s\n' "$path" ;; esac
    done
    IFS=$old_ifs
  done
}

# What tells the preserved files of directory $1 from others, in the order in which it lists them. No path holds "//".
preserved() {
  cd "$1" && find . -mindepth 1 -regextype posix-extended -regex "$preserve" \( ! -type d -o -type d -empty \) -printf '%P//%y %s %T@ %m %U:%G %l//\n'
}

# ---------------------------------------------------------------------------------------------------- validation

# What runs inside the private namespaces. The whole machine is seen through overlays whose upper layers live in one tmpfs, so the validator may
# create, chown and append wherever its configuration says, and nothing of it remains. The target is made what it will be after the switch:
# a link to STATE/live, and that a link to the release. Big logs are masked: an overlay copies a file whole when it is appended to.
# shellcheck disable=SC2016 # it is a program for another shell
inside='
set -u
work=$1 target=$2 state=$3 release=$4 masks=$5
shift 5
cannot() { printf "deployer-cannot: %s\n" "$1"; exit 1; }
mount -n -t tmpfs -o size=256m,mode=0711 deployer "$work" || cannot "a tmpfs cannot be mounted"
root=$work/root
set -f
table="deployer $root overlay lowerdir=/,upperdir=$work/u0,workdir=$work/w0 0 0
"
binds="" dirs="$root $work/u0 $work/w0" seen=" " count=0
while read -r _ _ _ _ at _ rest; do
  rest=${rest#*- }
  case $at in / | /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | "$work"*) continue ;; esac
  case $seen in *" $at "*) continue ;; esac
  seen="$seen$at "
  case ${rest%% *} in autofs | nsfs | proc | sysfs) continue ;; esac
  count=$((count + 1))
  [ "$count" -le 400 ] || cannot "there are too many mounts"
  case $at in *[,:\\]*) plain=yes ;; *) plain=no; [ -d "$at" ] || plain=yes ;; esac
  if [ $plain = yes ]; then
    binds="$binds$at $root$at none bind,ro 0 0
"
  else
    dirs="$dirs $work/u$count $work/w$count"
    binds="$binds""deployer $root$at overlay lowerdir=$at,upperdir=$work/u$count,workdir=$work/w$count 0 0
"
  fi
done </proc/self/mountinfo
for at in /proc /sys /dev; do binds="$binds$at $root$at none rbind 0 0
"; done
IFS="
"
for at in $masks; do
  case $at in *[!A-Za-z0-9_./@+=-]*) continue ;; esac
  binds="$binds$work/empty $root$at none bind 0 0
"
done
unset IFS
mkdir $dirs || cannot "the tmpfs cannot be written"
: >"$work/empty"
printf "%s%s" "$table" "$binds" >"$work/fstab"
if ! mount -n -a -T "$work/fstab" 2>"$work/errors"; then
  grep -q " $root " /proc/self/mountinfo || { printf "%s" "$table" >"$work/fstab"; mount -n -a -T "$work/fstab"; } ||
    cannot "an overlay over / cannot be mounted"
  # Some mount takes no overlay (a network file system, say): read-only, then.
  printf "%s" "$binds" | while read -r what at kind options _; do
    grep -q " $at " /proc/self/mountinfo && continue
    if [ "$kind" = overlay ]; then
      mount -n -t overlay -o "$options" "$what" "$at" && continue
      what=${at#"$root"} options=rbind,ro
    fi
    mount -n --bind -o "$options" "$what" "$at" || exit 1
  done 2>>"$work/errors" || { read -r line <"$work/errors"; cannot "$line"; }
fi
if [ ! -L "$root$target" ]; then
  rm -rf "$root$target" && ln -s "$state/live" "$root$target" || cannot "$target cannot be replaced in the overlay"
fi
ln -sfn "$release" "$root$state/live" || cannot "$state/live cannot be replaced in the overlay"
printf "deployer-ready\n"
exec chroot "$root" "$@"
'

# Runs the validator with the directory $1 (below STATE) standing at the target. Returns 0, 65, or 67; sets output.
run_validator() {
  output=''
  [ -n "$binary" ] || { output="${argv%%"$nl"*} is not on this host"; return 67; }
  for word in unshare mount chroot timeout; do
    command -v "$word" >/dev/null || { output="$word is not on this host (util-linux, coreutils)"; return 67; }
  done
  masks=''
  if [ "$program" = nginx ]; then
    # What the running nginx writes to, if it is big.
    pid_named=''
    [ ! -f "$pid_path" ] || { read -r pid_named <"$pid_path"; } 2>/dev/null
    is_digits "$pid_named" || pid_named=self
    masks=$(find -L "/proc/$pid_named/fd" /var/log/nginx -maxdepth 1 -type f -size +64k -exec readlink -f -- {} + 2>/dev/null)
  fi
  old_ifs=$IFS
  IFS=$nl
  set -f
  # shellcheck disable=SC2086 # argv, one word a line
  set -- "$private/test" "$target" "$state" "$1" "$masks" $argv
  set +f
  IFS=$old_ifs
  # KILL: unshare ignores TERM while it waits, and takes its child with it.
  output=$({ timeout -s KILL "$test_limit_s" unshare -m -p -f --kill-child=KILL --mount-proc --propagation private sh -c "$inside" deployer-test "$@" \
    </dev/null 2>&1 9>&- 8>&- 7>&-; printf '\ndeployer-exit %s' "$?"; } | tail -c 65536)
  code=${output##*deployer-exit }
  output=${output%"${nl}deployer-exit $code"}
  output=${output%"$nl"}
  case $output in
    'deployer-ready'*)
      output=${output#deployer-ready}
      output=${output#"$nl"}
      ;;
    *deployer-ready"$nl"*) output=${output#*deployer-ready"$nl"} ;;
    *'deployer-cannot: '*)
      output="the private file system for the test could not be made: ${output##*deployer-cannot: }"
      return 67
      ;;
    *)
      if [ "$code" = 137 ]; then output="setting up the test took longer than $test_limit_s s"; else output="the private namespaces for the test could not be made: ${output%%"$nl"*}"; fi
      return 67
      ;;
  esac
  case $output in
    *': configuration file '*' test is successful')
      # nginx's two lines of good news are no warnings.
      output=${output%nginx: configuration file *}
      output=${output%nginx: the configuration file * syntax is ok"$nl"}
      ;;
  esac
  case $code in
    0) return 0 ;;
    137) output="$output${nl}the validator was stopped after $test_limit_s s" ;;
    *)
      case $output in
        *'(28: No space left on device)'*)
          output="the test ran out of its 256 MB of scratch space$nl$output"
          return 67
          ;;
        *'(30: Read-only file system)'*)
          output="it writes to a file system over which no overlay can be mounted: $output"
          return 67
          ;;
      esac
      ;;
  esac
  return 65
}

# Fails unless the release $1 validates at the target.
validate_release() {
  run_validator "releases/$1"
  case $? in
    0) { printf '%s\n' "$deployment" >"$meta/$1/valid"; } 2>/dev/null ;; # a full disk must not stop a way back
    65) fail 65 "${argv%%"$nl"*} refuses the configuration of release $1 on this host; nothing was changed." "$output" ;;
    *) fail 67 "Release $1 cannot be tested on this host: ${output%%"$nl"*}. Nothing was changed." ;;
  esac
}

# ---------------------------------------------------------------------------------------------------- memory

# Sets descriptor to the number under which process $1 holds file $2; a descriptor that is likely is tried first.
descriptor_of() {
  if [ -n "$3" ] && [ "/proc/$1/fd/$3" -ef "$2" ]; then
    descriptor=$3
    return 0
  fi
  for path in "/proc/$1/fd"/*; do
    [ "$path" -ef "$2" ] || continue
    descriptor=${path##*/}
    return 0
  done
  return 1
}

# Whether the master and all serving workers hold the identity of release $1.
all_hold() {
  [ -e "$state/id/$1" ] && [ "$serving_count" -gt 0 ] && descriptor_of "$master" "$state/id/$1" "" || return 1
  for pair in $serving; do
    descriptor_of "${pair%%:*}" "$state/id/$1" "$descriptor" || return 1
  done
}

# Sets held: the ids that the master or any worker holds. Not for the busy path.
read_held() {
  held=''
  for identity_file in "$state"/id/*; do
    [ -e "$identity_file" ] || continue
    for pair in "$master" $serving; do
      descriptor_of "${pair%%:*}" "$identity_file" "" || continue
      held="$held${identity_file##*/} "
      break
    done
  done
}

# Sets memory and memory_note. $1: yes when the disk was hashed and is the live release, no when it differs, empty: not known.
read_memory() {
  memory='' memory_note=''
  if [ "$program" != nginx ]; then
    memory_note="what another program than nginx holds in memory cannot be proved"
  elif [ -z "$master" ]; then
    memory_note="${nginx_problem:-nginx does not run}"
  elif [ "$serving_count" -eq 0 ]; then
    memory_note="the master (pid $master) has no worker that serves"
  elif [ -n "$live" ] && all_hold "$live"; then
    memory=$live memory_note="held open by the master and $serving_count worker(s)"
  else
    read_held
    if [ -z "$held" ]; then
      prove_by_time "$1"
    else
      for word in $held; do
        if all_hold "$word"; then
          memory=$word memory_note="held open by the master and $serving_count worker(s)"
        fi
      done
      [ -n "$memory" ] || memory_note="master and workers do not hold the same release ($held)"
    fi
  fi
}

# Nothing that runs names a release. What was last proved still holds if every worker is older than that proof, or if the same bytes
# still stand on disk, whatever was loaded since.
prove_by_time() {
  proved='' proved_boot='' proved_at=0
  { read -r proved proved_boot _ proved_at <"$private/loaded"; } 2>/dev/null
  if [ -z "$proved" ]; then
    memory_note="no release of deployer was ever loaded here"
    return
  fi
  if [ -f "$releases/$proved/${main:-.}" ] && [ -e "$state/id/$proved" ]; then
    memory_note="no process holds the identity of $proved any more"
    return
  fi
  [ -n "$boot" ] || read_boot
  younger=no
  for pair in "$master:$master_start" $serving; do
    [ "${pair##*:}" -le "$proved_at" ] || younger=yes
  done
  if [ "$younger" = no ] && [ "$proved_boot" = "$boot" ]; then
    memory=$proved memory_note="by time: master and workers are older than the last proof"
  elif [ "$live" = "$proved" ] && [ "$1" = yes ]; then
    memory=$proved memory_note="by time: the same bytes have stood on disk since it was last loaded"
  else
    memory_note="no worker names a release, and they started after $proved was last proved"
  fi
}

# Remember that release $1 was seen in memory now.
write_loaded() {
  [ "$program" = nginx ] || return 0
  read_uptime
  [ -n "$boot" ] || read_boot
  printf '%s %s %s %s\n' "$1" "$boot" "${master:-0}" "$uptime_cs" >"$private/loaded" 2>/dev/null
}

# ---------------------------------------------------------------------------------------------------- reload and verdict

# The unit that the master runs in: sets unit, empty when systemd does not keep it.
read_unit() {
  unit=''
  [ -d /run/systemd/system ] && [ -n "$master" ] || return 0
  while read -r line; do
    case $line in *.service) unit=${line##*/} ;; esac
  done <"/proc/$master/cgroup"
  # Started by hand it lives in the unit of whoever did (sshd's, say).
  case $unit in *[!A-Za-z0-9_.@:-]*) unit='' ;; *nginx* | *openresty*) ;; *) unit='' ;; esac
}

# Tells the program to load what stands at the target. Returns non-zero when it could not even be told.
send_reload() {
  output=''
  if [ -n "$reload" ]; then
    old_ifs=$IFS
    IFS=$nl
    set -f
    # shellcheck disable=SC2086 # argv, one word a line
    set -- $reload
    set +f
    IFS=$old_ifs
    output=$(timeout -s KILL "$start_limit_s" "$@" </dev/null 2>&1 9>&- 8>&- 7>&-)
  else
    read_unit
    if [ -n "$unit" ]; then
      output=$(timeout -s KILL "$start_limit_s" systemctl reload "$unit" </dev/null 2>&1 9>&- 8>&- 7>&-)
    else
      kill -HUP "$master"
    fi
  fi
}

# Opens the logs in which the master says no: descriptor 7 the identity file of release $1, 8 what the old configuration logs to.
open_logs() {
  has_7=no has_8=no
  if [ -f "$state/id/$1" ]; then
    exec 7<"$state/id/$1"
    has_7=yes
  fi
  old_log="/proc/$master/fd/2"
  [ -z "$memory" ] || [ "$memory" = "$1" ] || [ ! -f "$state/id/$memory" ] || old_log=$state/id/$memory
  if [ -f "$old_log" ] && [ -r "$old_log" ]; then
    exec 8<"$old_log"
    has_8=yes
  fi
  # Reading starts at the end of what is there now. tail leaves the shared offset there without reading the file.
  [ "$has_8" = no ] || tail -c 1 <&8 >/dev/null
  if [ "$has_7" = yes ] && [ -s "$state/id/$1" ]; then tail -c 1 <&7 >/dev/null; fi
}

# Reads what the logs gained. Sets refused=yes when the master gave up.
read_logs() {
  if [ "$has_7" = yes ]; then
    while IFS= read -r line <&7; do judge_line; done
  fi
  if [ "$has_8" = yes ]; then
    while IFS= read -r line <&8; do judge_line; done
  fi
}

judge_line() {
  case $line in
    *"[emerg] $master#"*)
      # Both logs may be the same one, or say the same.
      case $nl$reasons in *"$nl$line$nl"*) ;; *) [ "${#reasons}" -gt 20000 ] || reasons=$reasons$line$nl ;; esac
      # A port in use is tried five times; only then does the master say that it could not.
      case $line in *'(98: '*) ;; *) refused=yes ;; esac
      ;;
  esac
}

# Reload, and wait until it is known what master and workers hold. Returns 0 (proved to be release $1) or 1 (reasons says why not).
load_release() {
  reasons='' refused=no verdict='' none_since=''
  old=" $serving"
  open_logs "$1"
  identity=no
  has_identity "$1" && identity=yes
  read_uptime
  began_cs=$uptime_cs
  send_reload || {
    reasons="the reload command failed$nl$output"
    [ "$program" = nginx ] || return 1
    refused=yes
  }
  if [ "$program" != nginx ]; then
    proof="the reload command succeeded; what is in memory cannot be proved"
    return 0
  fi
  pause=0.04
  while :; do
    sleep "$pause" 9>&-
    # Titles and descriptors are read only once there is a worker that was not there before.
    { read -r children <"/proc/$master/task/$master/children"; } 2>/dev/null
    for child in $children; do
      case $old in *" $child:"*) continue ;; esac
      read_workers
      if all_new; then
        if [ "$identity" = yes ]; then
          if all_hold "$1"; then verdict='held'; fi
        elif none_hold; then
          verdict='time'
        fi
      fi
      break
    done
    [ -n "$children" ] || serving_count=0
    [ -z "$verdict" ] || break
    read_logs
    [ "$refused" = no ] || break
    if ! title_of "$master"; then
      reasons="${reasons}the master (pid $master) is gone$nl"
      break
    fi
    read_uptime
    waited=$((uptime_cs - began_cs))
    if [ "$serving_count" -eq 0 ]; then
      none_since=${none_since:-$waited}
      if [ $((waited - none_since)) -gt 200 ]; then
        reasons="${reasons}the master has had no worker for 2 s: they die at once$nl"
        break
      fi
    else
      none_since=''
    fi
    if [ "$waited" -gt $((reload_limit_s * 100)) ]; then
      reasons="${reasons}master and workers did not take it up within $reload_limit_s s$nl"
      break
    fi
    [ "$waited" -lt 50 ] || pause=0.1
  done
  read_uptime
  seconds=$((uptime_cs - began_cs))
  exec 7<&- 8<&-
  case $verdict in
    held) proof="the master and $serving_count new worker(s) hold the identity of $1" ;;
    time) proof="by time: $serving_count new worker(s) started after the switch and none holds another release" ;;
    *) return 1 ;;
  esac
}

# Whether every serving worker started after the signal, and there is one.
all_new() {
  [ "$serving_count" -gt 0 ] || return 1
  for pair in $serving; do
    case $old in *" $pair "*) return 1 ;; esac
  done
}

none_hold() {
  read_held
  [ -z "$held" ]
}

# Whether the main file of release $1 names its identity.
has_identity() { [ -n "$main" ] && [ -f "$state/id/$1" ] && [ -f "$releases/$1/$main" ]; }

# Start an nginx that is dead. Returns non-zero with reasons.
start_nginx() {
  reasons=''
  read_uptime
  began_cs=$uptime_cs
  rm -f "$private/start.log"
  if [ -d /run/systemd/system ] && systemctl cat "${binary##*/}.service" >/dev/null 2>&1 9>&-; then
    systemctl reset-failed "${binary##*/}.service" >/dev/null 2>&1 9>&-
    timeout -s KILL "$start_limit_s" systemctl start "${binary##*/}.service" </dev/null >"$private/start.log" 2>&1 9>&-
  else
    set -- "$binary"
    [ -z "$main" ] || set -- "$binary" -c "$conf"
    timeout -s KILL "$start_limit_s" "$@" </dev/null >"$private/start.log" 2>&1 9>&-
  fi
  started_rc=$?
  identity=no
  has_identity "$1" && identity=yes
  tries=0
  while [ "$started_rc" -eq 0 ] && [ "$tries" -lt 100 ]; do
    find_master
    if [ -n "$master" ] && [ "$serving_count" -gt 0 ]; then
      if [ "$identity" = no ] || all_hold "$1"; then
        proof="nginx was started; its master and $serving_count worker(s) read $1"
        read_uptime
        seconds=$((uptime_cs - began_cs))
        return 0
      fi
    fi
    tries=$((tries + 1))
    sleep 0.05 9>&-
  done
  reasons="nginx could not be started$nl$(tail -c 4096 "$private/start.log" 2>/dev/null)"
  read_uptime
  seconds=$((uptime_cs - began_cs))
  return 1
}

say_seconds() {
  fraction=$((seconds % 100))
  case $fraction in ?) fraction=0$fraction ;; esac
  say seconds "$((seconds / 100)).$fraction"
}

# What activate and restore share, once the release is known to be intact and valid: the switch and its proof.
switch_to() {
  if [ "$kind" = directory ]; then
    point_live "$1"
    convert
  else
    point_live "$1"
  fi
  kind='link'
}

write_last() {
  printf '%s\n%s\n%s\n' "$deployment" "$1" "$2" >"$private/last.new" && mv -f "$private/last.new" "$private/last" ||
    cannot_write "$private"
}

need_target() {
  read_live || {
    case $kind in
      absent) fail 67 "$target is not there; install the program that it configures first." ;;
      foreign) fail 67 "$target is a symbolic link or a file that is not deployer's; make it a plain directory first." ;;
      *) fail 67 "$target is not adopted yet; adopt it first." ;;
    esac
  }
}

need_no_mount() {
  if [ "$kind" = directory ] && grep -q " $target " /proc/self/mountinfo; then
    fail 67 "$target is a mount point and cannot become a symbolic link; unmount it, or make a directory below it the target."
  fi
}

# ---------------------------------------------------------------------------------------------------- verbs that only look

do_observe() {
  read_clock
  read_uptime
  read_boot
  load_program
  baseline=''
  read_live
  say user "${SUDO_USER:-root}"
  if [ -n "${BASH_VERSION-}" ]; then say shell bash
  elif [ "/proc/$$/exe" -ef /bin/dash ]; then say shell dash
  elif [ "/proc/$$/exe" -ef /bin/busybox ]; then say shell busybox
  else say shell sh; fi
  if [ -d /run/systemd/system ]; then say systemd yes; else say systemd no; fi
  say clock "$clock"
  say uptime "$uptime"
  say boot "$boot"
  say program "$program"
  if [ -n "$binary" ]; then
    say validator "${version:-${binary##*/}}"
  else
    say problem "${argv%%"$nl"*} is not on this host (not in $PATH); install it."
  fi
  [ -z "$main" ] || say main "$main"
  if [ "$program" = nginx ]; then say pid_path "$pid_path"; fi
  find_master
  [ -z "$master" ] || say master "$master"
  say workers "$serving_count"
  say orphans "$orphans"
  say oldbin "$oldbin"
  say running "$running"
  [ -z "$nginx_problem" ] || say problem "$nginx_problem"
  if [ "$program" = other ] && [ -z "$reload" ]; then
    say problem "The playbook's reload is auto, but ${argv%%"$nl"*} is not nginx; give the reload command as a list."
  fi
  # Free space is that of the nearest directory that is there.
  place=$state
  while [ ! -d "$place" ]; do place=${place%/*}/; place=${place%/}; [ -n "$place" ] || place=/; done
  if is_full "$place" 10240; then say problem "Less than 10 MB are free on the file system of $state."; fi
  say free_kb "${free_kb:-0}"
  if [ "$kind" = directory ] && grep -q " $target " /proc/self/mountinfo; then
    kind=mount
    say problem "$target is a mount point and cannot become a symbolic link; unmount it, or make a directory below it the target."
  fi
  for word in unshare flock mount sha256sum find sort sed tar timeout; do
    command -v "$word" >/dev/null 2>&1 || say problem "$word is not on this host; install it (coreutils, findutils, tar, util-linux)."
  done
  say target_kind "$kind"
  [ ! -f "$private/converting" ] || say problem "The switch of $target to a symbolic link was interrupted; the next deployment or rollback finishes it."
  if [ -n "$baseline" ]; then say adopted yes; else say adopted no; fi
  [ -z "$baseline" ] || say baseline "$baseline"
  [ -z "$live" ] || say live "$live"
  same=''
  if [ "$hash" != no ] && [ -d "$target" ]; then
    if [ -n "$live" ] && is_intact "$target" "$live"; then
      same=yes
      say disk_hash "$recorded"
      say drifted no
    else
      hash_tree "$target"
      say disk_hash "$hashed"
      if [ -n "$live" ]; then
        same=no
        say drifted yes
        say_lines drift "$(differences "$target" "$live")"
      else
        say drifted no
      fi
    fi
  fi
  read_memory "$same"
  say memory "$memory"
  say memory_note "$memory_note"
  promoted=no
  if [ -f "$private/good" ]; then
    while read -r good_id good_deployment good_time; do
      say good "$good_id $good_deployment $good_time"
      [ "$good_id" != "$live" ] || promoted=yes
    done <"$private/good"
  fi
  say promoted "$promoted"
  for directory in "$releases"/*/; do
    directory=${directory%/}
    [ ! -f "$meta/${directory##*/}/hash" ] || say release "${directory##*/}"
  done
  if [ -f "$private/checks" ]; then
    while read -r line; do say check "$line"; done <"$private/checks"
  fi
  read_owner
  say owner "$owner"
  say epoch "$owner_epoch"
  [ -z "$owner" ] || { say owner_controller "$owner_controller"; say owner_silent "$silent"; }
  if [ -f "$private/last" ]; then
    { IFS= read -r last_deployment && IFS= read -r last_target && IFS= read -r last_from; } <"$private/last"
    say last_deployment "${last_deployment-}"
    say last_target "${last_target-}"
    say last_from "${last_from-}"
  fi
  if [ -n "$master" ] && [ "$survey" != no ]; then
    say_listening
    say_names
  fi
}

# The addresses that the master listens on: of all that listens here, what is among its own sockets.
say_listening() {
  sockets=$(readlink "/proc/$master/fd"/* 2>/dev/null)
  if command -v ss >/dev/null && [ "/proc/$master/ns/net" -ef /proc/self/ns/net ]; then
    # State, queues, local address, peer, and then "ino:N" among others.
    listening=$(ss -Hltne 2>/dev/null)
    old_ifs=$IFS
    IFS=$nl
    set -f
    for entry in $listening; do
      IFS=$old_ifs
      inode=${entry#*ino:}
      case $sockets in *"socket:[${inode%% *}]"*) ;; *) continue ;; esac
      # shellcheck disable=SC2086 # fields
      set -- $entry
      port=${4##*:} address=${4%:*}
      address=${address%%%*}
      case $address in '*') address='[::]' ;; '['*[!]]) address=$address']' ;; esac
      say listen "$address:$port"
    done
    set +f
    IFS=$old_ifs
    return 0
  fi
  # The kernel walks all its connections to print these two: up to 10 ms each on a large machine.
  listening=$(sed -n 's/^ *[0-9]*: \([0-9A-F]*\):\([0-9A-F]\{4\}\) 0*:0000 0A [^ ]* [^ ]* [^ ]* *[0-9]* *[0-9]* \([0-9]*\) .*/\1 \2 \3/p' "/proc/$master/net/tcp" "/proc/$master/net/tcp6" 2>/dev/null)
  old_ifs=$IFS
  IFS=$nl
  for entry in $listening; do
    IFS=$old_ifs
    # shellcheck disable=SC2086 # fields
    set -- $entry
    case $sockets in *"socket:[$3]"*) ;; *) continue ;; esac
    hex_address "$1"
    say listen "$address:$((0x$2))"
  done
  IFS=$old_ifs
}

# The kernel prints addresses as 32-bit words in the machine's byte order (little-endian wherever this was tried).
hex_address() {
  hex=$1
  case $hex in
    00000000000000000000000000000000) address='[::]' ;;
    0000000000000000FFFF0000*) hex=${hex#0000000000000000FFFF0000} ;;
    00000000000000000000000001000000) address='[::1]' ;;
    ????????????????????????????????)
      address=''
      while [ -n "$hex" ]; do
        word=${hex%"${hex#????????}"}
        hex=${hex#????????}
        swap_word "$word"
        address=$address${address:+:}$(printf '%x:%x' "$((0x$a$b))" "$((0x$c$d))")
      done
      address="[$address]"
      ;;
  esac
  case $hex in
    ????????)
      swap_word "$hex"
      address=$((0x$a)).$((0x$b)).$((0x$c)).$((0x$d))
      ;;
  esac
}

swap_word() {
  a=${1#??????} b=${1#????} b=${b%??} c=${1#??} c=${c%????} d=${1%??????}
}

# Server names in the files that stand at the target; wildcards and expressions too, the caller chooses.
say_names() {
  names=' ' count=0
  set -f
  # shellcheck disable=SC2013 # words on purpose
  for word in $(grep -rhoE --binary-files=text '(^|[;{])[[:space:]]*server_name[[:space:]][^;#]*' "$target/" 2>/dev/null); do
    case $word in *[![:print:]]* | *=* | ';'* | '{'* | server_name) continue ;; esac
    case $names in *" $word "*) continue ;; esac
    names="$names$word "
    count=$((count + 1))
    [ "$count" -le 500 ] || break
    say server_name "$word"
  done
  set +f
}

# Sets source to the directory that the header names: a release, or what stands.
read_source() {
  load_program
  source=$target
  if [ -n "$release" ]; then
    source=$releases/$release
    [ -d "$source" ] || fail 67 "Release $release is not in $releases any more; deploy its revision again (deploy --rev)."
  else
    [ -d "$target" ] || fail 67 "$target is not there."
  fi
}

# Scratch space of verbs that may run before anything of ours is on the host.
make_scratch() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/deployer.XXXXXXXXXX") || fail 67 "No temporary directory can be made in /tmp."
}

say_file() {
  size=$(wc -c <"$1")
  say bytes "${size##* }"
  cat "$1"
}

do_manifest() {
  read_source
  # Of a release what was recorded when it was made: its files may have been edited since, through the live link.
  if [ -n "$release" ] && [ -f "$meta/$release/manifest" ]; then
    say_file "$meta/$release/manifest"
    return
  fi
  make_scratch
  (manifest_of "$source") >"$scratch/manifest" || fail 70 "The manifest of $source could not be made."
  say_file "$scratch/manifest"
}

do_fetch() {
  read_source
  make_scratch
  limit=${limit:-16777216}
  head -c 1048576 >"$scratch/asked"
  (cd "$source" && find . -mindepth 1 ! -type d -printf '%P\0') | sort -z >"$scratch/there"
  sort -zu "$scratch/asked" | comm -z -12 - "$scratch/there" >"$scratch/found"
  # As many as fit. A newline in a name is kept as \001 while the shell reads.
  (cd "$source" && xargs -0 -r stat --printf '%s %n\0' -- <"$scratch/found") | tr '\n\0' '\001\n' | while IFS= read -r line; do
    limit=$((limit - ${line%% *}))
    [ "$limit" -ge 0 ] || break
    printf '%s\n' "${line#* }"
  done | tr '\001\n' '\n\0' >"$scratch/list"
  # The main file goes without its identity line, as manifests leave it out.
  if [ -n "$main" ] && [ -f "$source/$main" ] && [ ! -L "$source/$main" ] && grep -zqxF -- "$main" "$scratch/list"; then
    grep -zvxF -- "$main" "$scratch/list" >"$scratch/rest"
    mkdir -p "$scratch/main/${main%"${main##*/}"}"
    cp -p "$source/$main" "$scratch/main/$main"
    sed -z "$strip" "$source/$main" >"$scratch/stripped" && cat "$scratch/stripped" >"$scratch/main/$main"
    tar -c -f "$scratch/tar" --no-recursion --null --verbatim-files-from -C "$source" -T "$scratch/rest" -C "$scratch/main" "./$main"
  else
    tar -c -f "$scratch/tar" --no-recursion --null --verbatim-files-from -C "$source" -T "$scratch/list"
  fi || fail 70 "The files could not be read."
  say_file "$scratch/tar"
}

do_log() {
  [ ! -f "$private/log" ] || tail -n "${lines:-100}" "$private/log" | sed 's/^/log=/'
}

# ---------------------------------------------------------------------------------------------------- install, begin, release

do_install() {
  [ -n "$sha256" ] || usage "sha256 is wanted"
  umask 022
  mkdir -p "$base" 2>/dev/null || fail 67 "$base cannot be made (is the file system read-only, or full?)."
  chmod 0711 "$base" 2>/dev/null || cannot_write "$base"
  incoming=$base/.agent.$$
  { head -c 1048576 >"$incoming"; } 2>/dev/null || cannot_write "$base"
  digest=$(sha256sum <"$incoming")
  [ "${digest%% *}" = "$sha256" ] || fail 70 "The agent arrived incomplete (its hash differs); try again."
  chmod 0755 "$incoming" && sync "$incoming" && mv -f "$incoming" "$base/agent.sh" || cannot_write "$base"
  incoming=''
}

do_begin() {
  [ -n "$deployment" ] || usage "deployment is wanted"
  load_program
  [ -n "$binary" ] || fail 67 "${argv%%"$nl"*} is not on this host (not in $PATH); install it."
  [ "$program" = nginx ] || [ -n "$reload" ] || fail 67 "The playbook's reload is auto, but ${argv%%"$nl"*} is not nginx; give the reload command as a list."
  check_targets
  make_state
  take_lock
  read_owner
  if [ -n "$owner" ] && [ "$owner" != "$deployment" ] && [ "$preempt" != yes ] && [ "$silent" -lt "$owner_silent_s" ]; then
    busy "Deployment $owner of ${owner_controller:-somebody} owns this host and was heard $silent s ago; wait for it, or roll back, which pre-empts it."
  fi
  if [ "$owner" != "$deployment" ]; then
    owner_epoch=$((owner_epoch + 1))
    write_owner "$owner_epoch" "$deployment" "$controller"
  fi
  epoch=$owner_epoch owner=$deployment
  make_store
  read_clock
  hear
  [ "$recalled" = yes ] || remember_program
  logging=yes
  repair
  say epoch "$epoch"
  note ok
}

do_release() {
  [ -n "$deployment" ] || usage "deployment is wanted"
  load_program
  [ -d "$instance" ] || return 0
  take_lock
  logging=yes
  read_owner
  if [ "$owner" = "$deployment" ] && { [ -z "$epoch" ] || [ "$owner_epoch" = "$epoch" ]; }; then
    write_owner "$owner_epoch" "" ""
    note ok
  fi
}

# ---------------------------------------------------------------------------------------------------- adopt, freeze

# A copy of directory $1 as a new release $2-HASH12: sets copied (its id) and hashed. $3: yes to give it an identity of its own.
copy_tree() {
  work=$private/incoming/$2
  rm -rf "$work"
  mkdir -p "$work/meta" || cannot_write "$private"
  odd=$(find "$1/." ! -type f ! -type d ! -type l -printf '%P\0' | tr '\n\0' '?\n' | head -n 20)
  [ -z "$odd" ] || fail 67 "$target holds sockets, pipes or devices, which cannot be released; move them elsewhere." "$odd"
  errors=$(cp -a --no-preserve=links --reflink=auto "$1/." "$work/tree" 2>&1) || cannot_write "$private" "$errors"
  hash_tree "$work/tree"
  copied=$2-${hashed%"${hashed#????????????}"}
  hash_tree "$1"
  [ "$copied" = "$2-${hashed%"${hashed#????????????}"}" ] || fail 66 "$target changed while it was copied; somebody is working there. Try again."
  check_main "$work/tree"
  if [ "$3" = yes ]; then add_identity "$copied"; else split_main; fi
  record_tree
}

# Write down what stands in $work/tree: meta/raw as it is, meta/manifest without the identity line. Sets hashed.
record_tree() {
  (cd "$work/tree" && scan ../climbing) >"$work/meta/raw" && canonical "$main_digest" "$work/meta/raw" >"$work/meta/manifest" || cannot_write "$private"
  hashed=$(sha256sum "$work/meta/manifest" "$work/meta/raw")
  ordered=${hashed#*"$nl"}
  ordered=${ordered%% *} hashed=${hashed%% *}
}

# Make a release $1 of $work/tree; it is complete when its hash is recorded beside it. $2: lines that are remembered of it.
keep_tree() {
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
split_main() {
  main_digest=''
  [ -n "$main" ] && [ -f "$work/tree/$main" ] && [ ! -L "$work/tree/$main" ] || return 1
  # One pass for both: the file without its identity line, and its statements.
  statements=$(sed -z -n "$strip${nl}w $work/main$nl$outline;p" "$work/tree/$main") && [ -e "$work/main" ] || cannot_write "$private"
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
  if [ -s "$work/main" ]; then
    sed -z "s|\\n\$|&$identity_line # deployer identity\\n|;t;s|\$|\\n$identity_line # deployer identity, no newline before\\n|" "$work/main" >"$work/tree/$main"
  else
    printf '\n%s # deployer identity, no newline before\n' "$identity_line" >"$work/tree/$main"
  fi || cannot_write "$private"
  true >>"$state/id/$1" || cannot_write "$state"
}

do_adopt() {
  need_ownership
  baseline=''
  read_live
  if [ -n "$baseline" ]; then
    register_target
    say baseline "$baseline"
    return 0
  fi
  case $kind in
    directory) ;;
    absent) fail 67 "$target is not there; install the program that it configures first." ;;
    link) fail 67 "$target is already a link into $state, but the baseline there is lost; make it a plain directory again and adopt anew." ;;
    *) fail 67 "$target is a symbolic link or a file that is not deployer's; make it a plain directory first." ;;
  esac
  need_no_mount
  check_targets
  find_master
  [ -z "$nginx_problem" ] || fail 67 "$nginx_problem"
  if [ -n "$serving" ] && [ "$accept_unproven" != yes ]; then check_age; fi
  copy_tree "$target" baseline no
  if [ "$accept_unproven" != yes ]; then
    run_validator "private/incoming/baseline/tree"
    case $? in
      0) ;;
      65) fail 65 "${argv%%"$nl"*} refuses what is live in $target now, as it would stand in $state; repair it, or adopt with --accept-unproven." "$output" ;;
      *) fail 67 "What is live in $target cannot be tested on this host: ${output%%"$nl"*}." ;;
    esac
  fi
  register_target
  keep_tree "$copied" "deployment=$deployment${nl}kind=baseline"
  read_time
  printf '%s\n' "$copied" >"$private/directory"
  write_loaded "$copied"
  point_live "$copied"
  replace_file "$private/good" "$copied $deployment ${clock%.*}$nl" && replace_file "$private/baseline" "$copied$nl" || cannot_write "$private"
  sync -f "$state"
  say baseline "$copied"
  note "ok $copied"
}

# Refuses when something in the live tree is newer than the workers: what they hold would not be what is copied.
check_age() {
  oldest=''
  # A younger worker may be a respawn; the oldest one started at the load.
  for pair in $serving; do
    [ -n "$oldest" ] && [ "$oldest" -le "${pair##*:}" ] || oldest=${pair##*:}
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
  set -- -regextype posix-extended
  [ -z "$preserve" ] || set -- "$@" ! -regex "$preserve"
  at="@${then_cs%??}.${then_cs#"${then_cs%??}"}"
  newer=$(cd "$target" && find . "$@" \( -newermt "$at" -o -type f -newerct "$at" \) -printf '%P\0' | tr '\n\0' '?\n' | head -n 20)
  [ -z "$newer" ] ||
    fail 68 "Something in $target is newer than the running nginx workers, so what is in memory is not proved; reload nginx, or adopt with --accept-unproven." "$newer"
}

do_freeze() {
  need_ownership
  need_target
  is_intact "$target" "$live" && {
    say frozen "$live"
    say changed no
    return 0
  }
  if [ "$kind" = directory ]; then copy_tree "$target" drift no; else copy_tree "$target" drift yes; fi
  if [ "$fix_forward" != yes ]; then
    run_validator "private/incoming/drift/tree"
    case $? in
      0) ;;
      65) fail 65 "${argv%%"$nl"*} refuses what somebody wrote into $target, so there would be nothing to go back to; repair it or roll back first, or deploy with --fix-forward." "$output" ;;
      *) fail 67 "What is live in $target cannot be tested on this host: ${output%%"$nl"*}." ;;
    esac
  fi
  keep_tree "$copied" "deployment=$deployment${nl}kind=drift"
  [ "$kind" != directory ] || replace_file "$private/directory" "$copied$nl" || cannot_write "$private"
  edited=$live
  point_live "$copied"
  # It was live, so it is what to go back to. The release that was written into is nobody's any more; its identity
  # file stays, for nginx holds it open.
  read_time
  goods_without "$edited"
  replace_file "$private/good" "$text$copied $deployment ${clock%.*}$nl" || cannot_write "$private"
  if [ "$kind" = link ] && [ "$edited" != "$baseline" ]; then
    rm -rf "${meta:?}/$edited" "${releases:?}/$edited" || cannot_write "$state"
  fi
  sync -f "$state"
  say frozen "$copied"
  note "ok $copied"
}

do_unadopt() {
  need_ownership
  if ! read_live && [ "$kind" != link ]; then
    forget
    return 0
  fi
  link_name
  if [ "$kind" = link ]; then
    find_master
    rm -rf "$beside.deployer-plain"
    cp -a --no-preserve=links "$target/." "$beside.deployer-plain" || cannot_write "${target%/*}"
    if [ -n "$main" ] && [ -f "$beside.deployer-plain/$main" ] && [ ! -L "$beside.deployer-plain/$main" ]; then
      sed -z "$strip" "$target/$main" >"$beside.deployer-plain/$main" || cannot_write "${target%/*}"
    fi
    sync -f "${target%/*}"
    exchange "$beside.deployer-plain" "$target" || {
      mv -T "$target" "$beside.deployer-link" && mv -T "$beside.deployer-plain" "$target" || fail 70 "$target could not be made a plain directory; its content is in $beside.deployer-plain."
    }
    # Whatever reads files of the release keeps reading there until it is told to load the plain directory.
    if [ -n "$master" ]; then
      memory=''
      live=''
      load_release none || {
        exchange "$beside.deployer-plain" "$target"
        fail 68 "nginx did not load $target as a plain directory; it is a link again." "$reasons"
      }
    fi
    rm -rf "$beside.deployer-plain" "$beside.deployer-link"
  fi
  rm -rf "$beside.deployer-before" "$beside.deployer-new"
  forget
}

# Remove all that belongs to this target; the owner and epoch of the instance stay, so that a stale controller stays fenced.
forget() {
  note ok
  logging=''
  if [ -f "$instance/targets" ]; then
    text=''
    while read -r other other_state; do
      [ "$other $other_state" = "$target $state" ] || text=$text$other' '$other_state$nl
    done <"$instance/targets"
    replace_file "$instance/targets" "$text"
  fi
  rm -rf "$state"
}

# ---------------------------------------------------------------------------------------------------- stage, validate

do_stage() {
  [ -n "$release" ] && [ -n "$tree_hash" ] && [ -n "$base_release" ] || usage "release, tree_hash and base are wanted"
  case $tree_hash in "${release#*-}"*) ;; *) usage "release and tree_hash differ" ;; esac
  need_ownership
  if [ -d "$releases/$release" ] && read_recorded "$release" && [ "$recorded" = "$tree_hash" ] && is_intact "$releases/$release" "$release"; then
    cat >/dev/null
    say changed no
    note ok
    return 0
  fi
  if read_live && [ "$live" = "$release" ]; then
    fail 66 "Release $release is live and was changed by hand; freeze it first (--overwrite-drift)." "$(differences "$target" "$release")"
  fi
  [ -d "$releases/$base_release" ] && read_recorded "$base_release" ||
    fail 67 "Release $base_release, on which $release builds, is not in $releases any more; plan again."
  work=$private/incoming/$release
  mkdir -p "$work/new" "$work/meta" || cannot_write "$private"
  # Files become copies of their own: a hard link inside the base would tie two paths together.
  errors=$(cp -a --no-preserve=links --reflink=auto "$releases/$base_release" "$work/tree" 2>&1) || cannot_write "$private" "$errors"
  errors=$(tar -x -f - -C "$work" --no-same-owner --no-same-permissions -m 2>&1) || cannot_write "$private" "$errors"
  [ -f "$work/manifest" ] || usage "the payload has no manifest"
  stage_removals
  stage_files
  stage_bits
  check_main "$work/tree"
  main_pid=''
  add_identity "$release"
  check_pid
  record_tree
  check_links
  [ "$hashed" = "$tree_hash" ] ||
    fail 69 "What was put together for release $release is not what was meant (a file was lost or changed on the way); try again." \
      "$(sort -z "$work/meta/manifest" "$work/manifest" | uniq -zu | sed -z 's/^[0-9a-f]\{64\}  //;s/^\.\///;s/\/\/.*//' | sort -zu | tr '\n\0' '?\n' | head -n 100)"
  keep_tree "$release" "deployment=$deployment${nl}commit=$commit${nl}source_hash=$source_hash${nl}base=$base_release"
  intact="$intact $releases/$release//$release"
  say changed yes
  note ok
}

# Refuses another pid path, as read from the release's main file: a reload cannot change it, and the next one would not find the master.
check_pid() {
  case $main_pid in /var/run/*) [ ! -L /var/run ] || main_pid=/run/${main_pid#/var/run/} ;; esac
  [ -z "$main_pid" ] || [ "$main_pid" = "$pid_path" ] ||
    fail 65 "Release $release changes the pid path from $pid_path to $main_pid, which nginx cannot do by a reload; change it by hand, with a restart."
}

# Of the NUL-ended list $1, what the find expression $2… does not name in the tree (such a path could lead out of it).
strangers() {
  list=$1
  shift
  (cd "$work/tree" && find . -mindepth 1 "$@" -printf '%P\0') | sort -z >"$work/known"
  sort -zu "$list" | comm -z -23 - "$work/known" | tr '\n\0' '?\n' | head -n 20
}

stage_removals() {
  [ -s "$work/remove" ] || return 0
  odd=$(strangers "$work/remove" ! -type d)
  [ -z "$odd" ] || fail 64 "The base does not hold what is to be removed." "$odd"
  (cd "$work/tree" && xargs -0 rm -f -- <"$work/remove") || cannot_write "$private"
}

# Copy new/ over the tree.
stage_files() {
  # In a file's way there may be a link (never written through) or a directory that the release no longer has (empty by now).
  # shellcheck disable=SC2016
  odd=$(cd "$work/new" && find . ! -type d -exec sh -c '
    for path do
      at=../tree/$path
      if [ -L "$at" ]; then
        [ -L "$path" ] || printf "%s\n" "$path"
      elif [ -d "$at" ]; then
        find "$at" -depth -type d -empty -delete
        [ ! -d "$at" ] || printf "%s\n" "$path"
      fi
    done' sh {} + \( -type l -o -links 1 -perm 0644 -o -printf '//\n' \))
  new=$work/new
  case $nl$odd in
    *"$nl//"*)
      # Hard links into the base, and what had the mode of a file that is gone now: copied once beside, which parts them and gives plain modes.
      new=$work/plain
      cp -RP --no-preserve=mode,ownership,links "$work/new" "$new" || cannot_write "$private"
      odd=$(printf '%s\n' "$odd" | grep -vx //)
      ;;
  esac
  [ -z "$odd" ] || fail 67 "A file of the release would be written through a symbolic link, or over a directory that still holds preserved files." "$odd"
  errors=$(cp -RP --reflink=auto "$new/." "$work/tree" 2>&1) || cannot_write "$private" "$errors"
}

stage_bits() {
  set --
  for list in "$work/exec" "$work/noexec" "$work/modes"/*; do
    [ ! -s "$list" ] || set -- "$@" "$list"
  done
  [ $# -gt 0 ] || return 0
  cat "$@" >"$work/touched"
  odd=$(strangers "$work/touched" -type f)
  [ -z "$odd" ] || fail 64 "The release does not hold the file whose mode is to be set." "$odd"
  (
    cd "$work/tree" || exit 1
    [ ! -s ../exec ] || xargs -0 chmod a+x -- <../exec || exit 1
    [ ! -s ../noexec ] || xargs -0 chmod a-x -- <../noexec || exit 1
  ) || cannot_write "$private"
  IFS=$nl
  for entry in $modes; do
    IFS=' '
    # shellcheck disable=SC2086 # fields
    set -- $entry
    IFS=$blanks
    is_digits "${1-}" || usage "mode"
    case ${2-} in [0-7][0-7][0-7] | [0-7][0-7][0-7][0-7]) ;; *) usage "mode" ;; esac
    case ${3-} in *[!A-Za-z0-9_.:-]* | -*) usage "mode" ;; esac
    [ -s "$work/modes/$1" ] || continue
    if [ -n "${3-}" ]; then
      errors=$(cd "$work/tree" && xargs -0 chown -- "$3" 2>&1 <"$work/modes/$1") || fail 67 "target.modes wants the owner $3, which this host does not know." "$errors"
    fi
    (cd "$work/tree" && xargs -0 chmod "$2" -- <"$work/modes/$1") || cannot_write "$private"
  done
  IFS=$blanks
}

# Refuses relative links that climb out of the tree: they would point elsewhere from where releases stand.
check_links() {
  [ -s "$work/climbing" ] || return 0
  odd=$(while IFS= read -r line; do
    path=${line%%//*} to=${line#*//} depth=0
    while :; do
      case $path in */*) path=${path#*/} depth=$((depth + 1)) ;; *) break ;; esac
    done
    while [ -n "$to" ]; do
      part=${to%%/*}
      case $to in */*) to=${to#*/} ;; *) to='' ;; esac
      case $part in '' | .) ;; ..) depth=$((depth - 1)) ;; *) depth=$((depth + 1)) ;; esac
      [ "$depth" -ge 0 ] || { printf '%s\n' "${line%%//*}"; break; }
    done
  done <"$work/climbing")
  [ -z "$odd" ] || fail 67 "A symbolic link climbs out of $target by a relative path, and would point elsewhere once $target is a link; make it absolute." "$odd"
}

do_validate() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  need_intact "$release"
  validate_release "$release"
  say_lines detail "$output"
  note ok
}

# ---------------------------------------------------------------------------------------------------- activate, restore

do_activate() {
  [ -n "$release" ] && [ -n "$from" ] || usage "release and from are wanted"
  need_ownership
  baseline='' memory='' proof='' seconds=0
  need_target
  need_no_mount
  find_master
  need_intact "$release"
  if [ "$live" = "$release" ]; then
    # Said twice, or the answer was lost: prove it again.
    read_memory yes
    if [ "$memory" = "$release" ]; then
      say changed no
      say memory "$memory"
      say proof "$memory_note"
      say_seconds
      return 0
    fi
  elif [ "$live" != "${leaves:-$from}" ]; then
    fail 66 "What is live is $live, not ${leaves:-$from} as planned; plan again."
  else
    is_intact "$target" "$live" ||
      fail 66 "$target was changed by hand since it was planned; look at the difference (plan)." "$(differences "$target" "$live")"
  fi
  if [ "$program" = nginx ]; then
    [ -z "$nginx_problem" ] || fail 67 "$nginx_problem"
    [ -n "$master" ] || [ "$fix_forward" = yes ] || fail 67 "nginx does not run (no master named by $pid_path); start it, or deploy with --fix-forward."
  fi
  read_memory ''
  carry_and_validate "$release"
  write_last "$release" "$from"
  switch_to "$release"
  prove "$release" "Release $release stands on disk but is not what nginx holds in memory; it must be rolled back."
}

# The outgoing tree's preserved paths go into release $1; it is validated unless this deployment has done so and nothing was carried since.
carry_and_validate() {
  carried=no
  [ "$live" = "$1" ] || carry_preserved "$target" "$releases/$1"
  valid_for=''
  { read -r valid_for <"$meta/$1/valid"; } 2>/dev/null
  [ "$valid_for" = "$deployment" ] && [ "$carried" = no ] && [ "$verb" = activate ] || validate_release "$1"
}

# Load release $1 (or start nginx with it), and answer with what is proved. $2: the sentence when it is not.
prove() {
  if [ "$program" = nginx ] && [ -z "$master" ]; then
    start_nginx "$1"
  else
    load_release "$1"
  fi
  loaded_rc=$?
  live=$1
  if [ "$program" = nginx ]; then
    if [ "$loaded_rc" -eq 0 ]; then
      write_loaded "$1"
      memory=$1 memory_note=$proof
    else
      find_master
      read_memory ''
    fi
  else
    memory=''
  fi
  say memory "$memory"
  say proof "$proof"
  say_seconds
  if [ "$loaded_rc" -ne 0 ]; then
    say memory_note "$memory_note"
    fail 68 "$2" "$reasons"
  fi
  say changed yes
  note "ok $seconds cs"
}

do_restore() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  baseline='' memory='' proof='' seconds=0
  need_target
  find_master
  [ -z "$nginx_problem" ] || fail 67 "$nginx_problem"
  need_intact "$release"
  same=''
  [ "$live" != "$release" ] || same=yes
  read_memory "$same"
  on_disk=$same
  # A release that names an identity is proved by it, whatever is on disk; one that does not only by what stands there.
  if [ "$on_disk" = yes ] && { [ "$memory" = "$release" ] || { [ "$program" = other ] && [ "$kind" = directory ]; }; }; then
    say changed no
    say memory "$memory"
    say proof "$memory_note"
    say_seconds
    note "ok unchanged"
    return 0
  fi
  [ "$program" = other ] || [ -n "$master" ] || [ "$start" = yes ] || fail 68 "nginx does not run; ask for it to be started."
  carry_and_validate "$release"
  if [ "$on_disk" != yes ]; then
    # What is gone back from is not good any more; before the switch, so that no cut leaves it live and good. Where there
    # is no space for that, going back comes first.
    if is_good "$live"; then
      goods_without "$live"
      replace_file "$private/good" "$text" 2>/dev/null || say problem "$live could not be demoted."
    fi
    switch_to "$release"
  fi
  if [ "$program" = nginx ] && [ "$memory" = "$release" ]; then
    # The release that is left never reached memory: nothing to reload, only to prove.
    proof="never left memory: $memory_note"
    write_loaded "$release"
    say changed yes
    say memory "$memory"
    say proof "$proof"
    say_seconds
    note ok
    return 0
  fi
  prove "$release" "Release $release stands on disk again but is not what nginx holds in memory; look at the host."
}

# ---------------------------------------------------------------------------------------------------- confirm, promote, prune

do_confirm() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  baseline='' memory=''
  need_target
  find_master quick
  [ "$live" = "$release" ] || fail 68 "What is live is $live, not $release."
  if [ "$program" = nginx ]; then
    same=''
    if ! has_identity "$release"; then
      is_intact "$target" "$release" && same=yes
    fi
    read_memory "$same"
    [ "$memory" = "$release" ] || fail 68 "Release $release is live on disk but not proved to be in memory: $memory_note."
  fi
  say memory "$memory"
  note ok
}

do_promote() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  baseline=''
  need_target
  [ "$live" = "$release" ] || fail 68 "What is live is $live, not $release, so it cannot be promoted."
  read_time
  goods_without "$release"
  replace_file "$private/good" "$text$release $deployment ${clock%.*}$nl" || cannot_write "$private"
  is_text "$private/checks" "$checks" || replace_file "$private/checks" "$checks" || cannot_write "$private"
  link_name
  [ ! -e "$beside.deployer-before" ] || rm -rf "$beside.deployer-before"
  # The log is bounded: one older half is kept. Now and then is often enough to look.
  [ $((epoch % 8)) -ne 0 ] || [ -z "$(find "$private/log" -size +1024k 2>/dev/null)" ] || mv -f "$private/log" "$private/log.1"
  note ok
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
  while IFS= read -r line; do text=$text$line$nl; done <"$1"
  [ "$text" = "$2" ]
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
  held=''
  [ -z "$master" ] || read_held
  proved='' last_target='' last_from='' goods=''
  { read -r proved _ <"$private/loaded"; } 2>/dev/null
  { read -r _ && read -r last_target && read -r last_from; } 2>/dev/null <"$private/last"
  if [ -f "$private/good" ]; then
    while read -r good_id _; do goods="$good_id $goods"; done <"$private/good"
  fi
  wanted=" $live $baseline $proved $last_target $last_from $held $holds "
  count=0
  for word in $goods; do
    count=$((count + 1))
    [ "$count" -le "$keep" ] || break
    wanted="$wanted$word "
  done
  gone=''
  for directory in "$releases"/*/; do
    directory=${directory%/}
    word=${directory##*/}
    is_release "$word" || continue
    case $wanted in *" $word "*) continue ;; esac
    # What is recorded of it goes first: without that it is no release any more, whatever happens next.
    rm -rf "${meta:?}/$word" "${releases:?}/$word" "$state/id/$word" || cannot_write "$state"
    say pruned "$word"
    gone="$gone $word"
  done
  # Identities of releases that are gone, once nothing holds them open.
  for identity_file in "$state"/id/*; do
    word=${identity_file##*/}
    case $wanted in *" $word "*) continue ;; esac
    [ ! -e "$identity_file" ] || [ -d "$releases/$word" ] || rm -f "$identity_file"
  done
  if [ -n "$gone" ]; then
    goods_without "$gone"
    goods=$text
    is_text "$private/good" "$goods" || replace_file "$private/good" "$goods" || cannot_write "$private"
  fi
  note "ok$gone"
}

# ---------------------------------------------------------------------------------------------------- main

clean_up() {
  [ -z "$scratch" ] || rm -rf "$scratch"
  [ -z "$incoming" ] || rm -f "$incoming"
  [ "$locked" = no ] || [ ! -d "$private/incoming" ] || for leftover in "$private"/incoming/*; do
    [ ! -e "$leftover" ] || rm -rf "$leftover"
  done
}

is_root() {
  while read -r line; do
    # shellcheck disable=SC2086 # fields
    case $line in Uid:*) set -- $line; break ;; esac
  done </proc/self/status
  [ "${3-}" = 0 ]
}

main() {
  set -u
  LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  IFS=$blanks
  unset CDPATH ENV BASH_ENV GREP_OPTIONS GREP_COLORS TAR_OPTIONS POSIXLY_CORRECT TMPDIR XARGS LD_PRELOAD NGINX NGINX_BPF TIME_STYLE BLOCK_SIZE
  umask 022
  cd / || exit 70
  verb=${1-} logging='' private='' meta='' intact='' clock='' clock_offset='' boot='' scratch='' incoming='' main_pattern='' main_digest='' locked=no repaired=no program_known=no
  baseline='' memory='' master='' kind='' proof='' seconds=0 release='' deployment='' work='' main_pid='' main_log=no
  trap clean_up EXIT
  trap 'exit 70' INT TERM
  say protocol "$protocol"
  say agent "$agent_id"
  say verb "$verb"
  is_root || fail 77 "The agent must run as root; allow this user passwordless sudo, or log in as root."
  read_header
  check_header
  first=yes
  for verb; do
    [ "$first" = yes ] || say verb "$verb"
    first=no
    case $verb in
      install) ;;
      observe | manifest | fetch | log | begin | release | adopt | freeze | unadopt | stage | validate | activate | restore | confirm | promote | demote | prune) check_target ;;
      *) usage "there is no verb ${verb%%[!a-z]*}" ;;
    esac
    "do_$verb"
    say end 0
  done
  [ "$first" = no ] || usage "no verb"
}

main "$@"
