# --------------------------------------------------------------------------------------------------- questions to a rehearsal

dump_limit=16777216 # bytes of what nginx reads, for each of the two

# What nginx says it reads, as a file of the rehearsal's.
dump() {
  old_ifs=$IFS
  IFS=$nl
  set -f
  # shellcheck disable=SC2086 # one word a line
  set -- "$1" $words
  set +f
  IFS=$old_ifs
  part=$1
  shift
  in_rehearsal "$binary" -T "$@" 2>/dev/null | head -c $((dump_limit + 1)) >"$inside/deployer-rehearsal/$part"
}

# Has the rehearsed nginx replace itself by one in the host's network: it keeps its listening sockets in the private one and reaches the
# real upstreams. Sets answering; where that cannot be, a note says why.
open_to_questions() {
  unasked=''
  dump candidate
  if [ -z "$addresses" ]; then
    unasked="ip is not on this host (iproute2)"
  elif ! command -v perl >/dev/null && ! command -v bash >/dev/null && ! command -v nc >/dev/null; then
    unasked="none of perl, bash and nc is on this host"
  elif ! is_path "$binary"; then
    unasked="the path of $binary holds odd characters"
  else
    hand_over
  fi
  if [ -z "$unasked" ]; then
    answering=yes
  else
    say note "no questions were asked: $unasked"
  fi
}

hand_over() {
  without=''
  # It has all its sockets by now; should it want another one, it must not get one where users come.
  ! command -v setpriv >/dev/null || without='setpriv --bounding-set -net_bind_service -- '
  printf '#!/bin/sh\nexec nsenter --net=/deployer-rehearsal/net -- %s%s "$@"\n' "$without" "$binary" >"$inside/deployer-rehearsal/wrapper"
  in_rehearsal sh -c 'cd /deployer-rehearsal && chmod 0755 wrapper && mv -f wrapper nginx && { [ ! -e hosts ] || umount -n /etc/hosts; }' 2>/dev/null ||
    { unasked="its program could not be exchanged"; return; }
  kill -USR2 "$rehearsed"
  successor=''
  read_uptime
  began_cs=$uptime_cs
  while [ -z "$successor" ]; do
    sleep 0.02 4>&- 5<&-
    children=''
    { read -r children <"/proc/$rehearsed/task/$rehearsed/children"; } 2>/dev/null
    for pid in $children; do
      is_serving_master "$pid" || continue
      successor=$pid
      break
    done
    read_uptime
    if [ -z "$successor" ] && [ $((uptime_cs - began_cs)) -gt 1000 ]; then
      reasons=$(tail -c 20000 "/proc/$rehearsed/fd/2" 2>/dev/null | grep -F '[emerg]' | tail -n 1)
      first_reason
      unasked="nginx could not be brought into the network of the host ($reason)"
      return
    fi
  done
  [ "/proc/$successor/ns/net" -ef /proc/self/ns/net ] || { unasked="nginx is not in the network of the host"; return; }
  its_sockets=$(readlink "/proc/$successor/fd"/* 2>/dev/null)
  read_listening self
  old_ifs=$IFS
  IFS=$nl
  for entry in $listening; do
    case $its_sockets in *"socket:[${entry##* }]"*) unasked="it would listen in the network of the host (${entry% *})" ;; esac
  done
  IFS=$old_ifs
  [ -z "$unasked" ] || return
  kill -QUIT "$rehearsed"
  while title_of "$rehearsed"; do
    read_uptime
    [ $((uptime_cs - began_cs)) -le 1500 ] || { unasked="its old workers do not end"; return; }
    sleep 0.02 4>&- 5<&-
  done
  rehearsed=$successor
}

# Says where the candidate listens and what nginx reads, and stays until the caller says a word or is gone.
answer_questions() {
  stat_of "$keeper"
  say keeper "$keeper:$started"
  switchboard=no
  ! command -v perl >/dev/null || switchboard=yes
  say switchboard "$switchboard"
  note "ok answering"
  read_listening "$keeper"
  while read -r layer number address _; do
    case $layer in
      '') ;;
      *)
        [ "$address" != '*' ] || { say listen "$layer $number 0.0.0.0"; address=::; }
        say listen "$layer $number $address"
        ;;
    esac
  done <<END
$listening
END
  while read -r _ _ _ flags _ _ _ at; do
    case $flags:$at in 00010000:/*) say listen "unix 0 $at" ;; esac
  done <"/proc/$keeper/net/unix"
  total=0
  for part in live candidate; do
    size=0
    [ ! -f "$inside/deployer-rehearsal/$part" ] || size=$(wc -c <"$inside/deployer-rehearsal/$part")
    if [ "$size" -gt "$dump_limit" ]; then
      say note "what nginx reads is more than $((dump_limit >> 20)) MB ($part)"
      : >"$inside/deployer-rehearsal/$part"
      size=0
    fi
    [ "$size" -gt 0 ] || : >"$inside/deployer-rehearsal/$part"
    say "$part" "$size"
    total=$((total + size))
  done
  say bytes "$total"
  flush
  cat "$inside/deployer-rehearsal/live" "$inside/deployer-rehearsal/candidate"
  say end 0
  say "done" "$token"
  flush
  case $switchboard in
    yes) switchboard ;;
    *) wait_for_word ;;
  esac
  end_rehearsal
  say gone "$token"
  # Nobody is served after that: what was asked for was said.
  exit 1
}

# shellcheck disable=SC2016 # a program in bash
relay_bash='
{ exec 3<>"/dev/tcp/$1/$2"; } 2>/dev/null || { printf "refused=yes\nend=67\n"; exit 1; }
printf "connected=%s\n" "$3"
exec 4<&0
cat <&3 & reader=$!
{ cat <&4 >&3; kill "$reader"; } 2>/dev/null & writer=$!
wait "$reader" 2>/dev/null
kill "$writer" 2>/dev/null
exit 1'

# Where there is no perl: passes bytes on between the caller and what the rehearsal of $keeper (PID:START) listens on; nothing else is in its network. Ends the agent.
do_relay() {
  is_digits "${keeper%%:*}" && is_digits "${keeper#*:}" || usage "keeper"
  case $address in '' | *[!0-9a-fA-F.:]*) usage "address" ;; esac
  is_digits "$port" && [ "$port" -ge 1 ] && [ "$port" -le 65535 ] || usage "port"
  pid=${keeper%%:*}
  title_of "$pid" || title=''
  case $title in *deployer-rehearsal) ;; *) fail 67 "The rehearsal on this host has ended." ;; esac
  stat_of "$pid" && [ "$started" = "${keeper#*:}" ] && [ -O "/proc/$pid" ] && ! [ "/proc/$pid/ns/net" -ef /proc/self/ns/net ] ||
    fail 67 "The rehearsal on this host has ended."
  net=/proc/$pid/ns/net
  flush
  if command -v bash >/dev/null; then
    exec timeout -s KILL 300 nsenter --net="$net" bash -c "$relay_bash" deployer-relay "$address" "$port" "$token" <&6 6<&-
  fi
  # nc does not say whether it could connect, so it is looked up before.
  to=$address
  read_listening "$pid"
  case $nl$listening in
    *"${nl}tcp $port "*) ;;
    *)
      say refused yes
      say end 67
      exit 1
      ;;
  esac
  say connected "$token"
  flush
  timeout -s KILL 300 nsenter --net="$net" nc "$to" "$port" <&6
  exit 1
}
