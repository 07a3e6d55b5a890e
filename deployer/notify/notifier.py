"""Tells recipients, each in a thread of its own: whoever does not answer delays nobody, least of all hosts.

:meth:`Notifier.tell` is all that a command, or a service, has to know: it never waits and never raises.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployer.config.notify import Recipient, called
from deployer.model import Event, State
from deployer.notify.memory import Memory
from deployer.notify.notices import Notice, Turn, over
from deployer.notify.scrubbing import Scrubber
from deployer.notify.senders import NotTold, Sender, sender_of, told

if TYPE_CHECKING:
    from deployer.journal.told import Open

PATIENCE_S = 10.0  #: how long the end of a command waits for all recipients together
AGAIN_S = 60.0  #: how often a service tries again to tell what nobody took
MOST_WAITING = 1000  #: notices for one recipient; a service that cannot tell anybody must not grow for it


def _nobody(_recipient: str, _why: str) -> None:
    """Nobody wants to know."""


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True)
class Settings:
    """What a notifier works with.

    :ivar scope: of which problems are one another's: an inventory of one project.
    :ivar where: ``ops1:/srv/nginx``: what the commands in messages are meant for.
    :ivar state: URL of the journal, which knows who was told of what.
    :ivar hide: takes the inventory's secrets out of a text.
    :ivar stays: a service: what nobody took is tried again until it is taken or over.
    :ivar failed: called with a recipient's name and why it was not told, from any thread.
    """

    scope: str
    where: str
    state: str | None = field(default=None, repr=False)
    hide: Callable[[str], str] = _as_it_is
    stays: bool = False
    failed: Callable[[str, str], None] = _nobody


@dataclass(frozen=True)
class Report:
    """What became of the notices of one command.

    :ivar told: recipients that took something.
    :ivar failed: recipients that did not take something, and why.
    :ivar known: somebody knew of it already.
    """

    told: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    known: bool = False

    @property
    def missed(self) -> str:
        """Who was not told, each with the reason."""
        return "; ".join(f"{name}: {why}" for name, why in self.failed)

    @property
    def line(self) -> str | None:
        """For the output, one line; ``None``: nobody was to be told of anything."""
        if not self.failed:
            return f"told: {', '.join(self.told)}" if self.told else None
        if self.told:
            return f"told: {', '.join(self.told)}; NOT told: {self.missed}"
        return f"{'NOT' if self.known else 'nobody was'} told: {self.missed}"


class Notifier:
    """Everybody whom a playbook names."""

    def __init__(self, recipients: Sequence[Recipient], settings: Settings) -> None:
        """Resolve and connect nothing yet."""
        self._settings = settings
        self._memory = Memory(settings.state, settings.scope)
        self._stop = threading.Event()
        scrubber = Scrubber()
        self._lines = [
            _Line(recipient, name, memory=self._memory, scrubber=scrubber, settings=settings, stop=self._stop)
            for recipient, name in zip(recipients, called(recipients), strict=True)
        ]

    def tell(self, notice: Notice) -> None:
        """Tell whoever wants to hear of it. Returns at once; called from any thread."""
        if not self._lines:
            return
        hidden = notice.hidden(self._settings.hide)
        for line in self._lines:
            line.put(hidden)

    def close(self, within_s: float = PATIENCE_S, *, deployment: str | None = None) -> Report:
        """Wait until everybody was told, at most so long.

        :param deployment: in whose history it is kept who was told; ``None``: in none.
        """
        until = time.monotonic() + within_s
        for line in self._lines:
            line.end()
        for line in self._lines:
            line.wait(max(0.0, until - time.monotonic()))
        self._stop.set()
        for line in self._lines:
            line.leave()
        report = self._report(within_s)
        if deployment is not None and report.line is not None:
            self._memory.journal(_event(deployment, report))
        self._memory.close()
        return report

    def _report(self, within_s: float) -> Report:
        failed = [(line.name, why) for line in self._lines if (why := line.why_not(within_s)) is not None]
        names = {name for name, _ in failed}
        done = tuple(line.name for line in self._lines if line.told and line.name not in names)
        return Report(done, tuple(failed), any(line.known for line in self._lines))


def _event(deployment: str, report: Report) -> Event:
    state = State.FAILED if report.failed else State.SUCCEEDED
    who = ", ".join(report.told)
    told = f" (told: {who})" if who else ""
    detail = {
        "reason": f"{report.missed}{told}" if report.failed else who,
        "told": list(report.told),
        "not_told": dict(report.failed),
    }
    return Event(deployment, None, "notify", state, time.time(), detail)


class _Line:
    """The way to one recipient: what is to be said, in order, and the thread that says it."""

    def __init__(
        self,
        recipient: Recipient,
        name: str,
        *,
        memory: Memory,
        scrubber: Scrubber,
        settings: Settings,
        stop: threading.Event,
    ) -> None:
        self.name, self.told, self.known = name, False, False
        self._recipient, self._memory, self._scrubber = recipient, memory, scrubber
        self._settings, self._stop = settings, stop
        self._queue: queue.Queue[Notice | None] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failure: str | None = None
        self._late: dict[str, Notice] = {}
        self._ending: tuple[Open, ...] = ()  #: made ours to tell that they are over, and not told yet

    def put(self, notice: Notice) -> None:
        """Have it said, if it is loud enough here or the end of something."""
        if not notice.ends and not self._wanted(notice):
            return
        with self._lock:
            if self._thread is None:
                # A daemon: somebody who never answers must not keep the program.
                self._thread = threading.Thread(target=self._run, name=f"notify {self.name}", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait(notice)
        except queue.Full:
            self._fail(f"{MOST_WAITING} messages wait for it already")

    def end(self) -> None:
        """Nothing more comes."""
        if self._thread is not None:
            with suppress(queue.Full):  # then nobody reads it, and it is not waited for longer
                self._queue.put_nowait(None)

    def wait(self, within_s: float) -> None:
        """Until all is said, at most so long."""
        if self._thread is not None:
            self._thread.join(within_s)

    def leave(self) -> None:
        """Whoever comes next tells the ends that are still on their way: better told twice than never."""
        if self._thread is not None and self._thread.is_alive():
            self._put_back(self._ending)

    def why_not(self, within_s: float) -> str | None:
        """Why something was not said; ``None``: all was."""
        if self._thread is not None and self._thread.is_alive():
            return f"it did not answer within {within_s:g} s"
        return self._failure

    def _wanted(self, notice: Notice) -> bool:
        return notice.level is not None and notice.level.rank >= self._recipient.level.rank

    def _run(self) -> None:
        while True:
            try:
                notice = self._queue.get(timeout=AGAIN_S if self._late else None)
            except queue.Empty:
                for late in list(self._late.values()):
                    self._deal(late)
                continue
            if notice is None:
                return
            self._deal(notice)

    def _deal(self, notice: Notice) -> None:
        """All that one notice means for this recipient. Nothing that goes wrong here ends the thread."""
        topic = notice.topic or notice.id
        self._late.pop(topic, None)
        try:
            self._say(notice)
        except Exception as error:
            self._fail(str(error) if isinstance(error, NotTold) else f"a bug: {type(error).__name__}")
            if self._settings.stays and len(self._late) < MOST_WAITING:
                self._late[topic] = notice

    def _say(self, notice: Notice) -> None:
        for topic in notice.ends:
            self._late.pop(topic, None)
        ended = self._memory.ended(notice.ends, self._recipient.key) if notice.ends else []
        for at, problem in enumerate(ended):
            self._ending = tuple(ended[at:])
            try:
                self._send(over(problem.about, topic=problem.topic, since=problem.since, by=notice))
            except NotTold:
                self._put_back(self._ending)
                raise
            finally:
                self._ending = ()
        if ended or not self._wanted(notice):
            return  # that it is over says what happened as well
        if notice.turn is Turn.PROBLEM:
            self._once(notice)
        else:
            self._send(notice)

    def _put_back(self, problems: Sequence[Open]) -> None:
        for problem in problems:
            self._memory.remember(problem, self._recipient.key)

    def _once(self, notice: Notice) -> None:
        claimed = self._memory.claim(notice, self._recipient.key)
        if claimed is None:
            self.known = True
            return
        taken = False
        try:
            self._send(notice)
            taken = True
        finally:
            self._memory.settle(notice, self._recipient.key, claimed, taken=taken)

    def _send(self, notice: Notice) -> None:
        told(self._sender(), notice, self._stop)
        self.told = True

    def _sender(self) -> Sender:
        # Made for each message: a secret that was changed meanwhile is read anew by a service.
        return sender_of(self._recipient, where=self._settings.where, scrubber=self._scrubber)

    def _fail(self, why: str) -> None:
        self._failure = self._scrubber.scrub(why)
        self._settings.failed(self.name, self._failure)
