# --------------------------------------------------------------------------------------------------- port clash

# Refuses a release that listens where another process of the host does: nginx's own test passes over ports in use.
refuse_clash() {
  read_listening "$keeper"
  wanted=$listening
  read_listening self
  taken='' kept=''
  old_ifs=$IFS
  IFS=$nl
  set -f
  for entry in $listening; do
    inode=${entry##* }
    case $own_sockets in *"socket:[$inode]"*) kept=$kept${entry% *}$nl; continue ;; esac
    taken=$taken$entry$nl
  done
  for entry in $wanted; do
    # PROTOCOL PORT ADDRESS INODE
    entry=${entry% *}
    # What live has already, it keeps, whoever listens beside it.
    case $nl$kept in *"$nl$entry$nl"*) continue ;; esac
    address=${entry##* }
    place=${entry% *}
    case $nl$taken in *"$nl$place "*) ;; *) continue ;; esac
    for other in $taken; do
      case $other in "$place "*) ;; *) continue ;; esac
      inode=${other##* }
      other=${other% *}
      overlaps "$address" "${other##* }" || continue
      set +f
      IFS=$old_ifs
      port=${place#* }
      owner_of "$inode"
      case ${other##* } in *:*) other="[${other##* }]:$port" ;; *) other=${other##* }:$port ;; esac
      tell_untouched
      fail 65 "The rehearsal refuses release $release: it listens on port $port (${place% *}), where $owned_by listens already ($other), so nginx would refuse the reload. $untouched"
    done
  done
  set +f
  IFS=$old_ifs
}

# Whether a socket on address $1 keeps one on address $2 away. "*" is IPv6 and IPv4 at once.
overlaps() {
  [ "$1" != "$2" ] || return 0
  case $1:$2 in
    '*:'* | *':*') return 0 ;;
  esac
  case $1 in *:*) six=yes ;; *) six=no ;; esac
  case $2 in *:*) [ $six = yes ] || return 1 ;; *) [ $six = no ] || return 1 ;; esac
  case $1 in 0.0.0.0 | ::) return 0 ;; esac
  case $2 in 0.0.0.0 | ::) return 0 ;; esac
  return 1
}

# Sets owned_by to who holds socket $1.
owner_of() {
  owned_by="another process"
  holder=$(find /proc/[0-9]*/fd -lname "socket:\[$1\]" -printf '%h\n' -quit 2>/dev/null)
  holder=${holder#/proc/}
  holder=${holder%%/*}
  if is_digits "$holder" && { read -r name <"/proc/$holder/comm"; } 2>/dev/null; then
    case $name in *[![:print:]]*) name=process ;; esac
    owned_by="$name (pid $holder)"
  fi
}

# Sets listening to the sockets of the network of process $1, a line each: PROTOCOL PORT ADDRESS INODE; the address without brackets, "*" for both families.
read_listening() {
  listening=''
  if command -v ss >/dev/null; then
    if [ "$1" = self ]; then seen=$(ss -Hltune 2>/dev/null); else seen=$(nsenter --net="/proc/$1/ns/net" ss -Hltune 2>/dev/null 4>&- 5<&- 6<&-); fi
    while read -r layer _ _ _ at rest; do
      case $rest in *ino:*) ;; *) continue ;; esac
      inode=${rest#*ino:}
      number=${at##*:} at=${at%:*}
      at=${at%%%*}
      at=${at#\[}
      at=${at%\]}
      listening="$listening$layer $number $at ${inode%% *}$nl"
    done <<END
$seen
END
    return 0
  fi
  # A wildcard of IPv6 is taken for both families: the kernel's list does not tell.
  for layer in tcp udp; do
    wanted_state=0A
    [ $layer = tcp ] || wanted_state=07
    seen=$(sed -n 's/^ *[0-9]*: \([0-9A-F]*\):\([0-9A-F]\{4\}\) 0*:0000 '$wanted_state' [^ ]* [^ ]* [^ ]* *[0-9]* *[0-9]* \([0-9]*\) .*/\1 \2 \3/p' "/proc/$1/net/$layer" "/proc/$1/net/${layer}6" 2>/dev/null)
    while read -r at number inode; do
      [ -n "$inode" ] || continue
      hex_address "$at"
      address=${address#\[}
      address=${address%\]}
      [ "$address" != :: ] || [ "$1" != self ] || address='*'
      listening="$listening$layer $((0x$number)) $address $inode$nl"
    done <<END
$seen
END
  done
}
