# --------------------------------------------------------------------------------------------------- the header

endless='the header has no end'

# Reads a header: sets its values, count of its lines, and malformed (empty: it is well-formed). False at the end of what is asked.
read_header() {
  target='' state='' preserve='' argv='' reload='' deployment='' epoch='' controller='' release='' from='' leaves='' tree_hash=''
  base_release='' commit='' source_hash='' main_identity='' modes='' checks='' holds='' keep='' lines='' hash='' sha256=''
  preempt='' accept_unproven='' fix_forward='' start='' limit='' survey='' within='' clock_offset='' answers='' keeper='' address='' port='' quarantine='' since='' until='' width='' fallback='' validity='' certificates='' logs_wanted='' sinces=' ' knowns=' ' places=' ' window='' verbs='' token='' payload='' malformed=''
  count=0
  while :; do
    IFS= read -r line <&6 || {
      malformed=$endless
      return 1
    }
    [ -n "$line" ] || return 0
    count=$((count + 1))
    [ "$count" -le 4000 ] && [ "${#line}" -le 65536 ] || {
      malformed="the header is too long"
      return 0
    }
    case $line in
      *[[:cntrl:]]*) malformed="a header value holds a control character" ;;
      *=*) ;;
      *) malformed="a header line without =" ;;
    esac
    value=${line#*=}
    # The most frequent ones first: a shell tries one after the other.
    case ${line%%=*} in
      verbs) verbs=$value ;;
      token) token=$value ;;
      payload) payload=$value ;;
      argv) argv=$argv$value$nl ;;
      target) target=$value ;;
      state) state=$value ;;
      preserve) preserve=$value ;;
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
      within) within=$value ;;
      clock_offset) clock_offset=$value ;;
      answers) answers=$value ;;
      keeper) keeper=$value ;;
      address) address=$value ;;
      port) port=$value ;;
      quarantine) quarantine=$value ;;
      since) since=$value ;;
      until) until=$value ;;
      width) width=$value ;;
      fallback) fallback=$value ;;
      validity) validity=$value ;;
      certificates) certificates=$value ;;
      logs) logs_wanted=$value ;;
      offset) sinces="$sinces$value " ;;
      known) knowns="$knowns$value " ;;
      window) window=$value ;;
      place) places="$places$value " ;;
    esac # an unknown key belongs to a later controller and changes nothing here
  done
}

# The bytes that follow the header: as many as it says, or all there are.
read_payload() {
  if [ -n "$payload" ]; then
    # Not a byte more: the next request follows.
    dd bs=65536 count="$payload" iflag=fullblock,count_bytes 2>/dev/null
  else
    cat
  fi <&6
}

# Sets programs to validator and reload command, and how to do without namespaces, as header lines.
name_programs() {
  programs='' old_ifs=$IFS
  IFS=$nl
  set -f
  for word in $argv; do programs=${programs}argv=$word$nl; done
  for word in $reload; do programs=${programs}reload=$word$nl; done
  [ -z "$fallback" ] || programs=${programs}fallback=$fallback$nl
  set +f
  IFS=$old_ifs
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
  [ -z "$quarantine" ] || is_release "${quarantine%% *}" || usage "quarantine"
  [ -z "$tree_hash" ] || is_hex64 "$tree_hash" || usage "tree_hash"
  [ -z "$sha256" ] || is_hex64 "$sha256" || usage "sha256"
  [ -z "$within" ] || is_digits "$within" || usage "within"
  [ -z "$keep" ] || is_digits "$keep" || usage "keep"
  [ -z "$lines" ] || is_digits "$lines" || usage "lines"
  [ -z "$limit" ] || is_digits "$limit" || usage "limit"
  [ -z "$until" ] || is_digits "$until" || usage "until"
  [ -z "$width" ] || is_digits "$width" || usage "width"
  case $fallback in '' | rewrite) ;; *) usage "fallback" ;; esac
  [ -z "$clock_offset" ] || is_digits "$clock_offset" || usage "clock_offset"
  [ -z "$window" ] || is_digits "$window" || usage "window"
  case $sinces$knowns in *[!0-9:.\ ]*) usage "offset or known" ;; esac
  for value in $sinces; do
    case $value in *:*) is_digits "${value%%:*}" && is_digits "${value#*:}" ;; *) false ;; esac || usage "offset"
  done
  [ -z "$payload" ] || { is_digits "$payload" && [ "$payload" -le "$payload_limit" ]; } || usage "payload"
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

