# --------------------------------------------------------------------------------------------------- memory

# Sets descriptor to the number under which process $1 holds file $2; a descriptor that is likely is tried first.
descriptor_of() {
  if [ -n "$3" ] && [ "/proc/$1/fd/$3" -ef "$2" ]; then
    descriptor=$3
    return 0
  fi
  for path in "/proc/$1/fd"/*; do
    [ "$path" -ef "$2" ] || continue
    descriptor=${path##*/}
    return 0
  done
  return 1
}

# Whether the master and all serving workers hold the identity of release $1.
all_hold() {
  [ -e "$state/id/$1" ] && [ "$serving_count" -gt 0 ] && descriptor_of "$master" "$state/id/$1" "" || return 1
  for child in $serving; do
    descriptor_of "$child" "$state/id/$1" "$descriptor" || return 1
  done
}

# Sets held: the ids that the master or any worker holds. Not for the busy path.
read_held() {
  held=''
  for identity_file in "$state"/id/*; do
    [ -e "$identity_file" ] || continue
    for child in "$master" $serving; do
      descriptor_of "$child" "$identity_file" "" || continue
      held="$held${identity_file##*/} "
      break
    done
  done
}

# Sets memory and memory_note. $1: yes when the disk was hashed and is the live release, no when it differs, empty: not known.
read_memory() {
  memory='' memory_note=''
  if [ "$program" != nginx ]; then
    memory_note="what another program than nginx holds in memory cannot be proved"
  elif [ -z "$master" ]; then
    memory_note="${nginx_problem:-nginx does not run}"
  elif [ "$serving_count" -eq 0 ]; then
    memory_note="the master (pid $master) has no worker that serves"
  elif [ -n "$live" ] && all_hold "$live"; then
    memory=$live memory_note="held open by the master and $serving_count worker(s)"
  else
    read_held
    if [ -z "$held" ]; then
      prove_by_time "$1"
    else
      for word in $held; do
        if all_hold "$word"; then
          memory=$word memory_note="held open by the master and $serving_count worker(s)"
        fi
      done
      [ -n "$memory" ] || memory_note="master and workers do not hold the same release ($held)"
    fi
  fi
  [ -z "$memory" ] || mind_edits
}

# The same, where the disk is looked at only if that can matter: release $1, which is live, bears no identity.
read_memory_beside() {
  same=''
  if ! has_identity "$1"; then
    is_intact "$target" "$1" && same=yes
  fi
  read_memory "$same"
}

# Whether a worker started after release $1 was last proved to be in memory (a reload by hand, or one that died), or that is not known. Sets
# proved, proved_as.
any_younger() {
  proved='' proved_boot='' proved_at=0 proved_as=''
  { read -r proved proved_boot _ proved_at proved_as <"$private/loaded"; } 2>/dev/null
  [ "$proved" = "$1" ] && [ "$proved_boot" = "$boot" ] || return 0
  # One that is gone by now may have an heir already.
  for child in "$master" $serving; do
    stat_of "$child" && [ "$started" -le "$proved_at" ] || return 0
  done
  return 1
}

# What was written into a live release and loaded bears its name in memory, until something else is loaded: freeze wrote down what it is.
mind_edits() {
  proved='' proved_as=''
  { read -r proved _ _ _ proved_as <"$private/loaded"; } 2>/dev/null
  [ "$proved_as" = "$memory" ] || return 0
  if [ "$proved" != - ] && ! any_younger "$proved"; then
    memory=$proved memory_note="$memory_note, under the name of $proved_as, into which it was written"
  else
    memory='' memory_note="it was loaded as $proved_as, but that was edited while nginx ran, so what is in memory is not proved"
  fi
}

# Nothing that runs names a release. What was last proved still holds if every worker is older than that proof, or if the same bytes
# still stand on disk, whatever was loaded since.
prove_by_time() {
  proved=''
  { read -r proved _ <"$private/loaded"; } 2>/dev/null
  case $proved in
    '')
      memory_note="no release of deployer was ever loaded here"
      return
      ;;
    -)
      memory_note="files were edited by hand while nginx ran"
      return
      ;;
  esac
  if [ -f "$releases/$proved/${main:-.}" ] && [ -e "$state/id/$proved" ]; then
    memory_note="no process holds the identity of $proved any more"
    return
  fi
  if ! any_younger "$proved"; then
    memory=$proved memory_note="by time: master and workers are older than the last proof"
  elif [ "$live" = "$proved" ] && [ "$1" = yes ]; then
    memory=$proved memory_note="by time: the same bytes have stood on disk since it was last loaded"
  else
    memory_note="no worker names a release, and they started after $proved was last proved"
  fi
}

# Remember that release $1 was seen in memory now; -: something that is no release. $2: under whose name, where it is not its own.
write_loaded() {
  [ "$program" = nginx ] || return 0
  read_uptime
  printf '%s %s %s %s\n' "$1" "$boot" "${master:-0}" "$uptime_cs${2:+ $2}" >"$private/loaded" 2>/dev/null
}

