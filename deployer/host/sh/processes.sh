# --------------------------------------------------------------------------------------------------- processes

read_uptime() {
  read -r uptime _ </proc/uptime
  uptime_cs=${uptime%.*}${uptime#*.}
  uptime_cs=${uptime_cs#0}
  uptime_cs=${uptime_cs#0}
}

# Sets boot, and init_start: when pid 1 was started. Neither changes while we live, so it is read once.
read_boot() {
  read -r boot </proc/sys/kernel/random/boot_id
  stat_of 1
  init_start=$started
}

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

# Sets serving to the workers of the master that take new connections ("PID …"), serving_count to their number.
read_workers() {
  serving='' serving_count=0 children=''
  { read -r children <"/proc/$master/task/$master/children"; } 2>/dev/null
  for child in $children; do
    title_of "$child" || continue
    case $title in *'is shutting down'*) continue ;; *'worker process'*) ;; *) continue ;; esac
    serving="$serving$child "
    serving_count=$((serving_count + 1))
  done
}

# Finds the one master. $1: quick where it was looked already whether another one runs, and the pid file names one. Sets master (empty: none), orphans, oldbin, running, nginx_problem.
find_master() {
  master='' orphans=0 oldbin=no running=no nginx_problem='' others=''
  serving='' serving_count=0 children=''
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
  [ -z "$master" ] || read_workers
  # One process lists every nginx here; then the kernel's own files say who belongs to whom, of those that are not the master's own children.
  found=''
  [ "${1-}" = quick ] && [ -n "$master" ] || found=$(grep -aos '^nginx: [a-z]* process' /proc/[0-9]*/cmdline)
  old_ifs=$IFS
  IFS=$nl
  for entry in $found; do
    IFS=$old_ifs
    pid=${entry#/proc/}
    pid=${pid%%/*}
    case " $master $children " in *" $pid "*) continue ;; esac
    stat_of "$pid" || continue
    [ "/proc/$pid/root/." -ef /. ] && [ "/proc/$pid/ns/pid" -ef /proc/self/ns/pid ] || continue
    case $entry in
      # A child that was forked this moment still has its master's title.
      *'master process') [ "$ppid" = "$master" ] || others="$others $pid" ;;
      *'worker process') [ "$ppid" != 1 ] || orphans=$((orphans + 1)) ;;
    esac
  done
  IFS=$old_ifs
  [ ! -e "$pid_path.oldbin" ] || oldbin=yes
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

# Whether the target looks the same from process $1 (units with PrivateTmp have a mount namespace of their own). A link would be followed
# in our own root, so what holds it and what it leads to are looked at.
same_view() {
  [ "/proc/$1/root${target%/*}/." -ef "${target%/*}/." ] || return 1
  if [ -L "$target" ]; then
    [ "/proc/$1/root$state/." -ef "$state/." ]
  else
    [ ! -e "$target" ] || [ "/proc/$1/root$target/." -ef "$target/." ]
  fi
}

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

