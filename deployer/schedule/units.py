"""The text of a service and its timer, and of one that watches. Pure: the paths and figures come in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

MARK = "# deployer-schedule: "
_PLAIN = re.compile(r"[A-Za-z0-9_@:./=,+-]+", re.ASCII)
_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - what PrivateTmp= replaces


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be run, when, and as whom.

    :ivar name: of the units, without their endings.
    :ivar argv: program and arguments.
    :ivar writes: directories that a run changes: the journal's and the cache.
    :ivar state: URL of the journal of the runs; ``None``: it holds a password.
    :ivar reads: other paths that it needs: program, project, ssh configuration …
    :ivar delay_s: up to so much later it starts, so that not every controller asks git at the same second.
    :ivar start_s: a run that takes longer is stopped, as by Ctrl-C.
    :ivar stop_s: what is stopped has so long to take hosts back before it is killed.
    """

    name: str
    inventory: str
    part: str
    project: str
    lease: str
    calendar: str
    argv: tuple[str, ...]
    user: str
    home: str
    writes: tuple[str, ...]
    state: str | None = None
    reads: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_file: str | None = None
    on_failure: str | None = None
    delay_s: int = 0
    start_s: int = 3600
    stop_s: int = 600

    @property
    def mark(self) -> str:
        """A comment by which the file is known again."""
        said = {
            "calendar": self.calendar,
            "inventory": self.inventory,
            "part": self.part,
            "project": self.project,
            "lease": self.lease,
            "user": self.user,
            "state": self.state,
            "environment_file": self.environment_file,
        }
        return MARK + json.dumps(said)


def marked(text: str) -> Mapping[str, Any] | None:
    """What :attr:`Order.mark` says in a file; ``None``: somebody else wrote it."""
    for line in text.splitlines()[:5]:
        if line.startswith(MARK):
            try:
                found = json.loads(line.removeprefix(MARK))
            except ValueError:
                return None
            return found if isinstance(found, dict) else None
    return None


def unit_name(inventory: str) -> str:
    """``deployer-production``: good for a unit and for a file of cron's, whatever the inventory is called."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", inventory)
    other = "" if plain == inventory else f"-{sha256(inventory.encode(errors='replace')).hexdigest()[:6]}"
    return f"deployer-{plain[:60]}{other}"


def service(order: Order) -> str:
    """The unit that deploys once."""
    return "\n".join(
        (
            f"# {order.name}.service, written by deployer schedule. Changes belong into a drop-in:",
            f"#   systemctl edit {order.name}.service",
            order.mark,
            "[Unit]",
            f"Description=Unattended deployment to {_text(order.inventory)}",
            "Wants=network-online.target",
            "After=network-online.target",
            *((f"OnFailure={order.on_failure}",) if order.on_failure else ()),
            "",
            "[Service]",
            "Type=oneshot",
            f"ExecStart={_words(order.argv)}",
            *_person(order),
            "# Stopped for whatever reason, it takes back the hosts it changed, and needs time for that.",
            f"TimeoutStartSec={order.start_s}",
            f"TimeoutStopSec={order.stop_s}",
            "KillMode=mixed",
            "",
            *_sandbox(order),
            "",
        )
    )


def watch_service(order: Order) -> str:
    """The unit that watches for ever."""
    name = f"{order.name}.service"
    return "\n".join(
        (
            f"# {name}, printed by deployer watch --print-unit. To have it:",
            f"#   save it as /etc/systemd/system/{name}",
            f"#   systemctl daemon-reload && systemctl enable --now {name}",
            "[Unit]",
            f"Description=deployer watches {_text(order.inventory)}",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            "# It says when it is ready, and that looks come to an end; else it is started anew.",
            "Type=notify",
            "WatchdogSec=60",
            "Restart=on-failure",
            "RestartSec=10",
            "# Where it writes: what is not there cannot be made the only place it may write in.",
            f"ExecStartPre=+runuser -u {word(order.user)} -- mkdir -p {_words(order.writes)}",
            f"ExecStart={_words(order.argv)}",
            "# Inventory and playbook are read again; what is broken is told, and the old ones stay.",
            "ExecReload=/bin/kill -HUP $MAINPID",
            *_person(order),
            "# A connection to each host is an open file.",
            "LimitNOFILE=65536",
            "TimeoutStopSec=30",
            "",
            *_sandbox(order),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        )
    )


def timer(order: Order) -> str:
    """The unit that says when."""
    return "\n".join(
        (
            f"# {order.name}.timer, written by deployer schedule. Changes belong into a drop-in:",
            f"#   systemctl edit {order.name}.timer",
            order.mark,
            "[Unit]",
            f"Description=Unattended deployments to {_text(order.inventory)}, {_text(order.calendar)}",
            "",
            "[Timer]",
            f"OnCalendar={_text(order.calendar)}",
            "# Was the machine off when it was due, it is done at the next boot.",
            "Persistent=true",
            f"RandomizedDelaySec={order.delay_s}",
            "AccuracySec=1s",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        )
    )


def _person(order: Order) -> Iterable[str]:
    """As whom, where, and with which variables."""
    yield f"User={_text(order.user)}"
    yield f"WorkingDirectory={_text(order.project)}"
    yield from (f"Environment={word(f'{name}={value}')}" for name, value in order.environment.items())
    if order.environment_file:
        yield f"EnvironmentFile={_text(order.environment_file)}"


def _sandbox(order: Order) -> Iterable[str]:
    writes = list(order.writes)
    paths = (*order.writes, *order.reads, order.project)
    homes = any(_under(path, _HOMES) for path in (*paths, order.home))
    temporary = any(_under(path, _TEMPORARY) for path in paths)
    if temporary:
        writes += _TEMPORARY
    yield "# It reads its project and its keys, talks to git, hosts and the journal, and writes nothing else."
    yield "ProtectSystem=strict"
    yield f"ProtectHome={'read-only' if homes else 'yes'}"
    yield f"ReadWritePaths={' '.join(word(f'-{path}') for path in dict.fromkeys(writes))}"
    if not temporary:
        yield "PrivateTmp=yes"
    # /proc stays as it is: there deployer sees whether somebody who holds the lease is still alive.
    yield from (
        "UMask=0077",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "PrivateDevices=yes",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "RemoveIPC=yes",
        "LockPersonality=yes",
        "MemoryDenyWriteExecute=yes",
        "KeyringMode=private",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallErrorNumber=EPERM",
    )


def _words(argv: Iterable[str]) -> str:
    return " ".join(map(argument, argv))


def argument(text: str) -> str:
    """One word of a command line, as systemd reads it (systemd.service(5))."""
    return word(text).replace("$", "$$")


def word(text: str) -> str:
    """One word of a list, quoted where it needs it, a percent sign being no specifier."""
    plain = text.replace("%", "%%")
    if _PLAIN.fullmatch(text):
        return plain
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else _escaped(c) for c in quoted) + '"'


def _escaped(sign: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in sign.encode(errors="surrogateescape"))


def _text(text: str) -> str:
    """A value that is the rest of its line."""
    return text.replace("%", "%%")


def _under(path: str, tops: Iterable[str]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)
