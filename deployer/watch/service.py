"""The watch itself: who is looked at when, what is told, and how it ends. One thread decides, others look."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from deployer.errors import DeployerError
from deployer.watch.changes import Change
from deployer.watch.findings import Finding, Judgement, Kind
from deployer.watch.fleet import Fleet
from deployer.watch.kept import Shelf
from deployer.watch.look import Look, Origin, Past
from deployer.watch.once import live_of, rules_of
from deployer.watch.outside import Source, ask_journal
from deployer.watch.timetable import Timetable
from deployer.watch.visit import Visit
from deployer.watch.workers import Workers

if TYPE_CHECKING:
    from deployer.planning.context import Context
    from deployer.watch.exposing import Textfile
    from deployer.watch.now import Now
    from deployer.watch.systemd import Manager

LOOKERS = 32  #: hosts that are looked at at the same time, at most
SEEKERS = (
    64  #: likewise of those whose connection is gone: they wait, and a rack of them holds up nobody else
)
OUTSIDE = 3  #: git, the journal, the operator's files
OUTSIDE_S = 60.0  #: from one question to git, or to the journal, to the next, at least
SAVE_S = 30.0  #: from one writing of what outlives a restart to the next
FILE_S = 5.0  #: likewise of the textfile
STATE_S = 1.0  #: likewise of the line that systemctl status shows
STUCK_S = 300.0  #: with not one look ended for so long (or three intervals) the watchdog is not fed

Step = Callable[[], None]
T = TypeVar("T")


@dataclass
class _Every:
    """Something that is due again and again, one at a time."""

    every_s: float
    due: float = 0.0
    running: bool = False

    def take(self, now: float) -> bool:
        """Whether to begin now."""
        if self.running or now < self.due:
            return False
        self.running, self.due = True, now + self.every_s
        return True


@dataclass
class Watch:
    """Looks at a fleet until it is told to stop.

    :ivar load: reads inventory and playbook again; raises ``DeployerError``.
    :ivar tell: gets each change once, in the order they happen.
    """

    context: Context
    interval_s: float
    shelf: Shelf
    manager: Manager
    load: Callable[[], Context]
    tell: Callable[[Change], None]
    textfile: Textfile | None = None
    _steps: SimpleQueue[Step | None] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self._fleet = Fleet(
            self.context.name,
            [host.name for host in self.context.hosts],
            rules_of(self.context),
            self.shelf.take(),
            interval_s=self.interval_s,
        )
        self._visits = {host.name: Visit(self.context, host) for host in self.context.hosts}
        self._table = Timetable(self.interval_s)
        self._source = Source(self.context)
        self._lookers = Workers("look", LOOKERS)
        self._seekers = Workers("seek", SEEKERS)
        self._outside = Workers("outside", OUTSIDE)
        every_s = max(OUTSIDE_S, self.interval_s)
        self._git, self._journal = _Every(every_s), _Every(min(every_s, self.interval_s))
        self._saved = self._filed = self._judged = self._stated = 0.0
        self._changed = False
        self._progress = time.monotonic()
        self._files_busy = self._file_lost = False

    def now(self) -> Now:
        """The fleet at this moment, from any thread."""
        return self._fleet.now()

    def ask_to_stop(self) -> None:
        """End at once. May be called from a signal's handler."""
        self._steps.put(None)

    def ask_to_reread(self) -> None:
        """Read inventory and playbook again. May be called from a signal's handler."""
        self._steps.put(self._begin_rereading)

    def run(self) -> None:
        """Watch, until :meth:`ask_to_stop`."""
        self._table.set_hosts(self._visits, time.monotonic())
        self.manager.ready()
        while self._one_step():
            pass
        self.manager.stopping()
        self._save()
        self._write_textfile()
        self.shelf.let_go()

    def _one_step(self) -> bool:
        """Begin what is due, then wait for something to happen; ``False``: it is to stop."""
        now = time.monotonic()
        for name in self._table.take(now):
            self._begin_look(name)
        if self._git.take(now):
            self._begin_git()
        if self._journal.take(now):
            self._begin_journal()
        self._care(now)
        try:
            step = self._steps.get(timeout=self._pause(time.monotonic()))
        except Empty:
            return True
        if step is None:
            return False
        step()
        return True

    def _pause(self, now: float) -> float:
        due = [self._git.due if not self._git.running else now + 60.0, now + STATE_S]
        if self._table.next_at is not None:
            due.append(self._table.next_at)
        if self.manager.watchdog_s is not None:
            due.append(now + self.manager.watchdog_s / 3)
        if self._changed:
            due.append(now + 0.2)
        return max(0.01, min(due) - now)

    def _care(self, now: float) -> None:
        """What is done between the looks."""
        if self._visits and now - self._progress < max(STUCK_S, 3 * self.interval_s):
            self.manager.alive()
        if self._changed and now - self._judged >= 0.2:
            self._changed, self._judged = False, now
            self._tell(self._fleet.whole())
        if now - self._stated >= STATE_S:
            self._stated = now
            self.manager.status(self._fleet.summary)
        if now - self._saved >= SAVE_S:
            self._saved = now
            self._save()
        if now - self._filed >= FILE_S:
            self._filed = now
            self._write_textfile()

    # --- looking

    def _begin_look(self, name: str) -> None:
        visit, known = self._visits[name], self._fleet.hosts[name]
        tally, lost = known.tally, known.look is not None and not visit.is_open
        began = time.monotonic()

        def look() -> None:
            try:
                found = visit.look(tally)
            except Exception as error:
                # Whatever it is, the host comes round again; and it is told as what it is.
                logging.getLogger("deployer").exception("a bug in deployer, while it looked at %s", name)
                found = Look(name, time.time(), time.monotonic() - began, error=f"a bug in deployer: {error}")
            self._steps.put(lambda: self._looked(visit, found, began))

        (self._seekers if lost else self._lookers).do(look)

    def _looked(self, visit: Visit, found: Look, began: float) -> None:
        now = self._progress = time.monotonic()
        name = found.host
        if self._visits.get(name) is not visit:
            visit.close()  # it left the inventory, or is reached in another way now
            if name in self._visits:
                self._table.looked(name, answered=True, began=began, now=now)
            return
        self._table.looked(name, answered=found.seen is not None, began=began, now=now)
        turned = self._fleet.looked(found)
        self._tell(turned)
        self._changed = True

    def _begin_git(self) -> None:
        source = self._source
        # On disk, as far as it is known; a host that was not looked at yet is compared the next time.
        live = live_of([h.known for h in self._fleet.hosts.values() if h.known is not None])

        def ask() -> Origin:
            source.fetch()
            return source.compare(live)

        def heard(origin: Origin | Exception) -> None:
            self._git.running = False
            if source is self._source and isinstance(origin, Origin):
                self._tell(self._fleet.heard(origin=origin))

        self._ask_outside(ask, heard)

    def _begin_journal(self) -> None:
        context = self.context

        def heard(past: Past | Exception) -> None:
            self._journal.running = False
            if isinstance(past, Past):
                self._tell(self._fleet.heard(past=past))

        self._ask_outside(lambda: ask_journal(context), heard)

    def _ask_outside(self, ask: Callable[[], T], heard: Callable[[T | Exception], None]) -> None:
        """Have it asked elsewhere, and what came of it heard here, whatever it is."""

        def work() -> None:
            found: T | Exception
            try:
                found = ask()
            except Exception as error:
                found = error
                if not isinstance(error, DeployerError):
                    logging.getLogger("deployer").exception("a bug in deployer, while it watched; it goes on")
            self._steps.put(lambda: heard(found))

        self._outside.do(work)

    # --- the operator's files

    def _begin_rereading(self) -> None:
        if self._files_busy:
            return
        self._files_busy = True
        self.manager.reloading()

        self._ask_outside(self.load, self._reread_files)

    def _reread_files(self, found: Context | Exception) -> None:
        self._files_busy = False
        if isinstance(found, Exception):
            said = f"the files were not read again, the old ones stay: {found}"
            self._tell(self._fleet.told(Judgement((Finding(Kind.FILES, said, str(found)),), frozenset())))
        else:
            self._take_over(found)
        self.manager.ready()

    def _take_over(self, context: Context) -> None:
        self.context = context
        hosts = {host.name: host for host in context.hosts}
        for name, visit in list(self._visits.items()):
            if hosts.get(name) != visit.host:
                # One that is being looked at just now is closed when that is over.
                del self._visits[name]
                self._outside.do(visit.close)
            else:
                visit.renew(context)
        new = {name: Visit(context, host) for name, host in hosts.items() if name not in self._visits}
        self._visits.update(new)
        self._table.set_hosts(hosts, time.monotonic())
        self._source, self._git.due, self._journal.due = Source(context), 0.0, 0.0
        self._tell(self._fleet.reread(hosts, rules_of(context)))
        self._changed = True

    # --- telling

    def _tell(self, turned: Iterable[Change]) -> None:
        turned = tuple(turned)
        for change in turned:
            self.tell(change)
        if turned:
            self._saved = min(self._saved, time.monotonic() - SAVE_S + 1.0)
            self._changed = True

    def _save(self) -> None:
        kept = self._fleet.kept()
        self.shelf.put(kept.tallies, kept.conditions)

    def _write_textfile(self) -> None:
        if self.textfile is None:
            return
        try:
            self.textfile.write()
            self._file_lost = False
        except OSError as error:
            if not self._file_lost:
                logging.getLogger("deployer").warning("%s cannot be written: %s", self.textfile.path, error)
            self._file_lost = True
