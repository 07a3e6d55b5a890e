"""What the steps of the saga really do on a host: agent calls, checks, and tries again where that is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from deployer.errors import (
    Busy,
    ConfigRefused,
    Drifted,
    Fate,
    Fenced,
    HostError,
    HostKeyError,
    TransportError,
)
from deployer.model import Manifest, Ownership, Release
from deployer.rollout.blame import Blame, Unwell, symptoms_of
from deployer.rollout.edits import edit_id, is_edit
from deployer.rollout.rehearsing import Rehearsals
from deployer.rollout.saga import Step

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from deployer.host.reply import Frozen, Switched
    from deployer.model.barriers import Quarantined
    from deployer.rollout.guards import Deadlines
    from deployer.rollout.health import Physician
    from deployer.rollout.plan import HostPlan, Permissions
    from deployer.rollout.survey import Contact

T = TypeVar("T")

FORWARD_S = 20.0  #: how long a step whose connection was lost is tried again on the way forward
RELEASE_S = 3.0  #: an ownership that cannot be given up lapses by itself; nobody waits for that
BACK_S = 60.0  #: how long the way back is tried before a host is reported stuck
CONFIRM_S = 30.0  #: how long one answer to a confirmation is waited for, if the guard's deadline allows it
LEAST_S = 2.0
GUARD_GRACE_S = 10.0  #: a host that is lost is awaited until its guard's deadline, and so much longer
BACK_EVERY_S = 10.0  #: a ``from`` that does not validate now (a name that stopped resolving) may soon

Outcome = Mapping[str, Any]


@dataclass
class HostRun:
    """One host's part of a deployment.

    :ivar base: what stands on its disk now; the release is staged as a difference to it.
    """

    contact: Contact
    plan: HostPlan
    release: Release
    base: Manifest
    physician: Physician
    own: Ownership | None = None
    leaves: str | None = None  #: what was live when it was prepared
    kept: str | None = None  #: the release that holds what was edited by hand

    @property
    def name(self) -> str:
        """The host's inventory name."""
        return self.contact.host.name


class DeployEffects:
    """The table's effects for a deployment. Each may be repeated: the agent knows what is already done."""

    def __init__(
        self,
        runs: Mapping[str, HostRun],
        own: tuple[str, str],
        allowed: Permissions,
        guards: Deadlines,
        blame: Blame | None = None,
        *,
        rehearsals: Rehearsals,
    ) -> None:
        """Do nothing yet.

        :param own: the deployment, and who controls it.
        :param blame: told whose fault a failure was.
        """
        self._runs, self._allowed, self._guards, self._rehearsals = runs, allowed, guards, rehearsals
        self._blame = blame or Blame(own[0])
        self._deployment, self._controller = own

    def do(self, host: str, step: Step) -> Outcome:
        """Have the step's effect on the host."""
        try:
            return self._do(host, step)
        except HostError as error:
            if symptoms := symptoms_of(step, error):
                why = f"{host}: {error}"
                self._blame.suspect(host, self._runs[host].release.id, symptoms, why)
            raise

    def _do(self, host: str, step: Step) -> Outcome:
        run = self._runs[host]
        effects: Mapping[Step, Callable[[HostRun], Outcome]] = {
            Step.BEGIN: self._begin,
            Step.PREPARE: self._prepare,
            Step.REHEARSE: lambda run: self._rehearsals.rehearse(run, _owned(run)),
            Step.ACTIVATE: self._activate,
            Step.VERIFY: self._verify,
            Step.PROMOTE: self._promote,
        }
        if step is Step.VERIFY:
            return effects[step](run)
        if step is Step.CONFIRM:
            # Whoever is not told before its deadline goes back by itself.
            left_s = self._guards.left_s(host) or 0.0
            return persist(run.contact, lambda: self._confirm(run, left_s), for_s=left_s)
        return persist(run.contact, lambda: effects[step](run), for_s=FORWARD_S)

    def undo(self, host: str, step: Step) -> Outcome:
        """Take the step back on the host."""
        run = self._runs[host]
        if step is Step.BEGIN:
            return release(run.contact, run.own)
        left_s = self._guards.left_s(host)
        lost_s = BACK_S if left_s is None else left_s + GUARD_GRACE_S
        try:
            done = self._restore(run, lost_s)
        except TransportError as error:
            if left_s is None or isinstance(error, HostKeyError):
                raise
            text = f"{error}; nobody confirmed it, so its guard should have taken it back by now, unproved"
            raise TransportError(text, host=host, fate=error.fate) from error
        self._guards.disarmed(host)
        return done

    def _restore(self, run: HostRun, lost_s: float) -> Outcome:
        """Put ``from`` back, prove that it is served, and look whether the host is as healthy as before."""
        source, release_id = str(run.plan.source), run.release.id
        entry = self._blame.entry(run.name, release_id)
        switched = put_back(run.contact, _owned(run), source, lost_s=lost_s, quarantine=entry)
        try:
            run.physician.as_before()
        except Unwell as error:
            if error.failing:
                self._blame.back(run.name, release_id, error.failing)
            error.back = told_back(source, switched)
            raise
        self._blame.back(run.name, release_id, ())
        return told_back(source, switched)

    def renew(self, host: str) -> None:
        """Move the host's deadline; one that is connected to no more is connected to again.

        A host without a guard is only told that it still has an owner.

        :raises HostError: it could not be; its guard may fire, or somebody else may take it.
        """
        run = self._runs[host]
        guarded = self._guards.left_s(host) is not None
        try:
            run.contact.connection.open()
            armed = run.contact.agent.renew(_owned(run), self._guards.within_s)
        finally:
            if guarded:
                self._guards.armed(host)
        if guarded and not armed:
            raise HostError("its guard is gone: somebody removed it", host=host)

    def _begin(self, run: HostRun) -> Outcome:
        agent = run.contact.agent
        agent.ensure_installed()
        # It may be granted and the answer lost: then it has to be given up all the same.
        run.own = Ownership(self._deployment, None, self._controller)
        try:
            epoch = agent.begin(self._deployment, self._controller)
        except Busy:
            run.own = None
            raise
        run.own = Ownership(self._deployment, epoch, self._controller)
        seen = run.contact.seen
        if seen is not None and epoch != seen.epoch + 1 and seen.owner != self._deployment:
            raise Busy(
                "another deployment changed it after it was looked at; run the command again",
                host=run.name,
            )
        return {"epoch": epoch}

    def _prepare(self, run: HostRun) -> Outcome:
        agent, own, seen = run.contact.agent, _owned(run), run.contact.seen
        if seen is not None and not seen.adopted:
            found = agent.adopt(own, accept_unproven=self._allowed.accept_unproven)
            base = self._pinned(run, found)
        elif run.plan.freeze:
            base = self._set_aside(run, agent.freeze(own, fix_forward=self._allowed.fix_forward))
        else:
            base = str(seen.live) if seen is not None else ""
        run.leaves = base
        main = seen.facts.get("main", ()) if seen is not None else ()
        warnings = agent.prepare(own, run.release, run.base, base, main=main[0] if main else None)
        told = {"release": run.release.id, "from": run.plan.source, "warnings": list(warnings)}
        return told | ({"kept": run.kept} if run.kept else {})

    def _set_aside(self, run: HostRun, frozen: Frozen) -> str:
        seen = run.contact.seen
        run.kept = frozen.release if is_edit(frozen.release) else None
        self._pinned(run, frozen.back)
        if seen is not None and frozen.release != edit_id(seen):
            raise _changed(run)
        return frozen.release

    def _pinned(self, run: HostRun, found: str) -> str:
        if found != run.plan.source:
            raise _changed(run)
        return found

    def _activate(self, run: HostRun) -> Outcome:
        try:
            switched = run.contact.agent.activate(
                _owned(run),
                run.release.id,
                str(run.plan.source),
                within_s=self._guards.within_s,
                leaves=run.leaves,
                fix_forward=self._allowed.fix_forward,
            )
        finally:
            self._guards.armed(run.name)
        return {"memory": switched.memory, "proof": switched.proof}

    def _verify(self, run: HostRun) -> Outcome:
        run.physician.after()
        story: dict[str, Any] = {"promised": run.physician.kept} if run.physician.kept else {}
        return {**story, **({"warnings": list(run.physician.warnings)} if run.physician.warnings else {})}

    def _confirm(self, run: HostRun, left_s: float) -> Outcome:
        patience_s = min(max(left_s, LEAST_S), CONFIRM_S)
        run.contact.agent.confirm(_owned(run), run.release.id, timeout_s=patience_s)
        self._guards.disarmed(run.name)
        return {}

    def _promote(self, run: HostRun) -> Outcome:
        run.contact.agent.promote(_owned(run), run.release.id, sorted(run.physician.passed))
        return {}


def _changed(run: HostRun) -> Drifted:
    return Drifted("its files changed while the deployment began; run the command again", host=run.name)


def put_back(
    contact: Contact,
    own: Ownership,
    source: str,
    *,
    let_go: bool = False,
    lost_s: float = BACK_S,
    quarantine: Quarantined | None = None,
) -> Switched:
    """Put a release back, and prove that it is served.

    A lost connection is tried again at once, a release that does not validate now every :data:`BACK_EVERY_S`,
    until :data:`BACK_S` is over.

    :param let_go: give the ownership up in the same call.
    :param lost_s: how long a lost connection is tried again.
    :param quarantine: what the host is to remember as bad.
    """
    return persist(
        contact,
        lambda: contact.agent.restore(own, source, let_go=let_go, quarantine=quarantine),
        for_s=BACK_S,
        lost_s=lost_s,
        back=True,
    )


def told_back(source: str, switched: Switched) -> Outcome:
    """What the journal keeps of it."""
    return {"release": source, "memory": switched.memory, "proof": switched.proof}


def release(contact: Contact, own: Ownership | None) -> Outcome:
    """Give the ownership up; a host that was never asked for it, or has a new owner, needs nothing."""
    if own is None:
        return {}
    try:
        persist(contact, lambda: contact.agent.release(own), for_s=RELEASE_S)
    except Fenced:
        return {"fenced": True}
    return {}


def persist(
    contact: Contact,
    call: Callable[[], T],
    *,
    for_s: float,
    lost_s: float | None = None,
    back: bool = False,
) -> T:
    """Call; when the connection was lost, connect again and call again, within a time limit.

    Every agent call may be repeated under the same deployment and epoch, whatever became of the first one.

    :param lost_s: another limit for a connection that was lost.
    :param back: also try again what the validator refuses, for names that do not resolve may come back.
    """

    def again(error: BaseException) -> bool:
        return _is_lost(error) or (back and isinstance(error, ConfigRefused))

    def enough(state: RetryCallState) -> bool:
        limit_s = lost_s if lost_s is not None and _is_lost(_error(state)) else for_s
        return (state.seconds_since_start or 0.0) >= limit_s

    lost = False

    def attempt() -> T:
        nonlocal lost
        if lost:
            contact.agent.reopen()  # its own error says why the host is gone
        try:
            return call()
        except TransportError:
            lost = True
            raise

    try:
        return attempt()
    except HostError as error:
        if not again(error):
            raise
        failed = [error]
    # Only a bad day needs tenacity, so only then its import is paid for; what failed is its first attempt.
    from tenacity import Retrying, retry_if_exception

    def repeated() -> T:
        if failed:
            raise failed.pop()
        return attempt()

    retrying = Retrying(retry=retry_if_exception(again), stop=enough, wait=_pause_s, reraise=True)
    return retrying(repeated)


def _pause_s(state: RetryCallState) -> float:
    return (
        BACK_EVERY_S if isinstance(_error(state), ConfigRefused) else min(0.2 * 2**state.attempt_number, 5.0)
    )


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _is_lost(error: BaseException | None) -> bool:
    return isinstance(error, TransportError) and not isinstance(error, HostKeyError)


def _owned(run: HostRun) -> Ownership:
    if run.own is None or run.own.epoch is None:
        raise TransportError("its ownership was never heard of", host=run.name, fate=Fate.UNKNOWN)
    return run.own
