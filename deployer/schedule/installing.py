"""Schedules on this machine: written, found again, removed. Only files that bear our mark are touched."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import DeployerError, UsageError
from deployer.schedule.cron import cron_command, cron_settings, cron_times, own_settings
from deployer.schedule.here import asked, understood
from deployer.schedule.ordering import variables_in
from deployer.schedule.units import Order, marked, service, timer

UNITS = Path("/etc/systemd/system")
CRON = Path("/etc/cron.d")
SENDMAIL = Path("/usr/sbin/sendmail")  #: what cron hands its mail to
BEGUN_S = 10.0  #: a run that is older has told the journal of itself
BOOTED = Path("/run/systemd/system")  #: there while systemd is pid 1 (sd_booted(3))


@dataclass(frozen=True, slots=True)
class Installed:
    """A schedule that was found on this machine.

    :ivar said: what its mark says: ``calendar``, ``inventory``, ``part``, ``project``, ``lease``, ``user``.
    """

    name: str
    kind: str  #: "systemd" or "cron"
    files: tuple[Path, ...]
    said: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """As the journal knows it."""
        return str(self.said.get("lease")), str(self.said.get("part"))


def systemd_files(order: Order) -> dict[str, str]:
    """Name and text of the two units."""
    return {f"{order.name}.service": service(order), f"{order.name}.timer": timer(order)}


def crontab(
    order: Order, *, user: bool, variables: Mapping[str, str] | None = None, kept: Iterable[str] = ()
) -> str:
    """A crontab's lines; with ``user`` as files of /etc/cron.d are, which say as whom.

    What cron mails begins with how it ended, so the run is a quiet one.

    :param variables: of the environment file; ``None``: they are not shown.
    :param kept: settings that were above the entry.
    :raises UsageError: for what cron cannot do.
    """
    if order.on_failure:
        raise UsageError("--on-failure is systemd's: cron mails what goes wrong (MAILTO, crontab(5)) instead")
    try:
        times = cron_times(understood(order.calendar))
    except ValueError as error:
        raise UsageError(f"--on-calendar: {error}") from None
    given = _copied(order.environment_file, variables) if order.environment_file else []
    name = f"{order.user} " if user else ""
    entry = f"{times} {name}{cron_command(run_by_cron(order), order.project)}"
    return "\n".join((order.mark, *kept, *given, entry, ""))


def _copied(file: str, variables: Mapping[str, str] | None) -> list[str]:
    if variables is None:
        return [f"# its variables, NAME=value, belong here, and nobody but root may read them: {file}"]
    try:
        return list(cron_settings(variables, file))
    except ValueError as error:
        raise UsageError(f"--environment-file: {error}") from None


def run_by_cron(order: Order) -> tuple[str, ...]:
    """Program and arguments, as cron starts them: it has no variables of its own, and mails all it hears."""
    given = [f"{name}={value}" for name, value in order.environment.items()]
    return (*(("env", *given) if given else ()), *order.argv, "--quiet")


def install_systemd(order: Order) -> tuple[Path, ...]:
    """Write service and timer, have systemd look at them first, and start the timer.

    :returns: the files.
    :raises UsageError: without root or systemd, for a name that is somebody else's, or if systemd objects.
    """
    _need_root("a timer of the system")
    if not BOOTED.is_dir():
        raise UsageError("systemd does not run this machine: use --cron, or --print it for another")
    files = systemd_files(order)
    _free(order, [UNITS / name for name in files])
    _verify(files)
    _make_directories(order)
    for name, text in files.items():
        _write(UNITS / name, text)
    _systemctl("daemon-reload")
    _systemctl("enable", f"{order.name}.timer")
    _systemctl("restart", f"{order.name}.timer")
    return tuple(UNITS / name for name in files)


def install_cron(order: Order) -> tuple[Path, ...]:
    """Write a file of /etc/cron.d.

    :returns: the file.
    :raises UsageError: without root or cron, for a name that is somebody else's, for what cron cannot do.
    """
    crontab(order, user=True)  # what cron cannot do is said first
    _need_root(str(CRON))
    if not CRON.is_dir():
        raise UsageError(f"there is no {CRON} on this machine, so no cron that reads it; use a timer")
    if not order.name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"--unit: cron does not read a file called {order.name!r}: letters, digits, - and _")
    path = CRON / order.name
    _free(order, [path])
    _make_directories(order)
    variables = variables_in(Path(order.environment_file)) if order.environment_file else {}
    before = path.read_text(errors="replace") if path.exists() else ""
    hidden = bool(variables) or (path.exists() and not path.stat().st_mode & 0o004)
    text = crontab(order, user=True, variables=variables, kept=own_settings(before))
    _write(path, text, mode=0o600 if hidden else 0o644)
    return (path,)


def found() -> tuple[Installed, ...]:
    """Every schedule of ours on this machine."""
    return (*_found_timers(), *_found_cron())


def stands_still(installed: Installed) -> str | None:
    """Why nothing of it will run on this machine, and what to do; ``None``: it will, or nobody can tell."""
    if installed.kind != "systemd" or not BOOTED.is_dir():
        return None
    unit = f"{installed.name}.timer"
    if asked("systemctl", "is-active", unit).stdout.strip() == "active":
        return None
    return f"{unit} does not run: systemctl enable --now {unit}"


def remove(installed: Installed) -> None:
    """Take it off this machine; a run that is under way goes on to its end.

    :raises UsageError: without root, or if systemd does not answer.
    """
    _need_root("what is installed")
    if installed.kind == "systemd" and BOOTED.is_dir():
        _systemctl("disable", "--now", f"{installed.name}.timer")
        _let_begin(f"{installed.name}.service")
    for path in installed.files:
        path.unlink(missing_ok=True)
    if installed.kind == "systemd" and BOOTED.is_dir():
        _systemctl("daemon-reload")


def _let_begin(name: str) -> None:
    """A run that has only just begun would make itself known after it was forgotten."""
    until = time.monotonic() + BEGUN_S
    while asked("systemctl", "is-active", name).stdout.strip() == "activating" and time.monotonic() < until:
        time.sleep(0.2)


def _found_timers() -> Iterator[Installed]:
    for path, said in _marked(UNITS.glob("*.timer")):
        both = tuple(p for p in (path.with_suffix(".service"), path) if p.exists())
        yield Installed(path.stem, "systemd", both, said)


def _found_cron() -> Iterator[Installed]:
    if CRON.is_dir():
        for path, said in _marked(CRON.iterdir()):
            yield Installed(path.name, "cron", (path,), said)


def _marked(paths: Iterable[Path]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path in sorted(paths):
        try:
            said = marked(path.read_text(errors="replace"))
        except OSError:
            continue
        if said is not None:
            yield path, said


def _need_root(what: str) -> None:
    if os.geteuid() != 0:
        raise UsageError(
            f"{what} is root's to change: say it with sudo (it will run as you), or --print it and put it "
            "where your own timers or crontab are"
        )


def _free(order: Order, paths: Iterable[Path]) -> None:
    """What is there must be this very schedule's."""
    ours = (order.lease, order.part)
    for path in paths:
        if not path.exists():
            continue
        said = marked(path.read_text(errors="replace"))
        if said is None:
            raise UsageError(f"{path} is not ours: give the schedule another name with --unit")
        if (said.get("lease"), said.get("part")) != ours:
            whose = f"{said.get('inventory')} of {said.get('project')}"
            raise UsageError(f"{path} is the schedule of {whose}: give this one another name with --unit")


def _verify(files: Mapping[str, str]) -> None:
    if shutil.which("systemd-analyze") is None:
        return
    with tempfile.TemporaryDirectory(prefix="deployer-") as directory:
        paths = [Path(directory, name) for name in files]
        for path in paths:
            path.write_text(files[path.name])
        done = asked("systemd-analyze", "verify", *map(str, paths))
    # It also complains of units that are not ours, and ends differently for that from version to version.
    ours = [line for line in done.stderr.splitlines() if any(name in line for name in files)]
    # An older systemd does not know every part of the sandbox, and does without.
    ours = [line for line in ours if "Unknown key name" not in line and "Unknown lvalue" not in line]
    if ours:
        raise UsageError(f"systemd does not take the units: {'; '.join(ours)}")


def _make_directories(order: Order) -> None:
    """What a run writes in has to be there before it is made the only place it may write in."""
    person = pwd.getpwnam(order.user)

    def make() -> None:
        for text in order.writes:
            with suppress(OSError):
                Path(text).mkdir(mode=0o700, parents=True, exist_ok=True)

    as_user(person, make)
    for path in map(Path, order.writes):
        if not path.exists():  # below what is root's, where nobody else puts links in the way
            path.mkdir(mode=0o700, parents=True)
            os.chown(path, person.pw_uid, person.pw_gid)


def as_user(person: pwd.struct_passwd, work: Callable[[], None]) -> bool:
    """Do something with that user's rights: root does not write where users put links in its way.

    :returns: whether it ended well; what went wrong it has said itself.
    """
    if person.pw_uid == os.geteuid():
        work()
        return True
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.initgroups(person.pw_name, person.pw_gid)
            os.setgid(person.pw_gid)
            os.setuid(person.pw_uid)
            work()
            code = 0
        except DeployerError as error:
            sys.stderr.write(f"deployer: {error}\n")
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    other = path.with_name(f".{path.name}.new")  # cron and systemd look at neither
    try:
        other.touch(mode=0o600)
        other.write_text(text)
        other.chmod(mode)
        other.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


def _systemctl(*argv: str) -> None:
    done = asked("systemctl", *argv)
    if done.returncode:
        why = " ".join((done.stderr or done.stdout).split()) or f"it ended with {done.returncode}"
        raise UsageError(f"systemctl {' '.join(argv)}: {why}")
