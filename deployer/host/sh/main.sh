# --------------------------------------------------------------------------------------------------- main

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
      observe | manifest | fetch | log | begin | release | adopt | freeze | unadopt | stage | validate | arm | activate | renew | restore | guard | boot | confirm | promote | demote | prune) check_target ;;
      *) usage "there is no verb ${verb%%[!a-z]*}" ;;
    esac
    "do_$verb"
    say end 0
  done
  [ "$first" = no ] || usage "no verb"
}

main "$@"
