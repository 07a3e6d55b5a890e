"""From Ansible's variables to how a host is reached."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployer.config.groups import Said, Vars
from deployer.config.hints import listing, warn
from deployer.config.opaque import Opaque
from deployer.model import Host

# Where two spellings are set, Ansible takes the last of its list; so do we.
ADDRESS = ("ansible_host", "ansible_ssh_host")
PORT = ("ansible_port", "ansible_ssh_port")
USER = ("ansible_user", "ansible_ssh_user")
KEY_FILE = ("ansible_private_key_file", "ansible_ssh_private_key_file")
BECOME = ("ansible_become",)
SSH_CONFIG, CA = ("deployer_ssh_config",), ("deployer_ca",)

_SSH_CONFIG = "put it into the ssh config"
_SSH = "it is always ssh"
_SUDO = "sudo -n to root is the only way taken"
NOT_HONOURED: Mapping[str, str] = {
    "ansible_ssh_common_args": _SSH_CONFIG,
    "ansible_ssh_extra_args": _SSH_CONFIG,
    "ansible_ssh_args": _SSH_CONFIG,
    "ansible_ssh_executable": "ssh is spoken by this program itself",
    "ansible_ssh_timeout": "put ConnectTimeout into the ssh config",
    "ansible_timeout": "put ConnectTimeout into the ssh config",
    "ansible_control_path": _SSH_CONFIG,
    "ansible_paramiko_proxy_command": _SSH_CONFIG,
    "ansible_host_key_checking": "unknown host keys are always refused",
    "ansible_ssh_host_key_checking": "unknown host keys are always refused",
    "ansible_password": "use a key or an agent",
    "ansible_ssh_pass": "use a key or an agent",
    "ansible_ssh_password": "use a key or an agent",
    "ansible_ssh_private_key": "use ansible_ssh_private_key_file or an agent",
    "ansible_ssh_private_key_passphrase": "use an agent",
    "ansible_become_password": _SUDO,
    "ansible_become_pass": _SUDO,
    "ansible_become_flags": _SUDO,
    "ansible_become_exe": _SUDO,
    "ansible_sudo_pass": _SUDO,
}
"""Connection variables that change how Ansible connects and are ignored here, with what to do instead."""

ONLY_VALUES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "ansible_connection": (("ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh"), _SSH),
    "ansible_become_method": (("sudo", "ansible.builtin.sudo"), _SUDO),
    "ansible_become_user": (("root",), _SUDO),
}
"""Connection variables of which only these values are honoured."""

_TRUE, _FALSE = ("y", "yes", "on", "1", "true", "t", "1.0"), ("n", "no", "off", "0", "false", "f", "0.0")


def make_host(name: str, groups: tuple[str, ...], said: Vars, values: Mapping[str, Any]) -> Host:
    """A host of the inventory.

    :param said: where each variable was said, for errors.
    :param values: the variables, templates resolved.
    :raises ConfigError: for a connection variable with an impossible value.
    """
    connection = _Connection(name, said, values)
    return Host(
        name=name,
        address=connection.text(ADDRESS) or name.strip("[]"),
        port=connection.port(),
        user=connection.text(USER),
        key_file=connection.file(KEY_FILE),
        become=connection.become(),
        groups=groups,
        ssh_config=connection.file(SSH_CONFIG),
        ca=connection.file(CA),
        vars=values,
    )


class _Connection:
    def __init__(self, host: str, said: Vars, values: Mapping[str, Any]) -> None:
        self._host, self._said, self._values = host, said, values

    def _find(self, spellings: tuple[str, ...]) -> tuple[Any, Said] | None:
        for name in reversed(spellings):
            value = self._values.get(name)
            if name in self._said and value is not None:
                if isinstance(value, Opaque):
                    raise self._said[name].error(f"is needed to reach {self._host}, but {value.why}")
                return value, self._said[name]
        return None

    def text(self, spellings: tuple[str, ...]) -> str | None:
        found = self._find(spellings)
        if found is None:
            return None
        value, said = found
        if not isinstance(value, str):  # 1:2:3:4:5:6:7:8 is a number in base 60 to YAML
            raise said.error(f"{value!r} cannot be used for {self._host}: text is expected; quote it")
        text = value.strip("[]") if spellings is ADDRESS else value
        if not text or text.startswith("-") or not text.isprintable() or " " in text:
            wanted = "an address or name" if spellings is ADDRESS else "a name"
            raise said.error(f"{value!r} cannot be used for {self._host}: {wanted} is expected")
        return text

    def port(self) -> int | None:
        found = self._find(PORT)
        if found is None:
            return None
        value, said = found
        text = str(value).strip()
        if isinstance(value, bool) or not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
            raise said.error(f"{value!r} is not a port for {self._host}: 1 to 65535 is expected")
        return int(text)

    def file(self, spellings: tuple[str, ...]) -> str | None:
        found = self._find(spellings)
        if found is None:
            return None
        value, said = found
        if not isinstance(value, str) or not value or "\0" in value:
            raise said.error(f"{value!r} is not a file name")
        return str(Path(value).expanduser())

    def become(self) -> bool | None:
        found = self._find(BECOME)
        if found is None:
            return None
        value, said = found
        text = str(value).strip().lower()
        if text not in _TRUE + _FALSE:
            raise said.error(f"{value!r} is neither true nor false")
        return text in _TRUE


def warn_not_honoured(hosts: Mapping[str, tuple[Vars, Mapping[str, Any]]]) -> None:
    """Say once per variable that it does not count here, and for which hosts it was set."""
    found: dict[tuple[str, str, str | None], list[str]] = {}
    for host, (said, values) in hosts.items():
        for name in said:
            value = values.get(name)
            if name in NOT_HONOURED:
                if value not in (None, ""):
                    found.setdefault((name, NOT_HONOURED[name], None), []).append(host)
            elif name in ONLY_VALUES:
                good, instead = ONLY_VALUES[name]
                if str(value) not in good:
                    found.setdefault((name, instead, str(value)), []).append(host)
    for (name, instead, value), names in found.items():
        what = name if value is None else f"{name}: {value}"
        warn("%s is not honoured (%s): %s", what, listing(names, limit=3), instead)
