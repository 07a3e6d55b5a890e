# --------------------------------------------------------------------------------------------------- the program

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
    built=$("$binary" -V 2>&1)
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
    begin | observe | inspect)
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

