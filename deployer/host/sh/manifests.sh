# --------------------------------------------------------------------------------------------------- manifests

# What stands in the current directory, as NUL-ended records in find's order: three processes, however many files. A digest
# with its path as sha256sum writes it; for an executable and for a link the fill, a sign and the path; "~~" is no release.
# find flushes its own output before each sha256sum, so no two records mix. $1: a file for the relative links that go up, if wanted;
# /dev/stderr: what is preserved goes there, as preserved says it.
scan() {
  kept_at=''
  case ${1-} in
    '') ;;
    /dev/stderr)
      kept_at=$1
      shift
      ;;
    *) set -- \( -type l -lname '*..*' ! -lname '/*' -fprintf "$1" '%P//%l\n' -o -true \) ;;
  esac
  if [ -n "$preserve" ] && [ -n "$kept_at" ]; then
    set -- \( ! -regex "$preserve" -o \( ! -type d -o -empty \) -fprintf "$kept_at" "$preserved_as" -false \)
  elif [ -n "$preserve" ]; then
    set -- "$@" ! -regex "$preserve"
  fi
  find . -regextype posix-extended "$@" \( -type l -printf "$fill##%p\\001//%l\\0" \
    -o -type f -exec sha256sum -z -- {} + \( ! -perm -100 -o -printf "$fill!!%p\\0" \) -o -type d -o -printf "$fill~~%p\\0" \)
}

# The canonical manifest of such records in the files $2…, after those on standard input. $1: digest of the main file without its
# identity line, if any. No path has two slashes, so the first sign that stands before two ends a link's.
canonical() {
  # Sorting is stable: of the two records of the main file the first one stays.
  twice=''
  [ -z "$1" ] || twice="\\|^[0-9a-f]\\{64\\}  \\./$main_pattern\$|{x;s/^/x/;/xx/{x;d};x};"
  digest=$1
  shift
  printf 'files\0'
  {
    printf '%s!!\0%s##\0' "$fill" "$fill"
    [ -z "$digest" ] || printf '%s  ./%s\0' "$digest" "$main"
    [ $# -gt 0 ] || scan
  } | sort -z -s -k1.65,1.66 -k1.67 - "$@" |
    sed -z -e "${twice}s/^$fill!!\$/exec/;t;s/^$fill##\$/links/;t;s/^$fill!!//;t;/^$fill##/{s///;s,\\x01//,//,}"
}

# The canonical manifest of directory $1, whatever it is. Changes the current directory: for a subshell.
manifest_of() {
  cd -P -- "$1" 2>/dev/null || return 1
  digest=''
  if [ -n "$main" ] && [ -f "$main" ] && [ ! -L "$main" ]; then
    digest=$(sed -z "$strip" "$main" | sha256sum)
    digest=${digest%% *}
  fi
  canonical "$digest"
}

# Sets hashed to the tree hash of directory $1.
hash_tree() {
  hashed=$(manifest_of "$1" | sha256sum)
  hashed=${hashed%% *}
}

# Sets recorded to the tree hash of release $1, false when it is not complete; ordered to the hash of its records as find gave them.
read_recorded() {
  [ "$recorded_of" != "$1" ] || return 0
  recorded_of='' recorded='' ordered=''
  { read -r recorded && read -r ordered; } 2>/dev/null <"$meta/$1/hash"
  is_hex64 "$recorded" && recorded_of=$1
}

# Whether directory $1 is what was recorded of release $2, its identity line included.
is_intact() {
  case "$intact " in *" $1//$2 "*) return 0 ;; esac
  read_recorded "$2" || return 1
  # A directory lists its files in the same order as long as none comes or goes; another order only takes longer.
  if [ -n "$ordered" ] && [ "$kind.$1" != "directory.$target" ]; then
    # First what find lists, then what sha256sum says at its end: one process fewer than to list them again.
    seen=$({ cd -P -- "$1" && scan /dev/stderr 2>&3 | sha256sum; } 3>&1)
    case $seen in
      *"$ordered  -")
        listed_before=$listed listed_before_at=$listed_at
        listed=${seen%"$ordered  -"} listed_at=$1
        listed=${listed%"$nl"}
        intact="$intact $1//$2"
        return 0
        ;;
    esac
  fi
  if (cd -P -- "$1" && { scan; cat "$meta/$2/raw"; } | sort -z | uniq -zu | { IFS= read -r line; [ -n "$line" ]; }); then return 1; fi
  intact="$intact $1//$2"
}

# The names by which directory $1 differs from release $2, at most 100 lines.
differences() {
  (cd -P -- "$1" && { scan; cat "$meta/$2/raw"; }) | sort -z | uniq -zu | names_of
}

# Paths of NUL-ended records, one a line; a newline in a name is shown as "?".
names_of() { sed -z -e "s/^[0-9a-f]\{64\}..\.\///;s/\x01.*//" | sort -zu | tr '\n\0' '?\n' | head -n 100; }

# Fails with 69 unless release $1 is complete and its bytes are its manifest's.
need_intact() {
  [ -d "$releases/$1" ] && read_recorded "$1" ||
    fail 67 "Release $1 is not in $releases any more; deploy its revision again (deploy --rev)."
  is_intact "$releases/$1" "$1" ||
    fail 69 "The bytes of release $1 in $releases are not those of its manifest; somebody wrote there." "$(differences "$releases/$1" "$1")"
}

