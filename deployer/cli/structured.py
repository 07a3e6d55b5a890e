"""``--log``: what happens as fields instead of lines: JSON on stderr, or systemd's journal."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from deployer.cli import streams
from deployer.cli.lines import Lines, line_of
from deployer.errors import UsageError
from deployer.model import Event, State
from deployer.report.words import iso

if TYPE_CHECKING:
    from deployer.cli.signals import Signals
    from deployer.errors import HostError
    from deployer.notify.notices import Notice
    from deployer.notify.notifier import Report
    from deployer.planning.proposal import Proposal
    from deployer.rollout.back import BackPlan
    from deployer.rollout.resume import Recovery

WAYS = ("json", "journald")
JOURNAL = "/run/systemd/journal/socket"
MOST_BYTES = 48_000  #: of one field: what a datagram holds, with room for the others
_BAD = (State.FAILED, State.UNDO_FAILED)
_UNTOLD = frozenset({"diff"})  #: steps that carry texts for the post-mortem
#: syslog's numbers, which journald keeps as PRIORITY.
_PRIORITIES: Mapping[str, int] = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}

Sink = Callable[[Mapping[str, Any]], None]


class Log:
    """Where records go. Safe from many threads; nobody who reads it delays or fails a command."""

    def __init__(self, way: str, *, quiet: bool = False) -> None:
        """Open it.

        :param way: "json" or "journald"; without a journald on this machine it is "json", with a warning.
        :raises UsageError: for another way.
        """
        if way not in WAYS:
            raise UsageError(f"--log {way!r} is not known; it is {' or '.join(WAYS)}")
        self.inventory: str | None = None
        self._quiet = quiet
        self._lock = threading.Lock()
        self._sink: Sink = _to_stderr
        if way == "journald":
            journal = _journal()
            if journal is not None:
                self._sink = journal
            else:
                self.says("warning", f"there is no journald here ({JOURNAL}): JSON on stderr instead")

    def says(self, level: str, message: str, **fields: Any) -> None:
        """Write one record."""
        if self._quiet and _PRIORITIES[level] > _PRIORITIES["warning"]:
            return
        record = self._record(level, message, fields)
        with self._lock, suppress(OSError):
            self._sink(record)

    def interrupts(self, message: str) -> None:
        """From a signal's handler, which may run in the middle of :meth:`says`."""
        record = self._record("warning", message, {"event": "signal"})
        with suppress(OSError):
            if self._sink is _to_stderr:
                os.write(2, _line(record).encode())
            else:
                self._sink(record)

    def _record(self, level: str, message: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        known = {"inventory": self.inventory, **fields}
        record: dict[str, Any] = {"time": iso(time.time()), "level": level, "message": message}
        return record | {name: value for name, value in known.items() if value not in (None, {}, [], ())}

    def notes(self, notice: Notice) -> None:
        """What people are told, whoever they are."""
        level = notice.level.value if notice.level is not None else "info"
        said = notice.as_json()
        own = {name: said[name] for name in ("event", "turn", "deployment", "revision", "exit_code", "who")}
        message = f"{notice.title}. {notice.happened}".strip()
        more = {name: said[name] for name in ("did", "now", "commands", "hosts", "quarantined")}
        self.says(level, message, **own, detail={**more, **said["detail"]})

    def reports(self, report: Report) -> None:
        """Who was told, and who was not."""
        level = "warning" if report.failed else "info"
        detail = {"told": list(report.told), "not_told": dict(report.failed)}
        self.says(level, str(report.line), event="notify", detail=detail)

    def complains(self, message: str, page: str | None = None) -> None:
        """Why a command ended, and which page helps."""
        self.says("error", message, event="error", **({"help": page} if page else {}))


class Fields(Lines):
    """An audience for programs: a record for everything that is journalled, and for warnings."""

    def __init__(self, signals: Signals, log: Log) -> None:
        super().__init__(signals)
        self._log = log

    def saying(self, what: str) -> None:
        """What is being done now."""
        self._log.says("info", what)

    def proposes(self, proposal: Proposal) -> None:
        """The plan is journalled as well, and told then."""

    def shows_way_back(self, _plan: BackPlan, silent: Mapping[str, HostError]) -> None:
        """Likewise; who does not answer is told here."""
        for name, error in silent.items():
            self._log.says("warning", str(error), host=name)

    def shows_recovery(self, _recovery: Recovery, silent: Mapping[str, HostError]) -> None:
        """Likewise."""
        for name, error in silent.items():
            self._log.says("warning", str(error), host=name)

    def hears(self, event: Event) -> None:
        """One record for each event."""
        if event.host is not None:
            self._signals.working = True
        if event.step in _UNTOLD:
            return
        bad = event.state in _BAD
        said = line_of(event, verbose=True) or f"{event.step}: {event.state.value.replace('_', ' ')}"
        where = "" if event.host is None or said.startswith(event.host) else f"{event.host}: "
        self._log.says(
            "warning" if bad else "info",
            where + said.splitlines()[0],
            event=event.step,
            deployment=event.deployment,
            host=event.host,
            state=event.state.value,
            detail=dict(event.detail),
        )

    def warns(self, what: str) -> None:
        """Something that should be known."""
        self._log.says("warning", what)


class _Handler(logging.Handler):
    """What libraries and deployer itself log, as records."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        level = record.levelname.lower()
        self._log.says(level if level in _PRIORITIES else "info", record.getMessage(), event="log")


_CURRENT: dict[str, Log] = {}  #: of this process, which runs one command


def current() -> Log | None:
    """Where this command is logged; ``None``: lines on stderr."""
    return _CURRENT.get("log")


def begin(way: str | None, *, quiet: bool) -> None:
    """From now on everything that is not the result goes into a log.

    :param way: ``None``: none is wanted.
    :raises UsageError: for a way that is not known.
    """
    if way is None:
        if _CURRENT.pop("log", None) is not None:
            streams.complain_to(None)
        return
    log = _CURRENT["log"] = Log(way, quiet=quiet)
    logging.getLogger("deployer").handlers[:] = [_Handler(log)]
    streams.complain_to(log.complains)


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, default=str, separators=(",", ":")) + "\n"


def _to_stderr(record: Mapping[str, Any]) -> None:
    streams.err(_line(record))


def _journal() -> Sink | None:
    there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        there.connect(JOURNAL)
    except OSError:
        there.close()
        return None
    there.setblocking(False)  # a journald that hangs loses lines, and does not hold a rollback up

    def send(record: Mapping[str, Any]) -> None:
        there.send(datagram(record))

    return send


def datagram(record: Mapping[str, Any]) -> bytes:
    """One record in journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""
    fields = {
        "MESSAGE": str(record["message"]),
        "PRIORITY": str(_PRIORITIES.get(str(record["level"]), 6)),
        "SYSLOG_IDENTIFIER": "deployer",
    }
    for name, value in record.items():
        if name not in ("message", "level", "time"):
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            fields[f"DEPLOYER_{name.upper()}"] = text
    return b"".join(_field(name, text) for name, text in fields.items())


def _field(name: str, text: str) -> bytes:
    value = text.encode("utf-8", "backslashreplace")[:MOST_BYTES]
    if b"\n" not in value:
        return name.encode() + b"=" + value + b"\n"
    return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
