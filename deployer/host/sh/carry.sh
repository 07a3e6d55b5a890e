# --------------------------------------------------------------------------------------------------- what carries the guard

# Sleeps until the deadline in the guard file, looks again (a renewal only rewrites it), and starts the agent when it has passed; every 10 s
# again as long as that does not succeed. Gives way when the file is gone or another deployment's. Runs before the rest is read: it lives long.
# carry INSTANCE DEPLOYMENT [late]; late: the boot was another one, so the deadline says nothing.
carry() {
  LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  case ${1-} in "$base"/instance/?*) ;; *) exit 64 ;; esac
  cd / && read -r stat_line <"/proc/$$/stat" || exit 70
  carried_by=$$ instance=$1 deployment=${2-} late=${3-}
  # shellcheck disable=SC2086 # fields
  set -- ${stat_line##*) }
  printf '%s %s\n' "$carried_by" "${20-}" >"$instance/guardian" || exit 70
  printf 'ready\n'
  exec </dev/null >/dev/null 2>&1
  while [ -f "$instance/guard" ]; do
    due='' armed_by=''
    while IFS= read -r line; do
      case $line in due=*) due=${line#*=} ;; deployment=*) armed_by=${line#*=} ;; esac
    done <"$instance/guard"
    [ "$armed_by" = "$deployment" ] || exit 0
    if [ -z "$late" ]; then
      # The uptime counts on while a machine sleeps and sleep does not: not too long at a time.
      read -r uptime _ </proc/uptime
      left=$((due - ${uptime%.*} * 100 - (1${uptime#*.} - 100)))
      if [ "$left" -gt 0 ]; then
        [ "$left" -lt 3000 ] || left=3000
        part=$((left % 100))
        case $part in ?) part=0$part ;; esac
        sleep "$((left / 100)).$part"
        continue
      fi
    fi
    sh "$base/agent.sh" guard <"$instance/guard" || sleep 10
  done
  exit 0
}

[ "${1-}" != carry ] || { shift && carry "$@"; }

