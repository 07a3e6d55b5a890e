# shellcheck shell=bash
# Sourced by the scripts beside it: makes a machine with nothing but git and Python ready, and cleans up after a run.
#
#   set_up             system packages and .venv, made or brought up to date
#   run_as_root CMD…   runs CMD as root in a directory of its own; Ctrl-C, TERM and HUP let it clean up first
#   nothing_left       says whether that run left a process, mount, namespace or link behind

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
LOCK=$ROOT/requirements/dev.txt
VENV=$ROOT/.venv
PATH=$PATH:/usr/sbin:/sbin # where nginx, sshd and ip are, also for an ordinary user
RUN_DIR=''

# What has to be there, and the Debian package that brings it.
GROUND='
git git
nginx nginx
sshd openssh-server
ssh openssh-client
ip iproute2
tc iproute2
unshare util-linux
flock util-linux
sudo sudo
systemd-nspawn systemd-container
busybox busybox
setfattr attr
setfacl acl
ps procps
perl perl-base
prometheus prometheus
shellcheck shellcheck
'

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$(basename "$0"): $*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" -eq 0 ]; }

as_root() {
    if is_root; then "$@"; else sudo "$@"; fi
}

# Asks for the password now, so that nothing asks in the middle of a run.
need_root() {
    is_root && return
    have sudo || die "needs root for $1, and there is no sudo: run it as root"
    if [ -t 0 ]; then
        sudo -v || die "needs root for $1, and sudo refused: run it as root"
    else
        sudo -n true 2>/dev/null || die "needs root for $1, and sudo asks for a password without a terminal: run it as root"
    fi
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Debian's own Python first: one brought by a version manager may lack parts it was not built with.
choose_python() {
    local candidate
    for candidate in "${DEPLOYER_PYTHON:-/usr/bin/python3}" python3 python3.14 python3.13 python3.12 python3.11; do
        if have "$candidate" && is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    die "needs Python 3.11 or newer and found none: install python3 (Debian 12 has 3.11)"
}

missing_packages() {
    local python=$1 program package
    while read -r program package; do
        if [ -n "$program" ] && ! have "$program"; then printf '%s\n' "$package"; fi
    done <<<"$GROUND"
    [ -x /lib/systemd/systemd ] || echo systemd # what boots in the lab's systemd hosts
    # The tests start a server of their own; Debian keeps the program out of the PATH.
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || have postgres || echo postgresql
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        case $python in
        /usr/bin/python3) echo python3-venv ;;
        *) echo "$(basename "$python")-venv" ;;
        esac
    fi
}

# Nothing that is installed here may start to listen, now or at the next boot: this is somebody's machine.
install_packages() {
    have apt-get || die "these packages are missing and there is no apt-get to install them: $*; install them by hand"
    need_root "installing $*"
    say "installing: $*"
    as_root sh -s -- "$@" <<'SH' || die "could not install $*: look above; is the network there?"
set -eu
exec 9>/run/lock/deployer-ground
flock -w 600 9 || { echo "another installation holds /run/lock/deployer-ground for ten minutes" >&2; exit 1; }
policy=/usr/sbin/policy-rc.d
saved=$policy.before-deployer
restore() {
    if [ -e "$saved" ]; then mv "$saved" "$policy"; else rm -f "$policy"; fi
}
log=$(mktemp)
trap 'restore; rm -f "$log"' EXIT
trap 'exit 130' INT TERM HUP
# A run that was killed leaves the saved one behind: that is the machine's own, ours only says no.
if [ -e "$policy" ] && [ ! -e "$saved" ]; then mv "$policy" "$saved"; fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

new_units=
for package in nginx:nginx openssh-server:ssh postgresql:postgresql prometheus:prometheus; do
    case " $* " in *" ${package%:*} "*) new_units="$new_units ${package#*:}.service" ;; esac
done

install() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq -y --no-install-recommends install "$@" \
        </dev/null >"$log" 2>&1
}
# The lists may be missing or old: try, refresh once, try again.
if ! install "$@"; then
    apt-get -o DPkg::Lock::Timeout=300 -qq update </dev/null >&2
    install "$@" || { tail -n 20 "$log" >&2; exit 1; }
fi
if [ -n "$new_units" ] && command -v systemctl >/dev/null; then
    # shellcheck disable=SC2086 # a list of unit names
    systemctl --quiet disable $new_units 2>/dev/null || true
fi
SH
}

# Everything the environment depends on, so that it is remade when one of them changed, and only then.
venv_stamp() {
    {
        printf '%s\n' "$ROOT"
        "$VENV/bin/python" -V
        sha256sum <"$LOCK"
        sha256sum <"$ROOT/pyproject.toml"
    } 2>/dev/null | sha256sum
}

venv_is_current() {
    is_new_enough "$VENV/bin/python" && [ -x "$VENV/bin/deployer" ] \
        && [ "$(venv_stamp)" = "$(cat "$VENV/deployer-stamp" 2>/dev/null)" ]
}

make_venv() {
    local python=$1
    local pip=("$VENV/bin/python" -m pip --disable-pip-version-check --quiet --quiet)
    say "making ready: $VENV"
    is_new_enough "$VENV/bin/python" || "$python" -m venv --clear "$VENV"
    "${pip[@]}" install --require-hashes -r "$LOCK" \
        || die "could not install what $LOCK lists: look above; is the package index there?"
    "${pip[@]}" install --no-deps --no-build-isolation --editable "$ROOT" || die "could not install the project itself"
    venv_stamp >"$VENV/deployer-stamp"
}

set_up() {
    local python packages
    python=$(choose_python)
    packages=$(missing_packages "$python" | sort -u)
    if [ -n "$packages" ]; then
        # shellcheck disable=SC2086 # a list of package names
        install_packages $packages
    fi
    venv_is_current && return
    # Two runs at once from this checkout: the second waits, then finds it done.
    exec 8<"$ROOT/requirements"
    flock -w 900 8 || die "another run has been making $VENV for 15 minutes: end it, then try again"
    venv_is_current || make_venv "$python"
    exec 8<&-
}

# Runs a command as root with directories of its own and gives its exit status. What it made is told apart from another
# run's by that directory's name: in the environment of its processes, and in what its labs know of themselves.
run_as_root() {
    local child='' status=0 terminal='' stop=''
    need_root "the lab's namespaces and mounts"
    RUN_DIR=$(mktemp -d /tmp/dr.XXXXXX)
    [ ! -t 0 ] || terminal=yes
    # A background command of a script ignores SIGINT unless told otherwise. Without a terminal it gets a session of its
    # own, so that a signal to the script's whole group reaches it once, from the trap.
    local start=(env --default-signal=INT --default-signal=QUIT)
    [ -n "$terminal" ] || start=(setsid "${start[@]}")
    is_root || start+=(sudo)
    trap 'say "interrupted: cleaning up"; if [ -z "$terminal" ]; then stop=yes; interrupt "$child"; fi' INT
    trap 'say "ended by a signal: cleaning up"; stop=yes; interrupt "$child"' TERM HUP
    "${start[@]}" env "PATH=$PATH" "TMPDIR=$RUN_DIR" "XDG_STATE_HOME=$RUN_DIR/state" "XDG_CACHE_HOME=$RUN_DIR/cache" \
        ${DEPLOYER_COLD:+"DEPLOYER_COLD=$DEPLOYER_COLD"} ${DEPLOYER_SWEEP:+"DEPLOYER_SWEEP=$DEPLOYER_SWEEP"} \
        PYTHONDONTWRITEBYTECODE=1 "$@" <&0 &
    child=$!
    [ -z "$stop" ] || interrupt "$child" # the signal came before we knew whom to tell
    # A trapped signal ends the wait, not the child, so its own status is asked for once it has gone.
    while as_root kill -0 "$child" 2>/dev/null; do wait "$child" || true; done
    # A signal that is only now acted on would be told instead of the child's status: ask again.
    for _ in 1 2 3; do
        wait "$child" && status=0 || status=$?
        [ "$status" -gt 128 ] || break
    done
    trap - INT TERM HUP
    return "$status"
}

interrupt() { [ -z "$1" ] || as_root kill -INT "$1" 2>/dev/null || true; }

# Processes of this run, in whatever namespace: by their environment, or by a mount of the run's directory they hold.
processes_left() {
    as_root grep -lsaF "$RUN_DIR" /proc/[0-9]*/environ /proc/[0-9]*/mountinfo | cut -d/ -f3 | sort -un \
        | grep -vx -e "$$" -e "$BASHPID" || true
}

# Labs of this run, which are hosts' processes, mounts, namespaces and links (deployer/lab/state.py).
labs_left() { as_root grep -lsF "\"directory\": \"$RUN_DIR/" /run/deployer-lab/*/state.json || true; }

# Fails, naming and ending it, when ten seconds after the end of a run something of it is still there.
nothing_left() {
    local left='' try
    [ -n "$RUN_DIR" ] || return 0
    for try in $(seq 20); do
        left=$(processes_left)$(labs_left)
        [ -n "$left" ] || break
        [ "$try" -eq 20 ] || sleep 0.5
    done
    if [ -n "$left" ]; then
        say "left behind by this run, and ended now:"
        labs_left >&2
        processes_left | xargs -r ps -o pid,ppid,stat,args -p >&2 || true
        processes_left | as_root xargs -r kill -KILL || true
        as_root "$VENV/bin/python" - "$RUN_DIR/" <<'PYTHON' || true
import sys
from deployer.lab.fleet import labs
for lab in labs():
    if str(lab.directory).startswith(sys.argv[1]):
        lab.down()
PYTHON
    fi
    as_root rm -rf --one-file-system "$RUN_DIR"
    [ -z "$left" ] || return 1
    say "nothing left behind: no process, mount, namespace or link"
}
