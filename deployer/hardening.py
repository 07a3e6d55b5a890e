"""The script that root runs on each host so that one key can do deployer's work there, and nothing else."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from deployer.config.playbook import Check, From, Playbook
from deployer.errors import UsageError
from deployer.host.program import bundled
from deployer.planning.context import Context

DEFAULT_LOGIN = "deployer"
DEFAULT_PORTS = ("127.0.0.1:80", "127.0.0.1:443")  #: where nobody wrote checks: what the comparison asks
_END = "end-of-deployer-text"
_LOGIN = re.compile(r"[a-z_][a-z0-9_-]{0,31}")  # useradd(8); it is written into rules of sudo and sshd


def script(context: Context, key_file: Path) -> str:
    """The script, whole: login, key, sudo rule, sshd rule, agent and what it may be asked for.

    :param key_file: the public key that is given this right, one line as in ``authorized_keys``.
    :raises UsageError: no such key; a check that a restricted key cannot ask; hosts with several logins.
    """
    playbook = context.playbook
    for check in playbook.checks:
        if check.from_ is From.COMMAND:
            raise UsageError(
                f"the check {check.name!r} runs a command on the host, which a restricted key cannot; "
                "ask from the host or from the controller instead (from: host, from: controller)"
            )
    head = "\n".join(
        (
            "#!/bin/sh",
            f"login={shlex.quote(_login(context))}",
            f"key={shlex.quote(_key(key_file))}",
            f"ports={shlex.quote(' '.join(_ports(playbook.checks)))}",
            _function("pinned_text", _pins(playbook)),
            _function("agent_text", bundled().text.decode()),
        )
    )
    return head + files("deployer.host").joinpath("harden.sh").read_text()


def _login(context: Context) -> str:
    logins = sorted({host.user for host in context.hosts if host.user and host.user != "root"})
    if len(logins) > 1:
        raise UsageError(
            f"the hosts have several logins ({', '.join(logins)}); print one script for each with --limit"
        )
    login = logins[0] if logins else DEFAULT_LOGIN
    if not _LOGIN.fullmatch(login):
        raise UsageError(f"ansible_user {login!r} is no name for a login of its own: a-z, 0-9, _ and - only")
    return login


def _key(path: Path) -> str:
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the public key {path} cannot be read: {error}") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if len(keys) != 1 or len(keys[0].split()) < 2 or not keys[0].startswith(("ssh-", "ecdsa-", "sk-")):
        raise UsageError(f"{path} is not one public key (a line as ssh-keygen writes into its .pub file)")
    return keys[0]


def _ports(checks: tuple[Check, ...]) -> tuple[str, ...]:
    """What the checks reach through the host's connection, as sshd's PermitOpen wants it."""
    found = []
    for check in checks:
        if check.from_ is From.HOST and check.url:
            parts = urlsplit(check.url)
            name = parts.hostname or "127.0.0.1"
            port = parts.port or (443 if parts.scheme == "https" else 80)
            found.append(f"[{name}]:{port}" if ":" in name else f"{name}:{port}")
    return tuple(dict.fromkeys(found)) if checks else DEFAULT_PORTS


def _pins(playbook: Playbook) -> str:
    target = playbook.target_spec()
    lines = [f"target={target.directory}", f"state={target.state}"]
    lines += [f"argv={word}" for word in target.validate]
    lines += [f"reload={word}" for word in target.reload or ()]
    lines += [f"fallback={target.fallback}"] if target.fallback else []
    return "\n".join(lines) + "\n\n"


def _function(name: str, text: str) -> str:
    """A shell function that prints a text as it is."""
    if _END in text.splitlines():
        raise AssertionError(f"the text holds the line {_END}")
    return f"{name}() {{\n  cat <<'{_END}'\n{text}{_END}\n}}\n"
