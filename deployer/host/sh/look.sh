# --------------------------------------------------------------------------------------------------- verbs that only look

do_observe() {
  # Free space is that of the nearest directory that is there.
  place=$state
  while [ ! -d "$place" ]; do place=${place%/*}/; place=${place%/}; [ -n "$place" ] || place=/; done
  seen=$(date -u +%s.%N; stat -f -c '%a %S' "$place" 2>/dev/null)
  clock=${seen%%"$nl"*}
  read_uptime
  load_program
  baseline=''
  read_live
  say user "${SUDO_USER:-root}"
  if [ -n "${BASH_VERSION-}" ]; then say shell bash
  elif [ "/proc/$$/exe" -ef /bin/dash ]; then say shell dash
  elif [ "/proc/$$/exe" -ef /bin/busybox ]; then say shell busybox
  else say shell sh; fi
  ! is_pinned || say pinned yes
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
  find_clash
  [ -z "$clash" ] || say problem "$clash"
  if [ "$program" = other ] && [ -z "$reload" ]; then
    say problem "The playbook's reload is auto, but ${argv%%"$nl"*} is not nginx; give the reload command as a list."
  fi
  blocks=${seen#*"$nl"} free_kb=0
  case $blocks in
    *[!0-9\ ]* | '') ;;
    *)
      free_kb=$((${blocks% *} * ${blocks#* } / 1024))
      [ "$free_kb" -ge 10240 ] || say problem "Less than 10 MB are free on the file system of $state."
      ;;
  esac
  say free_kb "$free_kb"
  if [ "$kind" = directory ] && grep -q " $target " /proc/self/mountinfo; then
    kind=mount
    say problem "$target is a mount point and cannot become a symbolic link; unmount it, or make a directory below it the target."
  fi
  # What only a private file system needs is no problem where the playbook can do without.
  if [ "$fallback" = rewrite ]; then words=''; else words="unshare mount"; fi
  for word in $words flock sha256sum find sort sed tar timeout; do
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
        drift=$(differences "$target" "$live")
        say_lines drift "$drift"
      else
        say drifted no
      fi
    fi
  fi
  read_memory "$same"
  say memory "$memory"
  say memory_note "$memory_note"
  [ "$same" != no ] || say_drift
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
  known=$meta/$live/checks # of what was promoted by an older agent only the last ones are known
  [ -f "$known" ] || known=$private/checks
  if [ -f "$known" ]; then
    while read -r line; do say check "$line"; done <"$known"
  fi
  say_quarantine
  read_owner
  say owner "$owner"
  say epoch "$owner_epoch"
  [ -z "$owner" ] || { say owner_controller "$owner_controller"; say owner_silent "$silent"; }
  say_guard
  if [ -f "$private/last" ]; then
    words='' last_deployment='' last_target='' last_from=''
    until [ -n "$words" ] && [ "$words" = "$last_deployment $last_target $last_from" ]; do
      words="$last_deployment $last_target $last_from"
      { IFS= read -r last_deployment && IFS= read -r last_target && IFS= read -r last_from; } <"$private/last"
    done
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
  flush
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
  limit=${limit:-16777216} count=0
  [ "${payload:-0}" -le 1048576 ] || usage "the list of paths is longer than 1 MB"
  asked=$(cd "$source" && read_payload | xargs -0 -r stat --printf '%s %n\1' -- 2>/dev/null)
  case $sign$asked in
    *" $main$sign"*) [ -z "$main" ] || [ ! -f "$source/$main" ] || [ -L "$source/$main" ] || count=1 ;;
  esac
  make_scratch
  if [ "$count" = 0 ]; then
    fetched=$(cd "$source" && pick_files '' | tar -c -f "$scratch/tar" --totals --no-recursion --null --verbatim-files-from -T - 2>&1) || fetched=''
  else
    # The main file goes without its identity line, as manifests leave it out.
    mkdir -p "$scratch/main/${main%"${main##*/}"}"
    cp -p "$source/$main" "$scratch/main/$main"
    sed -z "$strip" "$source/$main" >"$scratch/stripped" && cat "$scratch/stripped" >"$scratch/main/$main"
    (cd "$source" && pick_files "$main") >"$scratch/rest"
    fetched=$(tar -c -f "$scratch/tar" --totals --no-recursion --null --verbatim-files-from -C "$source" -T "$scratch/rest" -C "$scratch/main" "./$main" 2>&1) || fetched=''
  fi
  size=${fetched##*Total bytes written: }
  size=${size%% *}
  is_digits "$size" || fail 70 "The files could not be read."
  say bytes "$size"
  flush
  cat "$scratch/tar"
}

# Of the files that were asked for ("SIZE PATH" each, parted by the sign), the paths of those below here that may be sent, NUL-ended, as many
# as fit. A path that climbs, or that leads through a link, would lead out. $1: one that is sent in another way.
pick_files() {
  IFS=$sign
  set -f
  for entry in $asked; do
    path=${entry#* }
    # A name that holds the sign comes in pieces: it is not sent, and no piece is taken for a number.
    is_digits "${entry%% *}" && [ "$path" != "$entry" ] || continue
    case /$path/ in *//* | */./* | */../*) continue ;; esac
    [ -L "$path" ] || [ -f "$path" ] || continue
    parent=$path
    while :; do
      case $parent in */*) parent=${parent%/*} ;; *) break ;; esac
      [ ! -L "$parent" ] || continue 2
    done
    limit=$((limit - ${entry%% *}))
    [ "$limit" -ge 0 ] || break
    [ "$path" = "$1" ] || printf '%s\0' "$path"
  done
}

do_log() {
  flush
  [ ! -f "$private/log" ] || tail -n "${lines:-100}" "$private/log" | sed 's/^/log=/'
}

