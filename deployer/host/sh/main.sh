# --------------------------------------------------------------------------------------------------- main

clean_up() {
  [ -z "$rehearsal" ] || end_rehearsal
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
  # What is asked stays on a descriptor of its own, out of reach of what is started from here.
  exec 6<&0 </dev/null
  case $* in
    serve) serve ;;
    *)
      payload=''
      read_header
      answer "$@"
      ;;
  esac
}

# Answer request after request, each in a process of its own, until one fails or nobody asks any more.
serve() {
  set -f
  while read_header; do
    [ -n "$payload" ] || payload=0
    case $token in '' | *[!0-9a-f]*) malformed="token" ;; esac
    # What a refused request left unread would be taken for the next one.
    # shellcheck disable=SC2086 # words
    (set +f && answer $verbs) || exit
    # So the controller knows that this answer is complete, and that the next request may come.
    say "done" "$token"
  done
}

# Run verbs with the header that was read; the exit status is that of the last one.
answer() {
  verb=${1-} logging='' private='' meta='' intact='' clock='' boot='' scratch='' incoming='' main_pattern='' main_digest='' locked=no repaired=no program_known=no
  baseline='' memory='' master='' kind='' drift='' proof='' seconds=0 work='' main_pid='' main_log=no carried=yes rehearsal=''
  trap clean_up EXIT
  trap 'exit 70' INT TERM
  say protocol "$protocol"
  say agent "$agent_id"
  say verb "$verb"
  is_root || fail 77 "The agent must run as root; allow this user passwordless sudo, or log in as root."
  [ -z "$malformed" ] || usage "$malformed"
  check_header
  first=yes
  for verb; do
    [ "$first" = yes ] || say verb "$verb"
    first=no
    case $verb in
      install) ;;
      observe | inspect | manifest | fetch | log | paths | traffic | begin | release | adopt | freeze | unadopt | stage | validate | rehearse | relay | arm | activate | renew | restore | guard | boot | confirm | promote | demote | prune | pardon)
        check_target
        check_pins
        ;;
      *) usage "there is no verb ${verb%%[!a-z]*}" ;;
    esac
    "do_$verb"
    say end 0
  done
  [ "$first" = no ] || usage "no verb"
  exit 0
}

main "$@"
