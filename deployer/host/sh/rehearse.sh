# --------------------------------------------------------------------------------------------------- rehearsal

# A candidate is run beside live, in private namespaces over the same private root as the validator's, with a network of its own that has the
# host's addresses on its loopback. Here, outside, the steps are taken and the proof is looked for, with the code that proves a real reload.

rehearsal_limit_s=60 # for a rehearsal that asks nothing
names_limit=64       # names of upstreams that are looked up for it

do_rehearse() {
  [ -n "$release" ] || usage "release is wanted"
  need_ownership
  need_target
  find_master
  need_intact "$release"
  read_memory_beside "$live"
  find_starting
  # An emergency must not wait for us: from here on nothing is held, and nothing on disk is ours.
  clean_up
  exec 9>&-
  locked=no
  trap - HUP PIPE
  transition=no learned=''
  if [ "$answers" = yes ]; then
    case $within in '' | 0) within=300000 ;; esac
    rehearsal_limit_s=$((within / 1000 + 60))
  fi
  why_not_rehearsed
  answering=no
  if [ -z "$why" ] && open_rehearsal; then
    rehearse_release
    [ "$answers" != yes ] || [ -n "$why" ] || open_to_questions
  fi
  [ -z "$why" ] || say note "not rehearsed: $why"
  say transition "$transition"
  say answering "$answering"
  [ "$answering" = no ] || answer_questions
  end_rehearsal
  note ok
}

# Sets why to the reason why nothing can be rehearsed here; empty: something can.
why_not_rehearsed() {
  why=''
  if [ "$program" != nginx ]; then
    why="${argv%%"$nl"*} is not nginx"
    return
  elif [ -n "$nginx_problem" ]; then
    why=$nginx_problem
    return
  elif [ -z "$binary" ]; then
    why="${argv%%"$nl"*} is not on this host"
    return
  fi
  for word in unshare nsenter mount chroot mkfifo timeout; do
    command -v "$word" >/dev/null || { why="$word is not on this host (util-linux, coreutils)"; return; }
  done
  # At most three of them run at a time: live, what it becomes, what answers.
  rss=0 free=0 all=0
  if [ -n "$master" ]; then
    while read -r word value _; do
      case $word in VmRSS:) rss=$value ;; esac
    done <"/proc/$master/status"
  fi
  while read -r word value _; do
    case $word in MemTotal:) all=$value ;; MemAvailable:) free=$value ;; esac
  done </proc/meminfo
  wanted=$((rss * 6 + 32768))
  [ "$free" -ge $((wanted + all / 20)) ] ||
    why="it may take $((wanted / 1024)) MB of memory, and only $((free / 1024)) MB are free"
}

# The steps, once the private root stands on what is live. Refuses (65), or sets transition to what was rehearsed: yes, start, no (why).
rehearse_release() {
  # shellcheck disable=SC2086 # paths without blanks
  remove_inside "$pid_path" $own_paths
  began=live
  if [ -z "$master" ]; then
    reason="nginx does not run"
    began=candidate
  elif ! start_rehearsed; then
    first_reason
    reason="what is live cannot be started anew: $reason"
    began=candidate
  fi
  if [ $began = candidate ]; then
    rehearse_start
  else
    [ "$answers" != yes ] || dump live
    point_inside
    if change_rehearsed; then
      need_pid_path
      transition=yes
    else
      no_way_from_start
    fi
  fi
  [ -n "$why" ] || refuse_clash
}

# Refuses a release after which the pid file does not name the master any more.
need_pid_path() {
  pid_named=''
  { read -r pid_named <"$inside$pid_path"; } 2>/dev/null
  # Seen from outside, an absolute link on the way leads out.
  [ "$pid_named" = "$rehearsed_pid" ] || pid_named=$(in_rehearsal cat "$pid_path" 2>/dev/null)
  [ "$pid_named" = "$rehearsed_pid" ] || {
    reasons="it changes the pid path ($pid_path), after which no reload finds the master$nl"
    refuse_rehearsed "cannot be reloaded on this host"
  }
}

# A start of the candidate alone; the way to it cannot be had, for the reason in $reason.
rehearse_start() {
  only_start=$reason
  point_inside
  if start_rehearsed; then
    transition=start
    say note "only a start of the candidate was rehearsed, not the way to it ($only_start)"
  elif [ -n "$master" ]; then
    # What is live runs, and cannot be started in here either: that says more of here than of the candidate.
    first_reason
    why="neither what is live nor the candidate can be started beside it ($reason)"
  else
    refuse_rehearsed "cannot be started on this host"
  fi
}

# Sets starting to the release that the rehearsal begins with: what nginx holds in memory, whatever stands on disk; guessed=yes: that is not proved.
find_starting() {
  starting=$live guessed=no
  [ -n "$master" ] && [ "$memory" != "$live" ] || return 0
  guessed=yes unsure="it is not proved what nginx holds in memory ($memory_note)"
  if [ -n "$memory" ] && at_hand "$memory"; then
    starting=$memory guessed=no
    return 0
  fi
  [ -z "$memory" ] || unsure="nginx holds $memory in memory, which is not in $releases any more"
  # Of an edit that nginx does not hold is known what it was written into.
  recall_back "$live"
  if [ -n "$back" ] && at_hand "$back"; then
    starting=$back
  fi
  say note "$unsure, so the way from $starting was rehearsed"
}

at_hand() { [ -d "$releases/$1" ] && is_intact "$releases/$1" "$1"; }

# The candidate cannot be reached by a reload from what the rehearsal began with: refuses it, unless that is an edit by hand of which nobody knows
# whether nginx holds it. That must not be in the way of its own repair: then the candidate has to start, and the real reload to be proved.
no_way_from_start() {
  case $guessed$starting in
    yesdrift-*)
      first_reason
      reason="from the files that were edited by hand nginx would refuse to reload it: $reason"
      stop_rehearsed && rehearse_start
      ;;
    *) refuse_rehearsed "cannot be reloaded on this host: nginx would refuse it and go on with the old one" ;;
  esac
}

# Refuses the release, with what nginx said. Where it is not nginx that said no (it took too long, there was no memory), sets why instead.
refuse_rehearsed() {
  first_reason
  [ -d "/proc/$keeper" ] || reason="it took longer than $rehearsal_limit_s s" reasons=''
  case $reasons in
    *'(28: No space left on device)'* | *'(30: Read-only file system)'* | *'(12: Cannot allocate memory)'* | *'(24: Too many open files)'*) ;;
    # It was found when it was tested.
    *'host not found in '*) ;;
    *'[emerg]'* | *'no worker for'* | *'is gone'* | *'pid path'*)
      tell_untouched
      fail 65 "The rehearsal refuses release $release: it passes the test but $1 ($reason). $untouched" "$reasons"
      ;;
  esac
  why=$reason
}

# Sets reason to the first thing that reasons says, without time and pid.
first_reason() {
  reason=''
  old_ifs=$IFS
  IFS=$nl
  set -f
  for entry in $reasons; do
    case $entry in
      *'[emerg] '*)
        reason=${entry#*"[emerg] "}
        case $reason in [0-9]*'#'*': '*) reason=${reason#*: } ;; esac
        # That it will be tried again says less than why.
        break
        ;;
      *) reason=${reason:-$entry} ;;
    esac
  done
  set +f
  IFS=$old_ifs
  reason=${reason:-no reason was given}
}
