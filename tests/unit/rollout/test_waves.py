"""The fleet's rules, alone and under any interleaving of successes, failures and interrupts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.model import Amount, HostOutcome, Outcome, State
from deployer.rollout.saga import Do, Goal, HostLog, Step, next_action
from deployer.rollout.waves import (
    Cause,
    Fleet,
    Member,
    Policy,
    Scope,
    host_outcome,
    orders,
    phase,
    split,
    undecided,
    verdict,
    waiting,
)

PERCENT = {n: Amount(n, percent=True) for n in (1, 10, 25, 50, 100)}


def names(count: int) -> list[tuple[str, tuple[str, ...]]]:
    return [(f"web{i:02}", ("web",)) for i in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "waves", "sizes"),
    [
        (5, (Amount(1), PERCENT[25], PERCENT[100]), [1, 1, 3]),
        (20, (Amount(1), PERCENT[25], PERCENT[100]), [1, 4, 15]),
        (1, (Amount(1), PERCENT[25], PERCENT[100]), [1]),
        (3, (PERCENT[1],), [1, 2]),
        (4, (Amount(10),), [4]),
        (0, (Amount(1),), []),
    ],
)
def test_waves_are_cumulative_rounded_up_and_cover_everybody(
    count: int, waves: tuple[Amount, ...], sizes: list[int]
) -> None:
    dealt = split(names(count), Policy(waves=waves))
    assert [len(wave) for wave in dealt] == sizes
    assert sorted(n for wave in dealt for n in wave) == sorted(n for n, _ in names(count))


def test_a_canary_wave_meets_every_kind_of_host() -> None:
    hosts = [("a1", ("a",)), ("a2", ("a",)), ("a3", ("a",)), ("b1", ("b",)), ("c1", ("c",))]
    assert set(split(hosts, Policy(waves=(Amount(3),)))[0]) == {"a1", "b1", "c1"}


def fleet(count: int, policy: Policy, **more: object) -> Fleet:
    hosts = names(count)
    made = Fleet(split(hosts, policy), {n: Member() for n, _ in hosts}, policy)
    return replace(made, **more)  # type: ignore[arg-type]


def step_forward(now: Fleet, host: str, cause: Cause | None = None) -> Fleet:
    """Let one host do what is asked of it, or fail at it."""
    member = now.members[host]
    action = next_action(member.log, orders(now)[host])
    assert action is not None
    if isinstance(action, Do):
        log = member.log.after(action.step, State.STARTED)
        done = Member(log.after(action.step, State.FAILED if cause else State.SUCCEEDED), cause)
    else:
        log = member.log.after(action.step, State.UNDO_STARTED)
        done = replace(
            member, log=log.after(action.step, State.UNDO_FAILED if cause else State.UNDO_SUCCEEDED)
        )
    return replace(now, members={**now.members, host: done})


def asked(now: Fleet) -> list[str]:
    return [h for h, goal in orders(now).items() if next_action(now.members[h].log, goal) is not None]


def run(now: Fleet, fails: dict[tuple[str, Step], Cause]) -> Fleet:
    for _ in range(1000):
        todo = asked(now)
        if not todo:
            return now
        host = todo[0]
        action = next_action(now.members[host].log, orders(now)[host])
        cause = fails.get((host, action.step)) if isinstance(action, Do) else None
        now = step_forward(now, host, cause)
    raise AssertionError("never ends")


CANARY = Policy(waves=(Amount(1), PERCENT[100]))


def test_all_well() -> None:
    end = run(fleet(5, CANARY), {})
    assert verdict(end) is Outcome.DEPLOYED
    assert {host_outcome(end, h) for h in end.members} == {HostOutcome.DEPLOYED}


def test_guards_are_renewed_while_their_wave_is_undecided_and_not_after() -> None:
    now, renewed = fleet(5, CANARY), set()
    for _ in range(200):
        todo = asked(now)
        if not todo:
            break
        assert all(now.members[h].log.guarded for h in undecided(now))
        decided = any(orders(now)[h] >= Goal.CONFIRMED for h in todo)
        assert not (decided and undecided(now))
        renewed.add(undecided(now))
        now = step_forward(now, todo[0])
    assert () in renewed
    assert ("web01",) in renewed
    assert ("web02", "web03", "web04", "web05") in renewed


def test_a_host_is_ours_by_its_guard_or_by_being_heard_and_never_by_neither() -> None:
    now = fleet(5, CANARY)
    while todo := asked(now):
        ours = {h for h, m in now.members.items() if m.log.done(Step.BEGIN) and not m.log.done(Step.PROMOTE)}
        guarded = {host for host in ours if now.members[host].log.guarded}
        assert {*waiting(now)} == ours - guarded
        assert {*undecided(now)} <= guarded
        now = step_forward(now, todo[0])
    assert waiting(now) == ()
    assert waiting(replace(step_forward(fleet(2, CANARY), "web01"), interrupted=True)) == ()


@pytest.mark.parametrize(("scope", "left"), [(Scope.ALL, 0), (Scope.WAVE, 1), (Scope.HOST, 2)])
def test_a_wave_that_takes_too_long_ends_as_if_the_budget_were_spent(scope: Scope, left: int) -> None:
    now = fleet(4, replace(CANARY, on_failure=scope))
    while not now.members["web02"].log.done(Step.VERIFY):
        now = step_forward(now, "web02" if "web02" in asked(now) else asked(now)[0])
    now = replace(now, overdue=True)
    assert undecided(now) == ()
    while todo := asked(now):
        now = step_forward(now, todo[0])
    deployed = [h for h in now.members if host_outcome(now, h) is HostOutcome.DEPLOYED]
    assert len(deployed) == left
    assert verdict(now) is (Outcome.PARTIAL if left else Outcome.ROLLED_BACK)


@pytest.mark.parametrize("why", ["interrupted", "failed"])
def test_once_everybody_goes_back_no_guard_is_renewed(why: str) -> None:
    now = fleet(2, Policy())
    while not now.members["web01"].log.done(Step.ACTIVATE):
        now = step_forward(now, asked(now)[0])
    assert undecided(now) == ("web01",)
    if why == "interrupted":
        assert undecided(replace(now, interrupted=True)) == ()
    else:
        assert undecided(step_forward(now, "web02", Cause.FAILED)) == ()


def test_a_host_whose_guard_was_faster_than_the_confirmation_has_failed() -> None:
    end = run(fleet(3, CANARY), {("web03", Step.CONFIRM): Cause.FAILED})
    assert verdict(end) is Outcome.ROLLED_BACK
    assert {host_outcome(end, h) for h in end.members} == {HostOutcome.ROLLED_BACK}
    within = replace(CANARY, max_failures=Amount(1))
    end = run(fleet(3, within), {("web03", Step.CONFIRM): Cause.FAILED})
    assert verdict(end) is Outcome.PARTIAL
    assert [host_outcome(end, h).value for h in end.members] == ["deployed", "deployed", "rolled_back"]


def test_one_busy_host_releases_all() -> None:
    end = run(fleet(5, CANARY), {("web04", Step.BEGIN): Cause.REFUSED})
    assert verdict(end) is Outcome.REFUSED
    assert not any(m.log.changed for m in end.members.values())
    begun = [m.log.states[Step.BEGIN] for m in end.members.values() if m.log.states]
    assert set(begun) == {State.UNDO_SUCCEEDED}


def test_the_first_host_decides_before_any_other_is_taken() -> None:
    assert asked(fleet(5, CANARY)) == ["web01"]


def test_a_refusal_while_preparing_ends_it_whatever_the_budget() -> None:
    policy = replace(CANARY, max_failures=PERCENT[100])
    end = run(fleet(5, policy), {("web05", Step.PREPARE): Cause.REFUSED})
    assert verdict(end) is Outcome.REFUSED
    assert not any(m.log.changed for m in end.members.values())


def test_a_failed_canary_changes_nobody_else() -> None:
    end = run(fleet(5, CANARY), {("web01", Step.VERIFY): Cause.FAILED})
    assert verdict(end) is Outcome.ROLLED_BACK
    assert [h for h, m in end.members.items() if m.log.changed] == ["web01"]
    assert host_outcome(end, "web01") is HostOutcome.ROLLED_BACK
    assert host_outcome(end, "web02") is HostOutcome.UNTOUCHED


@pytest.mark.parametrize(("scope", "left"), [(Scope.ALL, 0), (Scope.WAVE, 1), (Scope.HOST, 4)], ids=str)
def test_who_goes_back_when_the_second_wave_fails(scope: Scope, left: int) -> None:
    policy = replace(CANARY, on_failure=scope)
    end = run(fleet(5, policy), {("web05", Step.VERIFY): Cause.FAILED})
    outcomes = [host_outcome(end, h) for h in end.members]
    assert outcomes.count(HostOutcome.DEPLOYED) == left
    assert verdict(end) is (Outcome.PARTIAL if left else Outcome.ROLLED_BACK)
    assert not any(m.log.done(Step.PROMOTE) for m in end.members.values())


def test_within_the_budget_it_goes_on_and_says_partial() -> None:
    policy = replace(CANARY, max_failures=Amount(1))
    end = run(fleet(5, policy), {("web03", Step.VERIFY): Cause.FAILED})
    assert verdict(end) is Outcome.PARTIAL
    assert host_outcome(end, "web03") is HostOutcome.ROLLED_BACK
    assert sum(m.log.done(Step.PROMOTE) for m in end.members.values()) == 4


def test_an_unreachable_host_counts() -> None:
    end = run(fleet(4, CANARY, lost=("web05",)), {})
    assert verdict(end) is Outcome.REFUSED
    assert not any(m.log.states for m in end.members.values())
    within = replace(CANARY, max_failures=Amount(1))
    assert verdict(run(fleet(4, within, lost=("web05",)), {})) is Outcome.PARTIAL


def test_a_promotion_that_is_not_heard_takes_nothing_back() -> None:
    end = run(fleet(3, CANARY), {("web02", Step.PROMOTE): Cause.UNREACHABLE})
    assert verdict(end) is Outcome.PARTIAL
    assert not any(m.log.restored for m in end.members.values())


def test_prepare_only_changes_nothing_and_gives_the_hosts_up() -> None:
    end = run(fleet(3, CANARY, prepare_only=True), {})
    assert verdict(end) is Outcome.UNCHANGED
    assert {host_outcome(end, h) for h in end.members} == {HostOutcome.PREPARED}
    assert all(m.log.states[Step.BEGIN] is State.UNDO_SUCCEEDED for m in end.members.values())


def test_a_fenced_host_is_left_alone_and_it_ends_as_interrupted() -> None:
    end = run(fleet(3, CANARY), {("web01", Step.VERIFY): Cause.FENCED})
    assert verdict(end) is Outcome.INTERRUPTED
    assert State.UNDO_STARTED not in end.members["web01"].log.states.values()


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    amounts = st.one_of(st.integers(1, 8).map(Amount), st.sampled_from(list(PERCENT.values())))
    return Policy(
        waves=tuple(draw(st.lists(amounts, min_size=1, max_size=3))),
        max_failures=draw(st.one_of(st.integers(0, 3).map(Amount), st.sampled_from(list(PERCENT.values())))),
        on_failure=draw(st.sampled_from(list(Scope))),
    )


def disturbed(now: Fleet, dice: int) -> Fleet:
    """Now and then a signal comes, or a wave takes too long."""
    if dice == 1 and phase(now).name == "wave":
        return replace(now, overdue=True)
    return replace(now, interrupted=True) if dice == 0 else now


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_invariants_hold_under_any_interleaving(data: st.DataObject) -> None:
    policy = data.draw(policies())
    now = fleet(data.draw(st.integers(1, 7)), policy, prepare_only=data.draw(st.booleans()))
    for _ in range(400):
        todo = asked(now)
        if not todo:
            break
        host = data.draw(st.sampled_from(todo))
        member = now.members[host]
        action = next_action(member.log, orders(now)[host])
        cause = data.draw(st.sampled_from([None] * 9 + [Cause.REFUSED, Cause.UNREACHABLE, Cause.FAILED]))
        if cause is Cause.REFUSED and not (
            isinstance(action, Do) and action.step in (Step.BEGIN, Step.PREPARE)
        ):
            cause = Cause.FAILED
        if isinstance(action, Do) and action.step is Step.ACTIVATE:
            # nobody is changed before everybody is prepared, and never beyond the budget
            assert all(m.log.done(Step.PREPARE) for m in now.alive.values())
            assert now.failures <= now.budget
            assert not now.prepare_only
        now = step_forward(now, host, cause)
        now = disturbed(now, data.draw(st.integers(0, 40)))
        assert phase(now) == phase(now)
    assert not asked(now), "never ends"
    outcome = verdict(now)
    logs = [m.log for m in now.members.values()]
    for log in logs:
        proved_target = log.done(Step.ACTIVATE) and log.done(Step.VERIFY)
        assert not log.changed or log.restored or log.stuck or proved_target
    assert (outcome is Outcome.STUCK) == any(log.stuck for log in logs)
    if outcome is Outcome.DEPLOYED:
        assert all(log.done(Step.PROMOTE) for log in logs)
    if outcome in (Outcome.REFUSED, Outcome.UNCHANGED):
        assert not any(log.changed for log in logs)
    if outcome is Outcome.ROLLED_BACK:
        assert all(log.restored for log in logs if log.changed)


def test_reading_the_log_of_a_host_twice_gives_the_same_orders() -> None:
    now = run(fleet(3, CANARY), {("web02", Step.ACTIVATE): Cause.FAILED})
    again = replace(
        now, members={h: Member(HostLog(m.log.states, m.log.failed), m.cause) for h, m in now.members.items()}
    )
    assert orders(again) == orders(now)
    assert verdict(again) is verdict(now)
