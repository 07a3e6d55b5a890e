# --------------------------------------------------------------------------------------------------- validation

# What runs inside the private namespaces. The whole machine is seen through overlays whose upper layers live in one tmpfs, so the validator may
# create, chown and append wherever its configuration says, and nothing of it remains. The target is made what it will be after the switch:
# a link to STATE/live, and that a link to the release. Big logs are masked: an overlay copies a file whole when it is appended to.
# A rehearsal adds mounts and directories of its own (extra_mounts, extra_dirs).
# shellcheck disable=SC2016 # it is a program for another shell
private_root='
set -u
work=$1 target=$2 state=$3 release=$4 masks=$5
shift 5
cannot() { printf "deployer-cannot: %s\n" "$1"; exit 1; }
mount -n -t tmpfs -o size=256m,mode=0711 deployer "$work" || cannot "a tmpfs cannot be mounted"
root=$work/root
set -f
table="deployer $root overlay lowerdir=/,upperdir=$work/u0,workdir=$work/w0 0 0
"
binds="" dirs="$root $work/u0 $work/w0" seen=" " count=0
while read -r _ _ _ _ at _ rest; do
  rest=${rest#*- }
  case $at in / | /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | "$work"*) continue ;; esac
  case $seen in *" $at "*) continue ;; esac
  seen="$seen$at "
  case ${rest%% *} in autofs | nsfs | proc | sysfs) continue ;; esac
  count=$((count + 1))
  [ "$count" -le 400 ] || cannot "there are too many mounts"
  case $at in *[,:\\]*) plain=yes ;; *) plain=no; [ -d "$at" ] || plain=yes ;; esac
  if [ $plain = yes ]; then
    binds="$binds$at $root$at none bind,ro 0 0
"
  else
    dirs="$dirs $work/u$count $work/w$count"
    binds="$binds""deployer $root$at overlay lowerdir=$at,upperdir=$work/u$count,workdir=$work/w$count 0 0
"
  fi
done </proc/self/mountinfo
for at in /proc /sys /dev; do binds="$binds$at $root$at none rbind 0 0
"; done
IFS="
"
for at in $masks; do
  case $at in *[!A-Za-z0-9_./@+=-]*) continue ;; esac
  binds="$binds$work/empty $root$at none bind 0 0
"
done
unset IFS
binds="$binds${extra_mounts-}"
mkdir $dirs ${extra_dirs-} || cannot "the tmpfs cannot be written"
: >"$work/empty"
echo 0 >"$work/one-cpu"
printf "%s%s" "$table" "$binds" >"$work/fstab"
if ! mount -n -a -T "$work/fstab" 2>"$work/errors"; then
  grep -q " $root " /proc/self/mountinfo || { printf "%s" "$table" >"$work/fstab"; mount -n -a -T "$work/fstab"; } ||
    cannot "an overlay over / cannot be mounted"
  # Some mount takes no overlay (a network file system, say): read-only, then. And what others unmounted or removed since it was listed is
  # not there for anybody: no fault of the candidate.
  printf "%s" "$binds" | while read -r what at kind options _; do
    grep -q " $at " /proc/self/mountinfo && continue
    if [ "$kind" = overlay ]; then
      mount -n -t overlay -o "$options" "$what" "$at" && continue
      what=${at#"$root"} options=rbind,ro
    fi
    mount -n --bind -o "$options" "$what" "$at" || [ ! -e "$at" ] || [ ! -e "$what" ] || exit 1
  done 2>>"$work/errors" || { read -r line <"$work/errors"; cannot "$line"; }
fi
if [ -n "$release" ] && [ ! -L "$root$target" ]; then
  rm -rf "$root$target" && ln -s "$state/live" "$root$target" || cannot "$target cannot be replaced in the overlay"
fi
[ -z "$release" ] || ln -sfn "$release" "$root$state/live" || cannot "$state/live cannot be replaced in the overlay"
'
# shellcheck disable=SC2016
inside=$private_root'printf "deployer-ready\n"
exec chroot "$root" "$@"
'

# Runs the validator with the directory $1 (below STATE; empty: what is there) standing at the target. Returns 0, 65, or 67; sets output.
run_validator() {
  output=''
  [ -n "$binary" ] || { output="${argv%%"$nl"*} is not on this host"; return 67; }
  run_isolated "$1"
  set -- "$1" "$?"
  # Of what is live nothing is tested in a weaker way: that is a look, which holds no lock.
  [ "$2" = 67 ] && [ "$fallback" = rewrite ] && [ -n "$1" ] || return "$2"
  no_isolation=${output%%"$nl"*}
  run_rewritten "$1"
  set -- "$?"
  case $1 in
    0) output="tested in a weaker way (validate_fallback: rewrite): $no_isolation${output:+$nl$output}" ;;
    67) output="$output; and $no_isolation" ;;
  esac
  return "$1"
}

# The same in private namespaces.
run_isolated() {
  for word in unshare mount chroot timeout; do
    command -v "$word" >/dev/null || { output="$word is not on this host (util-linux, coreutils)"; return 67; }
  done
  masks=''
  if [ "$program" = nginx ]; then
    # What the running nginx writes to, if it is big.
    pid_named=''
    [ ! -f "$pid_path" ] || { read -r pid_named <"$pid_path"; } 2>/dev/null
    is_digits "$pid_named" || pid_named=self
    masks=$(find -L "/proc/$pid_named/fd" /var/log/nginx -maxdepth 1 -type f -size +64k -exec readlink -f -- {} + 2>/dev/null)
  fi
  old_ifs=$IFS
  IFS=$nl
  set -f
  # shellcheck disable=SC2086 # argv, one word a line
  set -- "$private/test" "$target" "$state" "$1" "$masks" $argv
  set +f
  IFS=$old_ifs
  # KILL: unshare ignores TERM while it waits, and takes its child with it.
  output=$({ timeout -s KILL "$test_limit_s" unshare -m -p -f --kill-child=KILL --mount-proc --propagation private sh -c "$inside" deployer-test "$@" \
    2>&1 9>&- 8>&- 7>&- 6<&-; printf '\ndeployer-exit %s' "$?"; } | tail -c 65536)
  code=${output##*deployer-exit }
  output=${output%"${nl}deployer-exit $code"}
  output=${output%"$nl"}
  case $output in
    'deployer-ready'*)
      output=${output#deployer-ready}
      output=${output#"$nl"}
      ;;
    *deployer-ready"$nl"*) output=${output#*deployer-ready"$nl"} ;;
    *'deployer-cannot: '*)
      output="the private file system for the test could not be made: ${output##*deployer-cannot: }"
      return 67
      ;;
    *)
      if [ "$code" = 137 ]; then output="setting up the test took longer than $test_limit_s s"; else output="the private namespaces for the test could not be made: ${output%%"$nl"*}"; fi
      return 67
      ;;
  esac
  drop_good_news
  case $code in
    0) return 0 ;;
    137) output="$output${nl}the validator was stopped after $test_limit_s s" ;;
    *)
      case $output in
        *'(28: No space left on device)'*)
          output="the test ran out of its 256 MB of scratch space$nl$output"
          return 67
          ;;
        *'(30: Read-only file system)'*)
          output="it writes to a file system over which no overlay can be mounted: $output"
          return 67
          ;;
      esac
      ;;
  esac
  return 65
}

# nginx's two lines of good news are no warnings.
drop_good_news() {
  case $output in
    *': configuration file '*' test is successful')
      output=${output%nginx: configuration file *}
      output=${output%nginx: the configuration file * syntax is ok"$nl"}
      ;;
  esac
}

# The same where no private namespaces can be had and the playbook allows it: on a copy in which the target's path is replaced by the copy's.
# Weaker: a path that is put together by nginx itself is not seen, and the validator may make logs and directories on the host itself.
run_rewritten() {
  copy=$private/incoming/rewritten
  rm -rf "$copy"
  { mkdir -p "$private/incoming" && cp -a "$state/$1" "$copy"; } 2>/dev/null || { output="a copy of it cannot be made"; return 67; }
  dots=$target pattern=''
  while :; do
    case $dots in
      *.*)
        pattern=$pattern${dots%%.*}'[.]'
        dots=${dots#*.}
        ;;
      *) break ;;
    esac
  done
  pattern=$pattern$dots
  grep -rlIZF -- "$target" "$copy" 2>/dev/null | xargs -0r sed -i -e "s#$pattern\([^A-Za-z0-9_.@+-]\|\$\)#$copy\1#g" -- || { output="paths cannot be rewritten in the copy"; return 67; }
  # Nobody but root writes here, and a path of the target holds no line break; what a link points at may.
  find "$copy" -type l -lname "$target/*" ! -name "*$nl*" -printf '%p\n' | while IFS= read -r link; do
    word=$(readlink "$link")
    ln -sfn "$copy${word#"$target"}" "$link" || exit 1
  done || { output="links cannot be rewritten in the copy"; return 67; }
  pointed=no words=''
  old_ifs=$IFS
  IFS=$nl
  set -f
  for word in $argv; do
    case $word in "$target" | "$target"/*) word=$copy${word#"$target"} pointed=yes ;; esac
    words=$words$word$nl
  done
  if [ $pointed = no ] && [ "$program" = nginx ] && [ -n "$main" ]; then words=$words-c$nl$copy/$main$nl pointed=yes; fi
  # shellcheck disable=SC2086 # argv, one word a line
  set -- $words
  set +f
  IFS=$old_ifs
  [ $pointed = yes ] || { output="${argv%%"$nl"*} names no path below $target, so it cannot be pointed at a copy"; return 67; }
  output=$({ timeout -s KILL "$test_limit_s" "$@" 2>&1 9>&- 8>&- 7>&- 6<&-; printf '\ndeployer-exit %s' "$?"; } | sed "s#$copy#$target#g" | tail -c 65536)
  code=${output##*deployer-exit }
  output=${output%"${nl}deployer-exit $code"}
  output=${output%"$nl"}
  rm -rf "$copy"
  drop_good_news
  case $code in
    0) return 0 ;;
    137) output="$output${nl}the validator was stopped after $test_limit_s s" ;;
  esac
  return 65
}

# Fails unless the release $1 validates at the target.
validate_release() {
  run_validator "releases/$1"
  case $? in
    0) { printf '%s\n' "$deployment" >"$meta/$1/valid"; } 2>/dev/null ;; # a full disk must not stop a way back
    65)
      tell_untouched
      fail 65 "${argv%%"$nl"*} refuses the configuration of release $1 on this host. $untouched" "$output"
      ;;
    *)
      tell_untouched
      fail 67 "Release $1 cannot be tested on this host: ${output%%"$nl"*}. $untouched"
      ;;
  esac
}

