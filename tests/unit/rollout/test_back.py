"""What a rollback does on each host: said once it helps, said twice it changes nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import Refused
from deployer.model import Guard, GuardState, Observation, State
from deployer.rollout.back import BackPlan, HostBack, Way, fleet_of, orders, to_release, undo_latest
from deployer.rollout.saga import Do, Step, next_action
from deployer.rollout.waves import Cause, Fleet, Member
from tests.unit.seen import fresh, good, seen

BASE = "baseline-000000000000"
R1, R2, R3 = (f"{letter * 12}-{digit * 12}" for letter, digit in ("a1", "b2", "c3"))
DRIFT = "drift-444444444444"


def deployed(host: str = "web1", /, **differs: Any) -> Observation:
    """A host that the latest deployment brought from R1 to R2, promoted."""
    usual: dict[str, Any] = {
        "live": R2,
        "good": good(BASE, R1, R2),
        "releases": (BASE, R1, R2),
        "last_deployment": "20240612-2",
        "last_target": R2,
        "last_from": R1,
    }
    return seen(host, **{**usual, **differs})


def after(host: Observation, back: HostBack) -> Observation:
    """What the host will say when its part of the rollback went well."""
    if back.way not in (Way.BACK, Way.SETTLE):
        return host
    left = None if back.leaves == back.target else back.leaves  # restore takes it out of what is good
    kept = tuple(g for g in host.good if g.release != left)
    promoted = any(g.release == back.target for g in kept)
    now = replace(host, live=back.target, memory=back.target, running=True, guard=None, owner=None)
    return replace(now, good=kept, promoted=promoted)


def settled(hosts: Mapping[str, Observation], plan: BackPlan) -> dict[str, Observation]:
    return {name: after(host, plan.hosts[name]) for name, host in hosts.items()}


def guard(state: GuardState, release: str = R3, source: str = R2, **more: Any) -> Guard:
    return Guard(state, "20240613-1", release, source, **more)


def one(host: Observation) -> HostBack:
    return undo_latest({host.host: host}).hosts[host.host]


@pytest.mark.parametrize("state", [GuardState.ARMED, GuardState.EXPIRED])
def test_what_is_not_confirmed_goes_to_where_its_guard_would_take_it(state: GuardState) -> None:
    host = deployed(live=R3, guard=guard(state), last_deployment="20240613-1", last_target=R3, last_from=R2)
    assert (one(host).way, one(host).target) == (Way.BACK, R2)


@pytest.mark.parametrize("state", list(GuardState))
def test_a_guard_that_fired_or_is_armed_before_the_switch_is_taken_over_and_not_gone_past(
    state: GuardState,
) -> None:
    """R2 is live, promoted, and the latest that was activated: without the guard, R1 would come next."""
    host = deployed(guard=guard(state))
    found = one(host)
    assert (found.way, found.target) == (Way.SETTLE, R2)
    assert "guard" in found.reason
    assert one(replace(host, guard=None)).target == R1
    assert to_release({"web1": host}, R2).hosts["web1"].way is Way.SETTLE


def test_a_host_that_somebody_owns_is_taken_over_though_its_release_is_right() -> None:
    host = deployed(live=R1, good=good(BASE, R1), owner="20240613-1")
    assert (one(host).way, one(host).target) == (Way.SETTLE, R1)
    assert one(replace(host, owner=None)).way is Way.STAY


def test_the_guard_of_another_playbook_on_the_same_nginx_is_left_alone() -> None:
    host = deployed(guard=guard(GuardState.ARMED, elsewhere="/srv/sites"))
    assert one(host).target == R1


def test_a_fleet_that_was_never_deployed_to_stays() -> None:
    plan = undo_latest({"web1": fresh("web1"), "web2": seen("web2", live=BASE, good=good(BASE))})
    assert [b.way for b in plan.hosts.values()] == [Way.STAY, Way.STAY]
    assert plan.moving == ()
    assert plan.deployment is None


def test_a_dead_nginx_with_nothing_to_go_back_to_is_said() -> None:
    back = one(fresh(running=False))
    assert back.way is Way.HELPLESS
    assert "by hand" in back.reason
    assert undo_latest({"web1": fresh(running=False)}).moving == ()


def test_the_latest_deployment_is_undone() -> None:
    plan = undo_latest({"web1": deployed()})
    assert plan.deployment == "20240612-2"
    assert plan.hosts["web1"] == HostBack("web1", Way.BACK, R2, R1, "undoes 20240612-2")


def test_said_twice_it_stays() -> None:
    hosts = {"web1": deployed("web1"), "web2": deployed("web2")}
    once = settled(hosts, undo_latest(hosts))
    assert [h.live for h in once.values()] == [R1, R1]
    assert undo_latest(once).moving == ()


def test_back_on_a_tree_that_was_edited_by_hand_it_stays_too() -> None:
    """What was drifted was never promoted; it is what the host came from all the same."""
    host = deployed(last_from=DRIFT, releases=(BASE, R1, DRIFT, R2))
    back = one(host)
    assert (back.way, back.target) == (Way.BACK, DRIFT)
    assert one(after(host, back)).way is Way.STAY


def test_a_deployment_of_what_was_live_already_has_nothing_to_undo() -> None:
    """``deploy --fix-forward`` of the same revision, because nginx was dead: target and ``from`` are one."""
    assert one(deployed(last_from=R2)).way is Way.STAY


def test_only_the_latest_deployment_is_undone() -> None:
    older = deployed("web2", live=R1, last_deployment="20240601-1", last_target=R1, last_from=BASE)
    plan = undo_latest({"web1": deployed("web1"), "web2": older})
    assert plan.hosts["web1"].way is Way.BACK
    assert plan.hosts["web2"].way is Way.STAY


def test_a_host_that_is_not_on_the_target_stays() -> None:
    elsewhere = deployed("web2", live=R1)
    plan = undo_latest({"web1": deployed("web1"), "web2": elsewhere})
    assert plan.hosts["web2"].way is Way.STAY


def test_a_host_that_was_not_promoted_goes_to_its_from_whichever_deployment_left_it_so() -> None:
    left = deployed("web2", last_deployment="20240601-1", good=good(BASE, R1, R3))
    plan = undo_latest({"web1": deployed("web1"), "web2": left})
    back = plan.hosts["web2"]
    assert (back.way, back.target) == (Way.BACK, R1)


def test_what_nobody_promoted_or_recorded_goes_to_the_last_known_good() -> None:
    back = one(deployed(live=R3, good=good(BASE, R1)))
    assert (back.way, back.target) == (Way.BACK, R1)
    assert "never promoted" in back.reason


def test_the_kept_tree_of_a_hand_is_no_deployments_to_undo() -> None:
    """Frozen while preparing, then another host refused: nothing was deployed here."""
    assert one(deployed(live=DRIFT, good=good(BASE, R1))).way is Way.STAY


def test_what_was_left_by_name_is_not_brought_back() -> None:
    """Rolled back ``--to`` a release that was never promoted, and the demotion was lost."""
    assert one(deployed(live=R3, good=good(BASE, R1, R2))).way is Way.STAY


@pytest.mark.parametrize(
    ("differs", "reason"),
    [
        ({"running": False, "memory": None}, "not running"),
        ({"memory": R2}, "memory"),
        ({"memory": None}, "memory"),
    ],
)
def test_where_disk_is_right_but_nginx_is_not_it_is_settled(differs: dict[str, Any], reason: str) -> None:
    back = one(deployed(live=R1, **differs))
    assert (back.way, back.leaves, back.target) == (Way.SETTLE, R1, R1)
    assert reason in back.reason


def test_one_that_is_down_on_the_target_goes_back_and_is_not_only_started() -> None:
    assert one(deployed(running=False, memory=None)).way is Way.BACK


# --- a named release


def back_to(wanted: str, host: Observation | None = None) -> HostBack:
    host = host or deployed()
    plan = to_release({host.host: host}, wanted)
    assert plan.deployment is None
    return plan.hosts[host.host]


@pytest.mark.parametrize("wanted", [R1, "aaaaaaaaaaaa", "aaaa", "a" * 40])
def test_a_release_is_named_by_its_id_or_by_its_commit(wanted: str) -> None:
    back = back_to(wanted)
    assert (back.way, back.target, back.reason) == (Way.BACK, R1, "as asked")


def test_the_one_that_is_live_already_stays_or_is_settled() -> None:
    assert back_to(R2).way is Way.STAY
    assert back_to("bbbb").way is Way.STAY
    assert back_to(R2, deployed(memory=R1)).way is Way.SETTLE


def test_several_that_fit_are_named() -> None:
    twin = "aaaaaaaaaaaa-555555555555"
    host = deployed(releases=(BASE, R1, twin, R2))
    with pytest.raises(Refused, match=f"{R1}, {twin}.*--to"):
        back_to("aaaa", host)
    assert back_to(twin, host).target == twin


@pytest.mark.parametrize("wanted", [R3, "cccccccccccc", "c" * 40])
def test_one_that_was_pruned_is_refused_with_the_deploy_that_brings_it(wanted: str) -> None:
    with pytest.raises(Refused) as error:
        back_to(wanted)
    assert f"(to bring it: deployer deploy INVENTORY --rev {wanted.partition('-')[0]})" in str(error.value)
    assert f"There are: {BASE}, {R1}, {R2}" in str(error.value)


def test_a_revision_is_proposed_as_it_was_typed() -> None:
    with pytest.raises(Refused, match=r"deploy INVENTORY --rev feature-x\)"):
        back_to("feature-x")
    with pytest.raises(Refused, match=r"deploy INVENTORY --rev '; rm'\)"):
        back_to("; rm")


@pytest.mark.parametrize("wanted", ["baseline-999999999999", "drift-999999999999"])
def test_no_deploy_is_proposed_for_what_git_cannot_have(wanted: str) -> None:
    with pytest.raises(Refused) as error:
        back_to(wanted)
    assert "deploy --rev" not in str(error.value)


def test_one_host_that_lacks_it_refuses_for_all() -> None:
    with pytest.raises(Refused, match="web2: release"):
        to_release({"web1": deployed("web1"), "web2": deployed("web2", releases=(BASE, R2))}, R1)
    with pytest.raises(Refused, match="There are: none"):
        to_release({"web1": fresh()}, R1)


# --- carried out by the same table as a deployment


def fleet(*hosts: Observation) -> Fleet:
    return fleet_of(undo_latest({h.host: h for h in hosts}), lost=())


def carry_out(now: Fleet, fails: Mapping[tuple[str, str], Cause | None]) -> tuple[Fleet, list[str]]:
    """Do what is asked until nothing is; what was done, in order."""
    story: list[str] = []
    for _ in range(200):
        todo = [(h, a) for h, goal in orders(now).items() if (a := next_action(now.members[h].log, goal))]
        if not todo:
            return now, story
        host, action = todo[0]
        member = now.members[host]
        if isinstance(action, Do):
            story.append(f"{host} {action.step.value}")
            begun, done, bad = State.STARTED, State.SUCCEEDED, State.FAILED
        else:
            story.append(f"{host} {action.undo.value}")
            begun, done, bad = State.UNDO_STARTED, State.UNDO_SUCCEEDED, State.UNDO_FAILED
        log = member.log.after(action.step, begun)
        if tuple(story[-1].split()) not in fails:
            member = Member(log.after(action.step, done), member.cause)
        else:
            cause = fails[host, story[-1].split()[1]]
            member = Member(log.after(action.step, bad), cause or member.cause)
        now = replace(now, members={**now.members, host: member})
    raise AssertionError(f"never ends: {story[-6:]}")


def test_taken_over_restored_and_given_up() -> None:
    settle = deployed("web2", live=R1, memory=None)
    end, story = carry_out(fleet(deployed("web1"), settle), {})
    for name in ("web1", "web2"):
        assert [s for s in story if s.startswith(name)] == [
            f"{name} {s}" for s in ("begin", "restore", "release")
        ]
        assert end.members[name].log.restored


def test_hosts_that_stay_are_left_alone() -> None:
    assert list(fleet(deployed("web1"), deployed("web2", live=R1), fresh("web3")).members) == ["web1"]
    lost = fleet_of(undo_latest({}), ("web9",))
    assert (lost.members, lost.lost, dict(orders(lost))) == ({}, ("web9",), {})


@pytest.mark.parametrize("cause", [Cause.REFUSED, Cause.UNREACHABLE, Cause.FENCED])
def test_a_host_that_cannot_be_taken_over_is_not_touched_and_holds_up_nobody(cause: Cause) -> None:
    end, story = carry_out(fleet(deployed("web1"), deployed("web2")), {("web1", "begin"): cause})
    assert [s for s in story if s.startswith("web1")] == ["web1 begin"]
    assert not end.members["web1"].log.restored
    assert end.members["web2"].log.restored


def test_one_that_cannot_be_restored_is_given_up_and_is_stuck() -> None:
    end, story = carry_out(fleet(deployed("web1"), deployed("web2")), {("web1", "restore"): None})
    assert "web1 release" in story
    assert end.members["web1"].log.stuck
    assert end.members["web2"].log.restored


@pytest.mark.parametrize("undo", ["restore", "release"])
def test_two_rollbacks_at_once_the_one_that_was_fenced_stops(undo: str) -> None:
    end, story = carry_out(fleet(deployed("web1"), deployed("web2")), {("web1", undo): Cause.FENCED})
    assert story[-1] == "web2 release"
    assert [s for s in story if s.startswith("web1")][-1] == f"web1 {undo}"
    assert end.members["web2"].log.restored


# --- whatever the hosts say

IDS = (BASE, R1, R2, R3, DRIFT)


@st.composite
def hosts(draw: st.DrawFn) -> Observation:
    if draw(st.integers(0, 9)) == 0:
        return fresh(running=draw(st.booleans()))
    live = draw(st.sampled_from(IDS))
    some = st.one_of(st.none(), st.sampled_from(IDS))
    recorded = draw(st.booleans())
    return seen(
        live=live,
        memory=draw(st.one_of(st.just(live), some)),
        running=draw(st.booleans()),
        good=good(*draw(st.lists(st.sampled_from(IDS), unique=True))),
        releases=IDS,
        last_deployment=draw(st.sampled_from(["1", "2", "3"])) if recorded else None,
        last_target=draw(st.sampled_from(IDS)) if recorded else None,
        last_from=draw(some) if recorded else None,
    )


@given(st.lists(hosts(), min_size=1, max_size=4))
def test_one_rollback_reaches_a_fixed_point(fleet: list[Observation]) -> None:
    before = {f"web{n}": replace(host, host=f"web{n}") for n, host in enumerate(fleet)}
    plan = undo_latest(before)
    for back in plan.moving:
        assert back.target is not None
        edits_aside = back.leaves == DRIFT and back.way is Way.SETTLE
        assert edits_aside or (back.target == back.leaves) == (back.way is Way.SETTLE)
    once = settled(before, plan)
    again = undo_latest(once)
    assert again.moving == (), "two frightened operators go one release too far"
    assert settled(once, again) == once


@given(st.lists(hosts(), min_size=1, max_size=4), st.data())
def test_a_rollback_ends_whatever_fails(fleet: list[Observation], data: st.DataObject) -> None:
    named = {f"web{n}": replace(host, host=f"web{n}") for n, host in enumerate(fleet)}
    steps = st.sampled_from([(h, s) for h in named for s in ("begin", "restore", "release")])
    causes = st.sampled_from([None, Cause.UNREACHABLE, Cause.FENCED])
    fails = data.draw(st.dictionaries(steps, causes, max_size=4))
    end, story = carry_out(fleet_of(undo_latest(named), ()), fails)
    assert len(story) == len(set(story)), "nothing is done twice"
    for name, member in end.members.items():
        begun = member.log.done(Step.BEGIN) or member.log.states[Step.BEGIN] is not State.FAILED
        assert not begun or member.log.restored or member.log.stuck or member.cause is Cause.FENCED, name


# --- edits by hand that nginx never held


def test_under_an_edit_that_was_never_loaded_the_deployment_is_undone() -> None:
    aside = deployed(live=DRIFT, memory=R2, releases=(BASE, R1, R2, DRIFT))
    found = one(aside)
    assert (found.way, found.leaves, found.target) == (Way.BACK, R2, R1)


@pytest.mark.parametrize(("memory", "why"), [(R1, "nginx holds it"), (None, "last known good")])
def test_where_nothing_is_to_be_undone_what_nginx_held_is_put_back(memory: str | None, why: str) -> None:
    back = deployed(live=DRIFT, memory=memory, good=good(BASE, R1), releases=(BASE, R1, R2, DRIFT))
    found = one(back)
    assert (found.way, found.leaves, found.target) == (Way.SETTLE, DRIFT, R1)
    assert why in found.reason
    named = to_release({"web1": back}, R1).hosts["web1"]
    assert (named.way, named.target) == (Way.SETTLE, R1), "nobody was served the edit: it is not quarantined"


def test_an_edit_that_nginx_holds_stays() -> None:
    loaded = deployed(live=DRIFT, memory=DRIFT, good=good(BASE, R1, DRIFT), releases=(BASE, R1, R2, DRIFT))
    assert one(loaded).way is Way.STAY
