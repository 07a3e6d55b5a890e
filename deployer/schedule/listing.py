"""Which schedules there are, on this machine and by the journal; and an end to one."""

from __future__ import annotations

import pwd
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.errors import DeployerError, StoreUnavailable
from deployer.report.words import clean, iso, minute
from deployer.schedule import due, installing
from deployer.schedule.calendar import parse
from deployer.schedule.here import zone_here
from deployer.schedule.ordering import state_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployer.model.scheduled import Scheduled
    from deployer.schedule.installing import Installed


@dataclass(frozen=True, slots=True)
class Row:
    """One schedule.

    :ivar here: as it is installed on this machine; ``None``: elsewhere, or by somebody else's hand.
    :ivar known: as the journal knows it; ``None``: it does not, or cannot be asked.
    :ivar still: why nothing of it will run here, and what to do about that.
    """

    here: Installed | None
    known: Scheduled | None
    verdict: due.Verdict | None = None
    still: str | None = None

    @property
    def inventory(self) -> str:
        """Of which it is."""
        return self.known.inventory if self.known is not None else str(self._said("inventory"))

    @property
    def name(self) -> str:
        """How people call it."""
        part = self.part
        unit = f"{self.here.name} ({self.here.kind})" if self.here is not None else "not installed here"
        return clean(f"{self.inventory}{f' --limit {part}' if part else ''}: {unit}")

    @property
    def key(self) -> tuple[str, str]:
        """As the journal knows it."""
        if self.known is not None:
            return self.known.lease, self.known.part
        return self.here.key if self.here is not None else ("", "")

    @property
    def part(self) -> str:
        """The pattern of ``--limit``; empty: all hosts."""
        return self.known.part if self.known is not None else str(self._said("part") or "")

    @property
    def place(self) -> tuple[str, str, str]:
        """Where it stands among the others."""
        return self.inventory, self.part, self.name

    @property
    def calendar(self) -> str | None:
        """What it is due by."""
        if self.here is not None:
            return str(self._said("calendar"))
        return self.known.calendar if self.known is not None else None

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        known, here = self.known, self.here
        return {
            "inventory": self.inventory,
            "limit": self.part or None,
            "calendar": self.calendar,
            "unit": here.name if here is not None else None,
            "kind": here.kind if here is not None else None,
            "files": [str(path) for path in here.files] if here is not None else [],
            "controller": known.host if known is not None else None,
            "last_started": iso(known.started) if known is not None else None,
            "last_finished": iso(known.finished) if known is not None else None,
            "last_outcome": known.outcome if known is not None else None,
            "last_exit_code": known.exit_code if known is not None else None,
            "refused_since": iso(known.problem_since) if known is not None and known.problem else None,
            "stopped": self.still,
            "trouble": self.verdict.trouble.value if self.verdict is not None else None,
            "says": self.verdict.sentence if self.verdict is not None else None,
        }

    def _said(self, key: str) -> Any:
        return self.here.said.get(key) if self.here is not None else None


@dataclass(frozen=True, slots=True)
class Listed:
    """What was found."""

    rows: tuple[Row, ...]

    @property
    def exit_code(self) -> int:
        """6 when one is not as it should be."""
        return 6 if any(row.verdict is not None or row.still for row in self.rows) else 0

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"schedules": [row.as_json() for row in self.rows]}


def listed(inventory: str | None, state: str | None) -> tuple[Listed, str | None]:
    """Every schedule (of an inventory), and why the journal could not be asked, if it could not."""
    known, trouble = _known(inventory, state)
    here = {each.key: each for each in installing.found() if inventory in (None, each.said.get("inventory"))}
    by_key = {(each.lease, each.part): each for each in known}
    now = time.time()
    rows = [
        Row(
            here.get(key),
            by_key.get(key),
            due.verdict(by_key[key], now) if key in by_key else None,
            installing.stands_still(here[key]) if key in here else None,
        )
        for key in dict.fromkeys((*here, *by_key))
    ]
    return Listed(tuple(sorted(rows, key=lambda row: row.place))), trouble


def removed(inventory: str, project: Path, part: str, state: str | None) -> Listed:
    """Take schedules of an inventory of this project away: off this machine, and out of the journal.

    Neither inventory nor playbook is read: they may be gone.

    :raises UsageError: where files are installed and it is not root who asks.
    :raises StoreUnavailable: when the journal cannot be written.
    """
    name, directory = Path(inventory).stem, str(project.absolute())
    found, _ = listed(name, state)
    gone = []
    for row in found.rows:
        said = row.here.said if row.here is not None else {}
        whose = row.known.project if row.known is not None else said.get("project")
        if (whose, row.part) == (directory, part):
            gone.append(row)
    for row in gone:
        if row.here is not None:
            installing.remove(row.here)
    for row in gone:
        _forget(row, state)
    return Listed(tuple(gone))


def _forget(row: Row, state: str | None) -> None:
    """In the journal of its runs, with the rights of who runs it."""
    from deployer.journal import schedules
    from deployer.journal.store import Store

    lease, part = row.key
    said = row.here.said if row.here is not None else {}
    where = said.get("state") or state or _from_file(said)

    def forget() -> None:
        with Store.open(where) as store:
            store.wait(schedules.forget(store, lease, part))

    try:
        person = pwd.getpwnam(str(said["user"]))
    except KeyError:  # it is not installed here, or its user is gone, and with it what only he could write
        return forget() if row.known is not None else None
    if not installing.as_user(person, forget):
        raise StoreUnavailable(
            f"the journal of {person.pw_name} still knows of it, and will miss it: say --remove once more"
        )
    return None


def _from_file(said: Mapping[str, Any]) -> str | None:
    """The journal of its runs, where their environment file names it."""
    file = said.get("environment_file")
    if file is None:
        return None
    found = state_in(Path(str(file)))
    if found is None:
        text = f"{file} does not say any more what the journal of its runs is; name it with --state"
        raise StoreUnavailable(f"{text}, and say --remove once more: it will be missed else")
    return found


def lines(found: Listed) -> list[str]:
    """For people."""
    if not found.rows:
        return ["no schedule here, and none in the journal"]
    told = []
    for row in found.rows:
        told.append(f"{row.name}, {row.calendar or 'when its CI says'}")
        if row.still is not None:
            told.append(f"  STOPPED: {row.still}")
        elif row.here is not None and row.calendar is not None:
            told.append(f"  due next: {_next(row.calendar)}")
        if row.known is not None:
            told.append(f"  last run: {_last(row.known)}")
        elif row.here is not None:
            user = clean(str(row.here.said.get("user")))
            told.append(f"  last run: not in this journal; ask as who runs it, {user}, or with its --state")
        if row.verdict is not None:
            told.append(f"  {row.verdict.trouble.value.upper().replace('_', ' ')}: {row.verdict.sentence}")
    return told


def _known(inventory: str | None, state: str | None) -> tuple[tuple[Scheduled, ...], str | None]:
    from deployer.journal import schedules
    from deployer.journal.store import Store

    try:
        with Store.open(state, read_only=True) as store:
            return schedules.all_of(store, inventory), None
    except DeployerError as error:
        return (), str(error)


def _next(calendar: str) -> str:
    try:
        at = parse(calendar).next_after(time.time(), zone_here())
    except ValueError:
        return "not understood"
    return f"{minute(at)} UTC" if at is not None else "never"


def _last(known: Scheduled) -> str:
    if known.started is None:
        return f"none since it was installed on {clean(known.host)}, {minute(known.since)} UTC"
    at = f"{minute(known.started)} UTC on {clean(known.host)}"
    if known.finished is None:
        return f"{at}, not ended yet"
    return f"{at}: {known.outcome or 'ended'} ({known.exit_code})"
