"""The lease of an inventory: who is at work on it, as the store knows it. The truth is on the hosts.

It is renewed while its owner lives and lapses by itself after that, by the clock of the database alone. The
lease of a process that is gone is taken over at once by whoever can see that, from the same machine.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployer.errors import StoreUnavailable
from deployer.journal.ids import who
from deployer.journal.process import Process, this_process
from deployer.journal.statements import text_of

if TYPE_CHECKING:
    from deployer.journal.database import Session
    from deployer.journal.store import Store

TTL_S = 60.0  #: how long a lease is believed without being renewed
RENEW_S = 15.0  #: how often it is renewed
TRIES = 3  #: so often is it asked again for a lease that came free between two questions

# One statement, so that of two that ask together exactly one has it.
TAKE = """
INSERT INTO lease
  (name, token, deployment, kind, who, host, machine, pid, born, since, renewed, expires)
VALUES (:name, :token, :deployment, :kind, :who, :host, :machine, :pid, :born, {now}, {now}, {now} + :ttl)
ON CONFLICT (name) DO UPDATE
SET token = excluded.token, deployment = excluded.deployment, kind = excluded.kind, who = excluded.who,
    host = excluded.host, machine = excluded.machine, pid = excluded.pid, born = excluded.born,
    since = excluded.since, renewed = excluded.renewed, expires = excluded.expires
WHERE lease.expires <= {now} OR lease.token = :dead OR lease.token = excluded.token
"""
RENEW = "UPDATE lease SET renewed = {now}, expires = {now} + :ttl WHERE name = :name AND token = :token"
RELEASE = "DELETE FROM lease WHERE name = :name AND token = :token"
LOOK = "SELECT lease.*, {now} AS now FROM lease WHERE name = :name"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who takes a lease, and for what."""

    deployment: str
    kind: str  #: "deploy", "adopt" …
    who: str = field(default_factory=who)
    host: str = field(default_factory=socket.gethostname)
    process: Process = field(default_factory=this_process)
    token: str = field(default_factory=lambda: secrets.token_hex(16))  #: this one taking of it


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as it was found. All times are of the database's clock, in seconds since the epoch."""

    name: str
    owner: Owner
    since: float
    renewed: float
    expires: float
    seen: float

    @property
    def silent_s(self) -> float:
        """For how long its owner was not heard."""
        return max(0.0, self.seen - self.renewed)

    @property
    def lapsed(self) -> bool:
        """It was not renewed for its time: anybody may take it."""
        return self.expires <= self.seen

    @property
    def alive(self) -> bool | None:
        """Whether its owner's process lives; ``None`` when that cannot be seen from here."""
        return self.owner.process.alive


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking for a lease.

    :ivar granted: it is ours.
    :ivar other: who has it; or, when it is ours, who had it: a process that is gone, or silent for too long.
    """

    granted: bool
    other: Held | None


def look(session: Session, name: str) -> Held | None:
    """Who has a lease, lapsed or not."""
    found = session.rows(LOOK.format(now=session.now), {"name": name})
    if not found:
        return None
    row = found[0]
    process = Process(row["pid"], row["machine"], row["born"])
    owner = Owner(row["deployment"], row["kind"], row["who"], row["host"], process, row["token"])
    return Held(name, owner, row["since"], row["renewed"], row["expires"], row["now"])


def take(session: Session, name: str, owner: Owner, *, ttl_s: float = TTL_S) -> Answer:
    """Take a lease that is free, has lapsed, or whose owner is seen to be gone."""
    process = owner.process
    wanted = {
        "name": name,
        "token": owner.token,
        "deployment": owner.deployment,
        "kind": owner.kind,
        "who": text_of(owner.who),
        "host": text_of(owner.host),
        "machine": process.machine,
        "pid": process.pid,
        "born": process.born,
        "ttl": ttl_s,
    }
    found = None
    for _ in range(TRIES):
        found = look(session, name)
        dead = found.owner.token if found is not None and found.alive is False else ""
        if session.change(TAKE.format(now=session.now), {**wanted, "dead": dead}):
            mine = found is None or found.owner.token == owner.token
            return Answer(True, None if mine else found)
    return Answer(False, found)


def renew(session: Session, name: str, token: str, *, ttl_s: float = TTL_S) -> bool:
    """Say that its owner lives; ``False``: it is somebody else's by now, or nobody's."""
    given = {"name": name, "token": token, "ttl": ttl_s}
    return bool(session.change(RENEW.format(now=session.now), given))


def release(session: Session, name: str, token: str) -> bool:
    """Give back this one taking of it; ``False``: it was not there any more."""
    return bool(session.change(RELEASE, {"name": name, "token": token}))


class Lease:
    """A lease that we ask for, hold and give back.

    :ivar lost: called once, from a thread, when it was taken from us: with who has it now, if anybody.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        owner: Owner,
        lost: Callable[[Held | None], None],
        *,
        ttl_s: float = TTL_S,
        renew_s: float = RENEW_S,
    ) -> None:
        self.name, self.owner, self.lost = str(text_of(name)), owner, lost
        self._store, self._ttl_s, self._renew_s = store, ttl_s, renew_s
        self._ended = threading.Event()
        self._renewing: threading.Thread | None = None

    def ask(self) -> Future[Answer]:
        """Ask for it, without waiting."""
        return self._store.call(lambda session: take(session, self.name, self.owner, ttl_s=self._ttl_s))

    def answer(self, asked: Future[Answer]) -> Answer:
        """Wait for the answer; from when it is ours, it is renewed.

        :raises StoreUnavailable: when the store cannot be asked.
        """
        answer = self._store.wait(asked)
        if answer.granted and self._renewing is None:
            self._renewing = threading.Thread(target=self._renew, name="lease", daemon=True)
            self._renewing.start()
        return answer

    def release(self) -> None:
        """Give it back, if it is ours, and without waiting: what cannot be given back lapses by itself."""
        self._ended.set()
        try:
            self._store.call(lambda session: release(session, self.name, self.owner.token))
        except StoreUnavailable:
            return

    def _renew(self) -> None:
        while not self._ended.wait(self._renew_s):
            try:
                if not self._store.wait(self._store.call(self._still_mine)):
                    break
            except StoreUnavailable:
                continue  # whether that matters the journal decides
        if not self._ended.is_set():
            self.lost(self._now_of())

    def _still_mine(self, session: Session) -> bool:
        return renew(session, self.name, self.owner.token, ttl_s=self._ttl_s)

    def _now_of(self) -> Held | None:
        try:
            return self._store.wait(self._store.call(lambda session: look(session, self.name)))
        except StoreUnavailable:
            return None
