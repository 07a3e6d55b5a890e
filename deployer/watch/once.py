"""One look at every host of a fleet, at git and at the journal: what ``status`` and ``watch --once`` show."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from deployer.watch.findings import Rules
from deployer.watch.look import Look, Origin, Past
from deployer.watch.outside import Source, ask_journal
from deployer.watch.tally import Tally
from deployer.watch.visit import Visit

if TYPE_CHECKING:
    from deployer.planning.context import Context
    from deployer.watch.changes import Change
    from deployer.watch.fleet import Fleet

PARALLEL = 32
PATIENCE_S = 15.0
"""So long git and the journal are waited for after the hosts have answered: they only add to what is told."""

WINDOW = 262_144  #: bytes of each log that are counted where nobody knows how far it was read

T = TypeVar("T")


@dataclass(frozen=True)
class Round:
    """What one look at everything found.

    :ivar looks: by host, in inventory order; each with what git has for it.
    """

    inventory: str
    looks: Mapping[str, Look]
    origin: Origin
    past: Past
    rules: Rules


def look_once(context: Context, tallies: Mapping[str, Tally] | None = None) -> Round:
    """Ask everybody. Changes nothing.

    :param tallies: how far logs were read; ``None``: the newest lines are counted, whatever time they are of.
    """
    source = Source(context)
    fetched = aside(source.fetch)
    past = aside(lambda: ask_journal(context))
    visits = [Visit(context, host) for host in context.hosts]
    window = WINDOW if tallies is None else 0

    def look(visit: Visit) -> Look:
        try:
            return visit.look((tallies or {}).get(visit.host.name, Tally()), window=window)
        finally:
            visit.close()

    with ThreadPoolExecutor(max_workers=min(PARALLEL, len(visits) or 1), thread_name_prefix="look") as pool:
        looks = list(pool.map(look, visits))
    until = time.monotonic() + PATIENCE_S
    late = Origin(ref=context.playbook.source.ref, error=f"it has not answered within {PATIENCE_S:.0f} s")
    origin = source.compare(live_of(looks)) if _ended(fetched, until) else late
    (journal,) = _ended(past, until) or (Past(error=f"it has not answered within {PATIENCE_S:.0f} s"),)
    return Round(
        context.name,
        {look.host: replace(look, wanted=origin.wanted.get(look.host)) for look in looks},
        origin,
        journal,
        rules_of(context),
    )


def take_in(fleet: Fleet, found: Round) -> Iterator[Change]:
    """Have a round change what is known of the fleet; what changed by it."""
    for look in found.looks.values():
        yield from fleet.looked(look)
    yield from fleet.heard(origin=found.origin, past=found.past)


def rules_of(context: Context) -> Rules:
    """What of the playbook matters for judging."""
    return Rules(context.playbook.rollout.confirm_within_s)


def live_of(looks: list[Look]) -> dict[str, tuple[str, str | None]]:
    """By host, what is live and the tree hash on disk: for :meth:`Source.compare`."""
    return {k.host: (k.seen.live or "", k.seen.disk_hash) for k in looks if k.seen is not None}


def aside(work: Callable[[], T]) -> Future[tuple[T]]:
    """Begin something that may be left behind when it takes too long; its result comes in a tuple."""
    future: Future[tuple[T]] = Future()

    def run() -> None:
        try:
            future.set_result((work(),))
        except BaseException as error:  # raised again in who waits
            future.set_exception(error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return future


def _ended(future: Future[tuple[T]], until: float) -> tuple[T] | None:
    try:
        return future.result(max(0.0, until - time.monotonic()))
    except TimeoutError:
        return None
