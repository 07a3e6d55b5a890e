"""What is known of the fleet while it is watched; each look changes it and says what it changed. No IO."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from deployer.model import Observation
from deployer.report.words import names
from deployer.watch.changes import Change, Standing, changes
from deployer.watch.findings import Judgement, Kind, Rules, judge_fleet, judge_look
from deployer.watch.kept import FLEET, Kept
from deployer.watch.look import Look, Origin, Past
from deployer.watch.now import HostNow, Now

_KEPT_FACTS = ("drift", "owner_silent", "owner_controller")


class Fleet:
    """The fleet as it stands.

    :param kept: what an earlier watch left.
    :param interval_s: from one look at a host to the next; 0: there is one look at all of them.
    """

    def __init__(
        self, inventory: str, hosts: Iterable[str], rules: Rules, kept: Kept, *, interval_s: float
    ) -> None:
        self._inventory, self._rules, self._interval_s = inventory, rules, interval_s
        self._read_at = time.time()
        self._origin: Origin | None = None
        self._past: Past | None = None
        self._split_at: float | None = None  #: when it looked split first
        self._fleet: dict[Kind, Standing] = dict(kept.conditions.get(FLEET, {}))
        self._hosts = {name: _begun(name, kept) for name in hosts}

    @property
    def hosts(self) -> Mapping[str, HostNow]:
        """Each as it stands."""
        return self._hosts

    def now(self) -> Now:
        """For metrics, from any thread: what it gives does not change any more."""
        return Now(self._inventory, self._hosts.copy(), self._fleet, self._interval_s, self._read_at)

    def kept(self) -> Kept:
        """What the next watch should know."""
        conditions = {name: dict(host.conditions) for name, host in self._hosts.items()}
        tallies = {name: host.tally for name, host in self._hosts.items()}
        return Kept(tallies, {**conditions, FLEET: self._fleet})

    def reread(self, hosts: Iterable[str], rules: Rules) -> tuple[Change, ...]:
        """The files were read again: these hosts, and no others."""
        self._hosts = {name: self._hosts.get(name, HostNow()) for name in hosts}
        self._rules, self._read_at = rules, time.time()
        self._origin = None
        return self._judge_fleet(Judgement((), frozenset({Kind.FILES})))

    def told(self, judgement: Judgement) -> tuple[Change, ...]:
        """Something about the fleet that no look finds."""
        return self._judge_fleet(judgement)

    def looked(self, look: Look) -> tuple[Change, ...]:
        """A host was looked at."""
        before = self._hosts.get(look.host)
        if before is None:
            return ()  # it left the inventory meanwhile
        look = self._with_git(_lean(look))
        conditions, turned = changes(
            before.conditions, judge_look(look, self._rules, now=look.time), look.host, now=look.time
        )
        self._hosts[look.host] = HostNow(
            look=look,
            known=look if look.seen is not None else before.known,
            tally=before.tally.after(look.inspection, look.time),
            conditions=conditions,
            expires=_expires(look, before.expires),
        )
        return turned

    def heard(self, *, origin: Origin | None = None, past: Past | None = None) -> tuple[Change, ...]:
        """Git or the journal answered."""
        if origin is not None:
            self._origin = origin
            for name, host in self._hosts.items():
                if host.known is not None:
                    self._hosts[name] = replace(host, known=self._with_git(host.known))
        if past is not None:
            self._past = past
        return self.whole()

    def whole(self) -> tuple[Change, ...]:
        """Judge the fleet by what is known of its hosts."""
        known = [host.known for host in self._hosts.values() if host.known is not None]
        found = judge_fleet(known, self._origin, self._past, inventory=self._inventory)
        return self._judge_fleet(found if self._is_sure(found) else found.without(Kind.SPLIT))

    @property
    def summary(self) -> str:
        """How it stands, in one line."""
        total = len(self._hosts)
        bad = [name for name, host in self._hosts.items() if any(c.loud for c in host.conditions.values())]
        waiting = sum(host.look is None for host in self._hosts.values())
        fleet = ", ".join(k.value for k, c in self._fleet.items() if c.loud)
        parts = [
            f"{len(bad)} of {total} hosts need attention: {names(bad)}" if bad else f"{total} hosts, all well"
        ]
        parts += [f"{waiting} not looked at yet"] if waiting else []
        return "; ".join([*parts, fleet] if fleet else parts)

    def _is_sure(self, found: Judgement) -> bool:
        """Split is what still is after a look at everybody: a rollback passes between two looks."""
        if all(finding.kind is not Kind.SPLIT for finding in found.findings):
            self._split_at = None
            return True
        if self._split_at is None:
            self._split_at = time.time()
        looks = [host.look for host in self._hosts.values() if host.look is not None and host.look.seen]
        at_once = self._interval_s == 0
        return at_once or Kind.SPLIT in self._fleet or all(look.time > self._split_at for look in looks)

    def _judge_fleet(self, judgement: Judgement) -> tuple[Change, ...]:
        self._fleet, turned = changes(self._fleet, judgement, None, now=time.time())
        return turned

    def _with_git(self, look: Look) -> Look:
        if self._origin is None:
            return look
        return replace(look, wanted=self._origin.wanted.get(look.host))


def _begun(name: str, kept: Kept) -> HostNow:
    tally = kept.tallies.get(name)
    conditions = kept.conditions.get(name, {})
    return HostNow(conditions=conditions) if tally is None else HostNow(tally=tally, conditions=conditions)


def _lean(look: Look) -> Look:
    """Without what nobody asks for later: 500 hosts are kept for as long as the watch runs."""
    if look.seen is None:
        return look
    found = look.inspection and replace(look.inspection, pems={}, certificates=None)
    facts = {key: look.seen.facts[key] for key in _KEPT_FACTS if key in look.seen.facts}
    seen: Observation = replace(look.seen, facts=facts, releases=(), checks=(), good=look.seen.good[-1:])
    return replace(look, seen=seen, inspection=found)


def _expires(look: Look, before: float | None) -> float | None:
    if look.certificates is None:
        return before
    return min((dated.certificate.not_after for dated in look.certificates), default=None)
