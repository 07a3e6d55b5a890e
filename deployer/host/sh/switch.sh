# --------------------------------------------------------------------------------------------------- the switch

# Point STATE/live at release $1, by one rename; all that was written before it is on disk by then: keep_tree saw to that,
# unless something was carried since.
point_live() {
  [ ! -L "$state/.live.new" ] || rm -f "$state/.live.new"
  [ "$carried" = no ] || sync -f "$state" || cannot_write "$state"
  ln -s "releases/$1" "$state/.live.new" && mv -T "$state/.live.new" "$state/live" || cannot_write "$state"
}

link_name() { beside=${target%/*}/.${target##*/}; }

# Exchange $1 and $2 by one rename where something here can call it; 18 when they are on an overlay's lower layer.
exchange() {
  if [ -x /usr/bin/perl ]; then
    # shellcheck disable=SC2016 # perl's variables
    perl -e 'use POSIX (); my $m = (POSIX::uname())[4]; my %n = (x86_64 => 316, aarch64 => 276, riscv64 => 276, ppc64le => 357, s390x => 347);
      exit 2 unless $n{$m}; my ($a, $b) = @ARGV; exit 0 if syscall($n{$m}, -100, $a, -100, $b, 2) == 0; exit($! == 18 ? 18 : 2)' "$1" "$2" 2>/dev/null
    exchanged=$?
    [ "$exchanged" -ne 0 ] && [ "$exchanged" -ne 18 ] || return "$exchanged"
  fi
  mv --exchange -T "$1" "$2" 2>/dev/null
}

# Put a symlink to STATE/live in the place of the plain directory. The directory is kept beside it until promote.
# private/converting is there as long as this is under way; repair reads it.
convert() {
  link_name
  rm -rf "$beside.deployer-before" "$beside.deployer-new"
  replace_file "$private/converting" "intact$nl$live$nl" || cannot_write "$private"
  ln -s "$state/live" "$beside.deployer-new" || cannot_write "${target%/*}"
  exchange "$beside.deployer-new" "$target"
  case $? in
    0) mv -T "$beside.deployer-new" "$beside.deployer-before" ;;
    18) convert_by_copy ;;
    *)
      # mv alone would copy and remove where it cannot rename; a rename of the directory onto a name that is free is tried first.
      if mv -T --no-copy "$target" "$beside.deployer-before" 2>/dev/null; then
        mv -T "$beside.deployer-new" "$target"
      else
        convert_by_copy
      fi
      ;;
  esac || fail 70 "$target could not be replaced by a symbolic link; the next call puts it right."
  sync -f "${target%/*}"
  rm -f "$private/converting" "$private/directory"
}

# The directory cannot be renamed (an overlay's lower layer): copy it whole, and only then replace it.
convert_by_copy() {
  cp -a "$target" "$beside.deployer-before" && sync -f "${target%/*}" || return 1
  replace_file "$private/converting" "removing$nl$live$nl" || return 1
  rm -rf "$target" && mv -T "$beside.deployer-new" "$target"
}

# Finish or take back what a killed call left. Cheap when there is nothing.
repair() {
  [ "$repaired" = no ] || return 0
  repaired=yes
  for leftover in "$private"/incoming/*; do
    [ ! -e "$leftover" ] || rm -rf "$private"/incoming/*
    break
  done
  [ ! -f "$private/mending" ] || { read_live; finish_mending; }
  [ -f "$private/converting" ] || return 0
  { read -r phase && read -r came_from; } <"$private/converting"
  link_name
  if [ -L "$target" ]; then
    # The exchange was done; what it displaced may still carry the link's name.
    [ ! -d "$beside.deployer-new" ] || [ -L "$beside.deployer-new" ] || mv -T "$beside.deployer-new" "$beside.deployer-before"
    rm -f "$private/directory"
  elif [ "$phase" = intact ] && [ -d "$target" ]; then
    rm -f "$beside.deployer-new"
    rm -rf "$beside.deployer-before"
    point_live "$came_from"
  else
    # The directory is gone, or partly: what it held is release $came_from, byte for byte.
    point_live "$came_from"
    rm -rf "$target"
    rm -f "$beside.deployer-new"
    ln -s "$state/live" "$beside.deployer-new" && mv -T "$beside.deployer-new" "$target" || fail 70 "$target could not be repaired; make it a symbolic link to $state/live."
    rm -f "$private/directory"
  fi
  sync -f "${target%/*}"
  rm -f "$private/converting"
  say repaired "$target"
}

# Copy preserved paths of the outgoing tree $1 to the incoming tree $2, and remove those that the outgoing one lacks.
# Sets carried=yes when something was different (the result has then not been validated yet).
carry_preserved() {
  carried=no
  [ -n "$preserve" ] || return 0
  listing_of "$1"
  leaving=$listing
  listing_of "$2"
  [ "$leaving" != "$listing" ] || return 0
  [ "$(preserved "$1" | sort)" != "$(preserved "$2" | sort)" ] || return 0
  carried=yes
  crossed=$( (cd "$1" && find . -type d -print0 && cd "$2" && find . -type l -print0) | sort -z | uniq -zd | tr '\n\0' '?\n' | head -n 20)
  if [ -n "$crossed" ] && [ -n "$(cd "$2" && (cd "$1" && find . -regextype posix-extended ! -type d -regex "$preserve" -print0) |
    while_through "$crossed")" ]; then
    fail 67 "A preserved path would be written through a symbolic link of the release; change target.preserve or the release." "$crossed"
  fi
  (cd "$2" && find . -mindepth 1 -regextype posix-extended ! -type d -regex "$preserve" -exec rm -f -- {} +) &&
    (cd "$1" && find . -mindepth 1 -regextype posix-extended \( ! -type d -o -type d -empty \) -regex "$preserve" \
      -exec cp -a --no-preserve=links --parents -t "$2" -- {} +) || cannot_write "$private" "Preserved paths could not be copied."
}

# Those of the NUL-ended paths on standard input that lie below one of the directories $1 (lines).
while_through() {
  tr '\n\0' '?\n' | while IFS= read -r path; do
    old_ifs=$IFS
    IFS=$nl
    set -f
    for directory in $1; do
      case $path in "$directory"/*) printf '%s\n' "$path" ;; esac
    done
    IFS=$old_ifs
  done
}

# What tells the preserved files of a directory from others, as find prints it. No path holds "//".
preserved_as='%P//%y %s %T@ %m %U:%G %l//\n'

# That of directory $1, in the order in which it lists them.
preserved() {
  cd "$1" && find . -mindepth 1 -regextype posix-extended -regex "$preserve" \( ! -type d -o -type d -empty \) -printf "$preserved_as"
}

# Sets listing to that: as it was seen a moment ago, when the directory was hashed, under the same lock.
listing_of() {
  case $1 in
    "$listed_at") listing=$listed ;;
    "$listed_before_at") listing=$listed_before ;;
    *) listing=$(preserved "$1") ;;
  esac
}
