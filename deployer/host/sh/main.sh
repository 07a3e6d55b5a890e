# --------------------------------------------------------------------------------------------------- main

clean_up() {
  flush
  [ -z "$rehearsal" ] || end_rehearsal
  [ -z "$scratch" ] || rm -rf "$scratch"
  [ -z "$incoming" ] || rm -f "$incoming"
  [ "$locked" = no ] || [ ! -d "$private/incoming" ] || for leftover in "$private"/incoming/*; do
    [ ! -e "$leftover" ] || rm -rf "$leftover"
  done
}

# Sets user_id, by which we work.
read_user() {
  while read -r line; do
    # shellcheck disable=SC2086 # fields
    case $line in Uid:*) set -- $line; break ;; esac
  done </proc/self/status
  user_id=${3-}
}

main() {
  set -u
  LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  IFS=$blanks
  unset CDPATH ENV BASH_ENV GREP_OPTIONS GREP_COLORS TAR_OPTIONS POSIXLY_CORRECT TMPDIR XARGS LD_PRELOAD NGINX NGINX_BPF TIME_STYLE BLOCK_SIZE
  umask 022
  cd / || exit 70
  # What is asked stays on a descriptor of its own, out of reach of what is started from here.
  exec 6<&0 </dev/null
  whole=no pending=no
  read_user
  read_boot
  [ "$*" = serve ] || {
    payload=''
    read_header
  }
  go_on "$@"
}

# Answers what is asked. Returns only where that wants what stands further down: the shell reads on then, and calls this again.
go_on() {
  if [ "$*" = serve ]; then serve; elif ! is_further "$@"; then answer "$@"; fi
}

# Whether one of these verbs stands in the part of the text that was not read yet. Every connection has a shell of its own, to which
# the whole text costs as much as ten programs do.
is_further() {
  [ "$whole" = no ] || return 1
  for verb; do
    case $verb in
      install | observe | manifest | fetch | log | begin | release | stage | validate | arm | activate | renew | restore | guard | boot | confirm | promote | demote | prune | pardon) ;;
      *) return 0 ;;
    esac
  done
  return 1
}

# Answer request after request, each in a process of its own, until one fails or nobody asks any more.
serve() {
  set -f
  while [ "$pending" = yes ] || read_header; do
    pending=no
    [ -n "$payload" ] || payload=0
    case $token in '' | *[!0-9a-f]*) malformed="token" ;; esac
    # shellcheck disable=SC2086 # words
    if is_further $verbs; then
      pending=yes
      return 0
    fi
    # What a refused request left unread would be taken for the next one.
    # shellcheck disable=SC2086 # words
    (set +f && answer $verbs) || exit
    # So the controller knows that this answer is complete, and that the next request may come.
    say "done" "$token"
    flush
  done
  exit 0
}

# Run verbs with the header that was read; the exit status is that of the last one.
answer() {
  verb=${1-} logging='' private='' meta='' intact='' clock='' scratch='' incoming='' main_pattern='' main_digest='' locked=no repaired=no program_known=no
  baseline='' memory='' master='' kind='' drift='' proof='' seconds=0 work='' main_pid='' main_log=no carried=yes rehearsal='' recorded_of='' guard_known=no listed='' listed_at=- listed_before='' listed_before_at=-
  trap clean_up EXIT
  trap 'exit 70' INT TERM
  say protocol "$protocol"
  say agent "$agent_id"
  say verb "$verb"
  [ "$user_id" = 0 ] || fail 77 "The agent must run as root; allow this user passwordless sudo, or log in as root."
  case $verb.$malformed in
    *.) ;;
    boot."$endless")
      # Its writer was cut off, as read_guard_file has it; a unit that fails for that would be red for nothing.
      say problem "A guard without an end was never in force: nothing was activated under it, and nothing is taken back."
      say end 0
      exit 0
      ;;
    *) usage "$malformed" ;;
  esac
  check_header
  first=yes
  for verb; do
    [ "$first" = yes ] || say verb "$verb"
    first=no
    case $verb in
      install) ;;
      observe | inspect | manifest | fetch | log | paths | files | there | traffic | begin | release | adopt | freeze | unadopt | stage | validate | rehearse | relay | arm | activate | renew | restore | guard | boot | confirm | promote | demote | prune | pardon)
        check_target
        check_pins
        ;;
      *) usage "there is no verb ${verb%%[!a-z]*}" ;;
    esac
    "do_$verb"
    say end 0
    flush
  done
  [ "$first" = no ] || usage "no verb"
  exit 0
}

