# shellcheck shell=sh
# shellcheck disable=SC2154 # login, key and ports are assigned by what is put before this
# What root runs once on a host so that one key can do deployer's work there and nothing else. Written by
# `deployer adopt INVENTORY --print-hardening KEY.pub`, which puts these before it: login, key, ports, and
# the functions agent_text and pinned_text. It may be run again, after a new version or a changed playbook.

set -eu
umask 022
agent=/var/lib/deployer/agent.sh
say() { printf 'deployer: %s\n' "$1" >&2; }
die() { say "$1" && exit 1; }

[ "$(id -u)" = 0 ] || die "run this as root"
for tool in sshd sudo visudo useradd getent; do
  PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || die "$tool is not on this host; install it and run this again"
done
PATH=$PATH:/usr/sbin:/sbin
grep -Eqi '^[[:space:]]*include[[:space:]]+/etc/ssh/sshd_config\.d/' /etc/ssh/sshd_config ||
  die "/etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf; add 'Include /etc/ssh/sshd_config.d/*.conf' as its first line and run this again"
rule=/etc/ssh/sshd_config.d/deployer.conf
home_of() { getent passwd "$1" | cut -d : -f 6; }
# Its home is root's from the first run on, so one that did not come to its end can be said again.
if id "$login" >/dev/null 2>&1 && ! grep -qsx "Match User $login" "$rule" && [ "$(stat -c %u "$(home_of "$login")")" != 0 ]; then
  die "$login is a login of this host already, and would lose its other keys and its home; give the job one of its own (ansible_user)"
fi

# The agent, and what it may be asked for. Only root changes them from here on.
mkdir -p "${agent%/*}"
chmod 0711 "${agent%/*}"
agent_text >"$agent.new"
chmod 0755 "$agent.new"
mv -f "$agent.new" "$agent"
pinned_text >"${agent%/*}/pinned.new"
chmod 0600 "${agent%/*}/pinned.new"
mv -f "${agent%/*}/pinned.new" "${agent%/*}/pinned"

# The login: no password, and a home in which it can write nothing that sshd reads.
id "$login" >/dev/null 2>&1 || useradd --system --create-home --shell /bin/sh "$login"
home=$(home_of "$login")
[ -d "$home" ] || die "$login has no home directory"
chown root:root "$home"
chmod 0755 "$home"
mkdir -p "$home/.ssh"
chown root:root "$home/.ssh"
chmod 0755 "$home/.ssh"

# sudo runs the agent, and only that.
printf '%s ALL=(root) NOPASSWD: /bin/sh %s serve\n' "$login" "$agent" >/etc/sudoers.d/.deployer.new
chmod 0440 /etc/sudoers.d/.deployer.new
visudo -cqf /etc/sudoers.d/.deployer.new || die "sudo does not take the rule in /etc/sudoers.d/.deployer.new"
mv -f /etc/sudoers.d/.deployer.new /etc/sudoers.d/deployer
sudo -l -U "$login" /bin/sh "$agent" serve >/dev/null ||
  die "sudo does not read /etc/sudoers.d; add '@includedir /etc/sudoers.d' to /etc/sudoers (visudo) and run this again"

# What sshd lets that login do: the agent, and forwarding to the ports that checks need.
command="/usr/bin/sudo -n /bin/sh $agent serve"
forwarding='AllowTcpForwarding no'
[ -z "$ports" ] || forwarding="AllowTcpForwarding local
  PermitOpen $ports"
cat >/etc/ssh/.deployer.conf <<EOF
Match User $login
  ForceCommand $command
  $forwarding
  PermitListen none
  AllowStreamLocalForwarding no
  AllowAgentForwarding no
  X11Forwarding no
  PermitTunnel no
  PermitTTY no
  PermitUserRC no
EOF
mkdir -p /etc/ssh/sshd_config.d
mv -f /etc/ssh/.deployer.conf "$rule"
if ! sshd -t; then
  rm -f "$rule"
  die "sshd does not take $rule; it was removed again"
fi
if [ -d /run/systemd/system ]; then
  systemctl reload ssh 2>/dev/null || systemctl reload sshd
else
  [ ! -f /run/sshd.pid ] || kill -HUP "$(cat /run/sshd.pid)"
fi

# The key comes last, when all that holds it is there: it runs the agent, whatever it asks for, and reaches the ports that checks need.
options=restrict
[ -z "$ports" ] || options="restrict,port-forwarding,permitlisten=\"127.0.0.1:1\""
for port in $ports; do options="$options,permitopen=\"$port\""; done
printf '%s,command="%s" %s\n' "$options" "$command" "$key" >"$home/.ssh/authorized_keys.new"
chmod 0644 "$home/.ssh/authorized_keys.new"
mv -f "$home/.ssh/authorized_keys.new" "$home/.ssh/authorized_keys"

say "$(hostname): $login may do deployer's work here, and nothing else"
