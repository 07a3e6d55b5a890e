"""The lease that deploy and adopt hold while they work: one at a time on an inventory, and good messages.

A courtesy between people who share a store. Who may really change a host, the host decides.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from deployer.errors import LeaseHeld, UsageError
from deployer.journal.lease import Answer, Held, Lease, Owner
from deployer.model import Event, State
from deployer.report.words import clean, duration, minute

if TYPE_CHECKING:
    from deployer.journal.store import Store
    from deployer.planning.audience import Audience
    from deployer.planning.context import Context
    from deployer.running.undertaking import Undertaking

LOOK_EVERY_S = 0.5  #: how often somebody who waits looks whether it is free


def lease_name(context: Context) -> str:
    """What the lease is for: this inventory, and what is deployed there.

    Two who share a store and have an inventory of the same name, but another repository or directory, do not
    hinder each other; a colleague's copy of the same project is the same.
    """
    from deployer.source.url import parse_url

    book = context.playbook
    try:
        repo = parse_url(context.repo).plain
    except (UsageError, RuntimeError):  # deploy says what is wrong with it; a rollback needs no repository
        repo = book.source.repo
    what = (repo, book.source.path, book.target.directory)
    return f"{context.name} {sha256(repr(what).encode('utf-8', 'backslashreplace')).hexdigest()[:12]}"


class Tenure:
    """A lease that was asked for."""

    def __init__(self, lease: Lease, inventory: str, audience: Audience) -> None:
        self._lease, self._inventory, self._audience = lease, inventory, audience
        self._asked = lease.ask()
        self._ours = False

    def granted(self, wait_s: float = 0.0) -> None:
        """Go on only when it is ours.

        :param wait_s: how long somebody else is waited for.
        :raises LeaseHeld: when it is somebody else's to the end of that.
        :raises StoreUnavailable: when the store cannot be asked.
        """
        if self._ours:
            return
        until = time.monotonic() + wait_s
        waiting_for = ""
        while not (answer := self._lease.answer(self._asked)).granted:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise LeaseHeld(self._refusal(answer, wait_s))
            if answer.other is not None and answer.other.owner.token != waiting_for:
                waiting_for = answer.other.owner.token
                self._audience.saying(f"waiting up to {duration(left_s)} for {told(answer.other)}")
            time.sleep(min(LOOK_EVERY_S, left_s))
            self._asked = self._lease.ask()
        self._ours = True
        if answer.other is not None:
            self._audience.warns(f"took the lease over from {told(answer.other)}, {why_dead(answer.other)}")

    def _refusal(self, answer: Answer, wait_s: float) -> str:
        taken = f"still taken after {duration(wait_s)}" if wait_s else "taken"
        inventory = self._inventory
        if answer.other is None:
            return f"the lease of {inventory} went from hand to hand; try again, or say --lock-wait 10m"
        return (
            f"{inventory} is {taken} by {told(answer.other)}: let it end, or wait for it with "
            f"--lock-wait 10m; should it be stuck: deployer unlock {inventory}"
        )


@contextmanager
def leased(own: Undertaking, store: Store, *, wait_s: float = 0.0) -> Iterator[Tenure]:
    """Ask for the inventory's lease and give it back in the end.

    With ``wait_s`` it is ours when this is entered. Without, the store is asked meanwhile: call
    :meth:`Tenure.granted` before anything is decided.

    :raises LeaseHeld: when it is somebody else's for longer than ``wait_s`` seconds.
    """
    name = own.context.name

    def lost(now: Held | None) -> None:
        by = f"taken over by {told(now)}" if now is not None else f"released: deployer unlock {name}"
        said = f"the lease of {name} was {by}; the hosts decide who goes on"
        own.audience.warns(said)
        own.audience.hears(Event(own.id, None, "lease", State.FAILED, time.time(), {"reason": said}))

    lease = Lease(store, lease_name(own.context), Owner(own.id, own.kind), lost)
    tenure = Tenure(lease, name, own.audience)
    try:
        if wait_s:
            tenure.granted(wait_s)
        yield tenure
    finally:
        lease.release()


def told(held: Held) -> str:
    """Whose it is: ``ann@ops1 (deploy 20240612-…, pid 4711 on ops1, since …, heard 3 s ago)``."""
    owner = held.owner
    return (
        f"{clean(owner.who)} ({owner.kind} {owner.deployment}, pid {owner.process.pid} on "
        f"{clean(owner.host)}, since {minute(held.since)} UTC, heard {duration(held.silent_s)} ago)"
    )


def why_dead(held: Held) -> str:
    """Why nobody is believed to be at work any more."""
    if held.alive is False:
        return "whose process is gone"
    return f"which was not heard for {duration(held.silent_s)}"
