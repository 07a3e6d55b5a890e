"""Saga and waves as a machine: events, lost answers, guards that fire and controllers that die, in any order.

The hosts are what the agent promises to be: a switch arms its guard in the same call, a guard that has fired
refuses whatever comes late, and every effect may be had twice. The controller is ``orders`` and
``next_action`` alone; when it dies, all that is left of it is the journal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deployer.model import Amount, Event, Outcome, State
from deployer.rollout.saga import STEPS, Action, Do, HostLog, Step, TakeBack, Undo, next_action
from deployer.rollout.waves import Cause, Fleet, Member, Policy, Scope, orders, split, verdict

MOST = 400  #: of anything: a run that takes longer never ends


class Refused(Exception):
    """The host says no."""


@dataclass
class Host:
    """What a host holds."""

    disk: str = "from"
    guard: bool = False
    confirmed: bool = False
    reverted: bool = False
    owned: bool = False

    def fire(self) -> None:
        """Nobody confirmed in time."""
        self.disk, self.guard, self.reverted = "from", False, True

    def have(self, action: Action) -> None:
        """Have the effect. Raises :class:`Refused`, and then nothing changed."""
        match action:
            case Do(Step.BEGIN):
                self.owned = True
            case Do(step) if not self.owned:
                raise Refused(step)
            case Do(Step.ACTIVATE | Step.VERIFY | Step.CONFIRM) if self.reverted:
                raise Refused("reverted")
            case Do(Step.ACTIVATE):
                self.guard = self.guard or not self.confirmed
                self.disk = "to"
            case Do(Step.CONFIRM):
                if self.disk != "to":
                    raise Refused("it is not live")
                self.guard, self.confirmed = False, True
            case Do(Step.PROMOTE):
                self.owned = False
            case TakeBack(_, Undo.RESTORE):
                self.disk, self.guard, self.confirmed = "from", False, False
            case TakeBack(_, Undo.RELEASE):
                self.owned = False


class Deployment(RuleBasedStateMachine):
    """One deployment, its hosts, and its journal."""

    @initialize(
        count=st.integers(1, 5),
        waves=st.lists(st.integers(1, 4).map(Amount), min_size=1, max_size=3),
        failures=st.integers(0, 3).map(Amount),
        scope=st.sampled_from(list(Scope)),
        prepare_only=st.sampled_from([False] * 5 + [True]),
    )
    def begin(
        self, count: int, waves: list[Amount], failures: Amount, scope: Scope, prepare_only: bool
    ) -> None:
        """A fleet on which nothing was done."""
        names = [f"web{n}" for n in range(1, count + 1)]
        policy = Policy(tuple(waves), failures, scope)
        self.fleet = Fleet(
            split([(n, ()) for n in names], policy),
            {n: Member() for n in names},
            policy,
            prepare_only=prepare_only,
        )
        self.hosts = {n: Host() for n in names}
        self.journal: list[Event] = []
        self.busy: dict[str, tuple[Action, bool]] = {}  #: what runs where, and whether its effect was had
        self.crashes = 0

    # --- the controller

    def asked(self) -> dict[str, Action]:
        """What could be started now."""
        found = {}
        for host, goal in orders(self.fleet).items():
            action = next_action(self.fleet.members[host].log, goal)
            if action is not None and host not in self.busy:
                found[host] = action
        return found

    def may_fail(self) -> list[str]:
        """Hosts of the wave that is next."""
        return [h for h, action in self.asked().items() if action in [Do(s) for s in STEPS[2:5]]]

    def note(self, host: str, step: Step, state: State, cause: Cause | None = None) -> None:
        """Journal it, then believe it."""
        self.journal.append(Event("d", host, step, state, 0.0))
        assert len(self.journal) < MOST, "never ends"
        member = self.fleet.members[host]
        known = Member(member.log.after(step, state), member.cause or cause)
        self.fleet = replace(self.fleet, members={**self.fleet.members, host: known})

    def start(self, host: str, action: Action) -> None:
        """Journal it before it is done."""
        if action == Do(Step.ACTIVATE):
            assert self.fleet.failures <= self.fleet.budget, "one more is put at risk beyond the budget"
            alive = self.fleet.alive.values()
            assert all(m.log.done(Step.PREPARE) for m in alive), "changed before all are prepared"
            assert not self.fleet.prepare_only
        self.note(host, action.step, State.STARTED if isinstance(action, Do) else State.UNDO_STARTED)
        self.busy[host] = (action, False)

    def answer(self, host: str, *, heard: bool) -> None:
        """The effect is had, if it was not yet; its answer comes, or is lost."""
        action, had = self.busy.pop(host)
        if heard and not had:
            try:
                self.hosts[host].have(action)
            except Refused:
                heard = False
        if isinstance(action, TakeBack):
            self.note(host, action.step, State.UNDO_SUCCEEDED if heard else State.UNDO_FAILED)
        elif heard:
            self.note(host, action.step, State.SUCCEEDED)
        else:
            early = action.step in (Step.BEGIN, Step.PREPARE)
            self.note(host, action.step, State.FAILED, Cause.REFUSED if early else Cause.FAILED)

    # --- what may happen

    @precondition(lambda self: self.asked())
    @rule(times=st.integers(1, 15), last=st.booleans())
    def all_goes_well_for_a_while(self, times: int, last: bool) -> None:
        """Else no run would ever come far."""
        for _ in range(times):
            if not (asked := self.asked()):
                return
            host = (max if last else min)(asked)
            self.start(host, asked[host])
            self.answer(host, heard=True)

    @precondition(lambda self: self.may_fail())
    @rule(data=st.data())
    def a_change_fails(self, data: st.DataObject) -> None:
        """In a wave, where it counts."""
        host = data.draw(st.sampled_from(self.may_fail()))
        self.start(host, self.asked()[host])
        self.answer(host, heard=False)

    @precondition(lambda self: self.asked())
    @rule(data=st.data())
    def something_starts(self, data: st.DataObject) -> None:
        """Any of what is asked for."""
        host = data.draw(st.sampled_from(sorted(self.asked())))
        self.start(host, self.asked()[host])

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), heard=st.sampled_from([True] * 6 + [False]))
    def something_ends(self, data: st.DataObject, heard: bool) -> None:
        """Well; or it failed, before or after its effect."""
        self.answer(data.draw(st.sampled_from(sorted(self.busy))), heard=heard)

    @precondition(lambda self: any(not had for _, had in self.busy.values()))
    @rule(data=st.data())
    def an_effect_is_had(self, data: st.DataObject) -> None:
        """And nobody has heard of it yet."""
        host = data.draw(st.sampled_from([h for h, (_, had) in self.busy.items() if not had]))
        action, _ = self.busy[host]
        try:
            self.hosts[host].have(action)
        except Refused:
            return
        self.busy[host] = (action, True)

    @precondition(lambda self: any(host.guard for host in self.hosts.values()))
    @rule(data=st.data())
    def a_guard_fires(self, data: st.DataObject) -> None:
        """Renewals were too late."""
        name = data.draw(st.sampled_from([n for n, host in self.hosts.items() if host.guard]))
        action, had = self.busy.get(name, (None, False))
        if action is not None and had:  # the guard waits for the lock of what is being done
            self.answer(name, heard=True)
        if self.hosts[name].guard:
            self.hosts[name].fire()

    @precondition(lambda self: self.journal)
    @rule(indeed=st.sampled_from([False] * 9 + [True]))
    def interrupted(self, indeed: bool) -> None:
        """A signal; not often, for it ends all that is interesting."""
        self.fleet = replace(self.fleet, interrupted=self.fleet.interrupted or indeed)

    @precondition(lambda self: self.journal and self.crashes < 3)
    @rule(goes_back=st.sampled_from([False] * 4 + [True]))
    def the_controller_dies(self, goes_back: bool) -> None:
        """Another one reads the journal, and goes on either way."""
        self.crashes += 1
        self.busy.clear()
        logs = {n: HostLog.of(e for e in self.journal if e.host == n) for n in self.hosts}
        members = {n: Member(log, cause_of(log)) for n, log in logs.items()}
        for name, host in self.hosts.items():
            assert members[name].log == self.fleet.members[name].log, "the journal tells another story"
            assert host.disk != "to" or logs[name].changed, "done, and not journalled"
        self.fleet = replace(self.fleet, members=members, interrupted=self.fleet.interrupted or goes_back)

    # --- what must hold

    @invariant()
    def nothing_is_live_unguarded(self) -> None:
        """What nobody confirmed goes back by itself, and the journal knows that a guard may be armed."""
        hosts: dict[str, Host] = getattr(self, "hosts", {})
        for name, host in hosts.items():
            assert host.disk == "from" or host.guard or host.confirmed, name
            assert not host.guard or self.fleet.members[name].log.guarded or name in self.busy, name

    def teardown(self) -> None:
        """Whatever has happened, it comes to an end; then every guard that is left fires."""
        for _ in range(MOST):
            for name, action in self.asked().items():
                self.start(name, action)
            if not self.busy:
                break
            for name in list(self.busy):
                self.answer(name, heard=True)
        assert not self.asked(), "never ends"
        for host in self.hosts.values():
            if host.guard:
                host.fire()
        outcome = verdict(self.fleet)
        for name, member in self.fleet.members.items():
            self.check_end(member.log, self.hosts[name])
        if outcome is Outcome.DEPLOYED:
            assert {host.disk for host in self.hosts.values()} == {"to"}
        if outcome in (Outcome.REFUSED, Outcome.ROLLED_BACK, Outcome.UNCHANGED):
            assert {host.disk for host in self.hosts.values()} == {"from"}

    def check_end(self, log: HostLog, host: Host) -> None:
        """A host ends on its target, proved and confirmed, or on its ``from``."""
        if log.stuck:
            return
        if not log.changed or log.restored:
            assert host.disk == "from"
        else:
            assert (host.disk, host.confirmed) == ("to", True)


def cause_of(log: HostLog) -> Cause | None:
    """What a journal says of why a host stopped."""
    if log.failed is None:
        return None
    return Cause.REFUSED if log.failed in (Step.BEGIN, Step.PREPARE) else Cause.FAILED


Deployment.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestDeployment = Deployment.TestCase
