"""How a host is reached: the inventory's variables over the operator's ssh config, as in Ansible.

A file with ``Include`` or ``Match`` is resolved by the ssh client itself (``ssh -G``).
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from deployer.errors import ConfigError
from deployer.host.ssh_sections import Sections, Values, words
from deployer.model import Host
from deployer.whoami import user_name

log = logging.getLogger("deployer")

DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
DEFAULT_USER_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
DEFAULT_GLOBAL_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
RESOLVE_TIMEOUT_S = 10.0  #: for ``ssh -G``, whose ``Match exec`` may run a command of the operator's

_NEEDS_SSH = re.compile(r"^\s*(include|match)\b", re.IGNORECASE | re.MULTILINE)
_SHELL_SYNTAX = re.compile(r"[|&;<>()$`*?\n]")
_SSH_KEYS_LISTED_BY_DEFAULT = 3  # ``ssh -G`` names its five to seven defaults when none is configured


@dataclass(frozen=True, slots=True)
class Route:
    """Everything that decides how one host is reached and trusted."""

    name: str  #: inventory name, for messages
    hostname: str
    port: int
    user: str
    identity_files: tuple[Path, ...]  #: named by the operator, in order
    default_identities: bool  #: none was named: the usual ``~/.ssh/id_*`` count, after the ssh-agent's
    identities_only: bool
    certificate_files: tuple[Path, ...]
    identity_agent: str | None  #: path of the ssh-agent's socket
    known_hosts: tuple[Path, ...]
    host_key_alias: str | None
    proxy_jump: tuple[str, ...]  #: ``[user@]host[:port]``, nearest first
    proxy_command: tuple[str, ...]  #: argv
    connect_timeout_s: float | None
    family: str  #: ``any``, ``inet`` or ``inet6``

    @property
    def where(self) -> str:
        """``address:port`` for a sentence."""
        host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return f"{host}:{self.port}"

    @property
    def known_as(self) -> tuple[str, ...]:
        """Names to look for in known_hosts, the precise one first (as OpenSSH does)."""
        if self.host_key_alias:
            return (self.host_key_alias.lower(),)
        plain = self.hostname.lower()
        return (plain,) if self.port == 22 else (f"[{plain}]:{self.port}", plain)


def resolve(host: Host, config_file: Path | None, *, jump: tuple[str, ...] | None = None) -> Route:
    """Put inventory and ssh config together.

    :param config_file: ``None`` is ``~/.ssh/config``, which may be absent.
    :param jump: hops that replace the config's own ``ProxyJump``.
    :raises ConfigError: the file cannot be read or holds something that is not honoured safely.
    """
    _refuse_option(host.address, "the address of " + host.name)
    file = config_file or Path.home() / ".ssh" / "config"
    raw = _lookup(host, file, required=config_file is not None)
    user = host.user or _first(raw, "user") or user_name()
    hostname = _expand(_first(raw, "hostname") or host.address, {"%h": host.address, "%%": "%"})
    _refuse_option(hostname, f"the HostName of {host.name}")
    port = host.port or _port(_first(raw, "port"), file)
    tokens = {"%h": hostname, "%n": host.address, "%p": str(port), "%r": user, "%u": user_name()}
    tokens |= {"%d": str(Path.home()), "%%": "%"}
    identities = list(raw.get("identityfile", ()))
    if _are_defaults(identities):
        identities = []
    if host.key_file:
        identities.insert(0, host.key_file)
    _warn_of_lax_checking(_first(raw, "stricthostkeychecking"), file)
    hops = tuple(h.strip() for h in (_first(raw, "proxyjump") or "").split(",")) if jump is None else jump
    return Route(
        name=host.name,
        hostname=hostname,
        port=port,
        user=user,
        identity_files=_paths(identities, tokens),
        default_identities=not identities,
        identities_only=_first(raw, "identitiesonly") == "yes",
        certificate_files=_paths(raw.get("certificatefile", ()), tokens),
        identity_agent=_agent_socket(_first(raw, "identityagent"), tokens),
        known_hosts=_known_hosts_files(raw, tokens),
        host_key_alias=_first(raw, "hostkeyalias"),
        proxy_jump=tuple(h for h in hops if h and h.lower() != "none"),
        proxy_command=() if jump else _proxy_command(_first(raw, "proxycommand"), tokens, file),
        connect_timeout_s=_seconds(_first(raw, "connecttimeout")),
        family=_first(raw, "addressfamily") or "any",
    )


def parse_hop(hop: str) -> Host:
    """Read one ``[user@]host[:port]`` or ``ssh://…`` of a ``ProxyJump``. Raises ``ValueError``."""
    rest = hop.removeprefix("ssh://").rstrip("/")
    user, _, place = rest.rpartition("@")
    match = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:]+)(?::(\d+))?", place)
    if place.startswith("-") or user.startswith("-") or not (match or _is_ipv6(place)):
        raise ValueError(f"{hop!r} is not a [user@]host[:port]")
    address, port = (match[1] or match[3], match[2] or match[4]) if match else (place, None)
    return Host(name=hop, address=address, port=int(port) if port else None, user=user or None)


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _lookup(host: Host, file: Path, *, required: bool) -> Values:
    try:
        stamp = file.stat().st_mtime_ns
    except FileNotFoundError as error:
        if required:
            raise ConfigError("no such file; --ssh-config names it", file=str(file)) from error
        return {}
    except OSError as error:
        if required:
            raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from error
        return {}  # as ssh does with a home that it may not look into
    sections = _read(file, stamp)
    return _ask_ssh(host, file) if sections is None else sections.lookup(host.address)


@lru_cache(maxsize=16)
def _read(file: Path, _stamp: int) -> Sections | None:
    """The file's sections, or ``None`` when only ssh can tell."""
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
        return None if _NEEDS_SSH.search(text) else Sections(text)
    except (ValueError, OSError) as error:
        raise ConfigError(f"not an ssh config that can be read: {error}", file=str(file)) from error


def _ask_ssh(host: Host, file: Path) -> Values:
    argv = ["ssh", "-G", "-F", str(file.absolute())]
    argv += ["-l", host.user] if host.user else []
    argv += ["-p", str(host.port)] if host.port else []
    argv += ["--", host.address]
    problem = "it holds Include or Match, which the ssh client has to resolve (ssh -G), but "
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=RESOLVE_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise ConfigError(problem + "there is no ssh client here; install it", file=str(file)) from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(problem + f"ssh took more than {RESOLVE_TIMEOUT_S:g} s", file=str(file)) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigError(problem + f"ssh says: {said[-1] if said else 'nothing'}", file=str(file))
    out: dict[str, tuple[str, ...]] = {}
    for line in done.stdout.decode("utf-8", "surrogateescape").splitlines():
        key, _, value = line.partition(" ")
        out[key] = (*out.get(key, ()), value)
    return out


def _port(text: str | None, file: Path) -> int:
    if text is None:
        return 22
    if not text.isdigit() or not 0 < int(text) < 1 << 16:
        raise ConfigError(f"{text!r} is not a port", file=str(file), key="Port")
    return int(text)


def _first(raw: Values, key: str) -> str | None:
    values = raw.get(key)
    return values[0] if values else None


def _refuse_option(text: str, what: str) -> None:
    if not text or text.startswith("-") or any(c.isspace() or c == "\0" for c in text):
        raise ConfigError(f"{text!r} cannot be an address", file="inventory", key=what)


def _are_defaults(identities: Iterable[str]) -> bool:
    names = list(identities)
    return len(names) >= _SSH_KEYS_LISTED_BY_DEFAULT and all(n.startswith("~/.ssh/id_") for n in names)


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    text = re.sub(r"%.", lambda m: tokens.get(m[0], m[0]), text)
    text = re.sub(r"\$\{(\w+)\}", lambda m: os.environ.get(m[1], m[0]), text)
    return str(Path(text).expanduser()) if text.startswith("~") else text


def _paths(values: Iterable[str], tokens: Mapping[str, str]) -> tuple[Path, ...]:
    return tuple(Path(_expand(v, tokens)) for v in values if v.lower() != "none")


def _known_hosts_files(raw: Values, tokens: Mapping[str, str]) -> tuple[Path, ...]:
    out: list[Path] = []
    for key, default in (
        ("userknownhostsfile", DEFAULT_USER_HOSTS),
        ("globalknownhostsfile", DEFAULT_GLOBAL_HOSTS),
    ):
        text = _first(raw, key)
        out += _paths(words(text) if text else default, tokens)
    return tuple(out)


def _agent_socket(value: str | None, tokens: Mapping[str, str]) -> str | None:
    if value is None or value == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK")
    if value.lower() == "none":
        return None
    if value.startswith("$") and not value.startswith("${"):
        return os.environ.get(value[1:])
    return _expand(value, tokens)


def _proxy_command(text: str | None, tokens: Mapping[str, str], file: Path) -> tuple[str, ...]:
    if text is None or text.strip().lower() == "none":
        return ()
    argv = words(text)
    if _SHELL_SYNTAX.search(text):
        raise ConfigError(f"a ProxyCommand that needs a shell is not run: {text}", file=str(file))
    if argv[0] == "exec":
        argv = argv[1:]
    return tuple(_expand(word, tokens) for word in argv)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() and int(text) > 0 else None


def _warn_of_lax_checking(value: str | None, file: Path) -> None:
    if value in {"no", "off", "false", "accept-new"}:
        _warn_once(f"{file}: StrictHostKeyChecking {value} is ignored: unknown host keys are always refused")


@lru_cache(maxsize=64)
def _warn_once(text: str) -> None:
    log.warning(text)
