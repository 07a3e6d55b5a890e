"""What a recovery really does on a host: it takes it over, then proves and promotes it, or takes it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from deployer.errors import HostError
from deployer.model import Ownership
from deployer.rollout.blame import ANSWERS, MEMORY
from deployer.rollout.effects import BACK_S, FORWARD_S, Outcome, persist, put_back, release, told_back
from deployer.rollout.saga import Step

if TYPE_CHECKING:
    from deployer.rollout.blame import Blame
    from deployer.rollout.resume import Pin
    from deployer.rollout.survey import Contact, Survey

Passing = Callable[["Contact"], frozenset[str]]
"""The digests of the checks that a host passes now."""


class RecoveryEffects:
    """The table's effects for a recovery. Each may be repeated, by this recovery or by the next.

    Every host is taken over under the deployment's own name with an epoch of its own, so that its guard is
    ours to see to, and the controller that was believed dead is fenced.
    """

    def __init__(
        self,
        survey: Survey,
        pins: Mapping[str, Pin],
        own: tuple[str, str],
        passing: Passing,
        blame: Blame,
    ) -> None:
        """Do nothing yet.

        :param own: the deployment, and who recovers it.
        :param blame: knows what failed where, by the journal.
        """
        self._survey, self._pins, self._passing = survey, pins, passing
        self._blame = blame
        self._deployment, self._controller = own
        self._owned: dict[str, Ownership] = {}
        self._let_go: set[str] = set()

    def do(self, host: str, step: Step) -> Outcome:
        """Have the step's effect on the host; nothing is prepared or switched any more."""
        with self._survey.turn(host):
            return self._do(host, step)

    def undo(self, host: str, step: Step) -> Outcome:
        """Take the step back on the host."""
        with self._survey.turn(host):
            return self._undo(host, step)

    def _do(self, host: str, step: Step) -> Outcome:
        contact, own = self._take_over(host)
        target = self._pinned(host, self._pins[host].target)
        if step is Step.CONFIRM:
            persist(contact, lambda: contact.agent.confirm(own, target), for_s=FORWARD_S)
            return {}
        if step is not Step.PROMOTE:
            raise AssertionError(f"a recovery does not {step}")
        # It is confirmed, so it is live; whatever happened since, it is served when it is called good.
        switched = put_back(contact, own, target, lost_s=FORWARD_S)
        passed = sorted(self._passing(contact))
        persist(contact, lambda: contact.agent.promote(own, target, passed), for_s=FORWARD_S)
        return {"release": target, "memory": switched.memory, "proof": switched.proof}

    def _undo(self, host: str, step: Step) -> Outcome:
        if step is Step.BEGIN:
            return self._give_up(host)
        contact, own = self._take_over(host)
        source = self._pinned(host, self._pins[host].source)
        target = self._pins[host].target or ""
        entry = self._blame.entry(host, target)
        switched = put_back(contact, own, source, let_go=True, lost_s=FORWARD_S, quarantine=entry)
        if switched.released:
            self._let_go.add(host)
        if symptoms := self._blame.symptoms(host, target):
            # Where there are no checks nobody can ask what was before: that it is served is all there is.
            checks = frozenset(symptoms) - {ANSWERS, MEMORY}
            self._blame.back(host, target, checks - self._passing(contact) if checks else ())
        return told_back(source, switched)

    def _give_up(self, host: str) -> Outcome:
        seen = self._survey.contacts[host].seen
        if host in self._let_go or (seen is not None and seen.owner is None and host not in self._owned):
            return {}
        contact, own = self._take_over(host)
        return release(contact, own)

    def _take_over(self, host: str) -> tuple[Contact, Ownership]:
        contact = self._survey.contacts[host]
        if contact.error is not None:
            raise contact.error  # it is not asked again: that is for the next recovery
        if host not in self._owned:
            epoch = persist(contact, lambda: self._begin(contact), for_s=BACK_S, lost_s=FORWARD_S)
            self._owned[host] = Ownership(self._deployment, epoch, self._controller)
        return contact, self._owned[host]

    def _begin(self, contact: Contact) -> int:
        return contact.agent.begin(self._deployment, self._controller, preempt=True)

    def _pinned(self, host: str, release_id: str | None) -> str:
        if release_id is None:
            raise HostError(
                "which release it is to serve is recorded nowhere; see 'deployer rollback --list'", host=host
            )
        return release_id
