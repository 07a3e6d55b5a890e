"""What a plan says of a host: every refusal, every action, and the release to go back to."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.model import Amount, Guard, GuardState, Observation, TargetKind
from deployer.rollout.plan import (
    Action,
    HostPlan,
    Permissions,
    baseline_id,
    plan_host,
    same_tree,
    unreachable,
    whole,
)
from deployer.rollout.waves import Policy
from tests.unit.seen import OTHER_COMMIT, fresh, good, release, seen, tree

OLD = tree(nginx_conf="old", shop_conf="old")
NEW = tree(nginx_conf="new", shop_conf="old")
TARGET = release(NEW)
LIVE = release(OLD, OTHER_COMMIT)
NOTHING = Permissions()


def on_old(**differs: Any) -> Observation:
    """A healthy host that serves OLD, promoted."""
    return seen(**{"live": LIVE.id, "disk_hash": OLD.hash, **differs})


def on_target(**differs: Any) -> Observation:
    """A healthy host that serves the target already."""
    return seen(**{"live": TARGET.id, "disk_hash": NEW.hash, **differs})


def planned(host: Observation, allowed: Permissions = NOTHING, *, want: Any = TARGET) -> HostPlan:
    live = {OLD.hash: OLD, NEW.hash: NEW}.get(str(host.disk_hash))
    return plan_host(host, want, live, allowed)


def test_another_tree_is_a_change_and_says_what_changes() -> None:
    plan = planned(on_old())
    assert (plan.action, plan.source, plan.target, plan.reason) == (Action.CHANGE, LIVE.id, TARGET.id, None)
    assert plan.changes is not None
    assert plan.changes.modified == ("nginx.conf",)
    assert not plan.freeze


def test_where_disk_memory_and_good_agree_nothing_changes() -> None:
    assert planned(on_target()).action is Action.UNCHANGED


@pytest.mark.parametrize(
    ("differs", "action"),
    [
        ({"running": False, "memory": None}, Action.REFUSED),
        ({"memory": LIVE.id}, Action.REFUSED),
        ({"memory": None}, Action.REFUSED),
        ({"good": good("baseline-000000000000")}, Action.CHANGE),
        ({"target_kind": TargetKind.DIRECTORY}, Action.CHANGE),
        ({"drifted": True}, Action.DRIFTED),
    ],
    ids=["dead", "memory holds another", "memory unproved", "never promoted", "plain directory", "drifted"],
)
def test_the_right_bytes_alone_are_not_unchanged(differs: dict[str, Any], action: Action) -> None:
    assert planned(on_target(**differs)).action is action
    cure = Permissions(fix_forward=True, overwrite_drift=True)
    assert planned(on_target(**differs), cure).action is Action.CHANGE


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (on_old(problems=("unshare is missing; install util-linux", "more")), "unshare is missing"),
        (on_old(target_kind=TargetKind.ABSENT), "not there"),
        (on_old(target_kind=TargetKind.MOUNT), "mount point"),
        (on_old(target_kind=TargetKind.FOREIGN), "symbolic link of somebody else"),
        (on_old(running=False, memory=None), "nginx is not running"),
        (on_old(memory="cccccccccccc-333333333333", memory_note=""), "they differ"),
        (on_old(memory=None, memory_note="two masters run"), "two masters run"),
        (on_old(guard=Guard(GuardState.ARMED, "d9", LIVE.id, "x", left_s=9.0)), "goes back by itself in 9 s"),
        (on_old(guard=Guard(GuardState.EXPIRED, "d9", LIVE.id, "x")), "'deployer rollback' takes it back"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_says_why(host: Observation, words: str) -> None:
    plan = planned(host)
    assert plan.action is Action.REFUSED
    assert words in str(plan.reason)
    assert plan.target == TARGET.id


@pytest.mark.parametrize(
    "host", [on_old(running=False, memory=None), on_old(memory=None), fresh(running=False)]
)
def test_the_cure_may_come_while_it_is_down(host: Observation) -> None:
    assert planned(host).action is Action.REFUSED
    assert "--fix-forward" in str(planned(host).reason)
    assert planned(host, Permissions(fix_forward=True)).action is Action.CHANGE


@pytest.mark.parametrize("kind", [TargetKind.ABSENT, TargetKind.MOUNT, TargetKind.FOREIGN])
def test_no_permission_helps_against_what_cannot_be_done(kind: TargetKind) -> None:
    everything = Permissions(True, True, True, True)
    assert planned(on_old(target_kind=kind), everything).action is Action.REFUSED
    assert planned(on_old(problems=("no space",)), everything).action is Action.REFUSED


def test_memory_of_a_host_that_was_never_adopted_is_not_asked_for() -> None:
    host = fresh(disk_hash=OLD.hash)
    assert host.memory is None
    assert planned(host).action is Action.CHANGE


def test_drift_names_files_and_the_way_on() -> None:
    paths = tuple(f"conf.d/{n}.conf" for n in range(5))
    plan = planned(on_old(drifted=True, facts={"drift": paths}))
    assert plan.action is Action.DRIFTED
    for word in ("conf.d/0.conf, conf.d/1.conf, conf.d/2.conf and 2 more", "--overwrite-drift"):
        assert word in str(plan.reason)
    assert "see the diff" in str(planned(on_old(drifted=True)).reason)
    few = planned(on_old(drifted=True, facts={"drift": paths[:3]})).reason
    assert "more" not in str(few)


def test_drift_stays_drift_also_where_the_bytes_are_those_of_the_target() -> None:
    """Somebody brought the very change by hand: it is still not what was deployed and proved."""
    assert planned(on_old(drifted=True, disk_hash=NEW.hash)).action is Action.DRIFTED


@pytest.mark.parametrize(
    ("host", "allowed", "source", "freeze"),
    [
        (fresh(disk_hash=OLD.hash), NOTHING, f"baseline-{OLD.hash[:12]}", False),
        (fresh(), NOTHING, None, False),
        (on_old(), NOTHING, LIVE.id, False),
        (on_old(good=good("baseline-000000000000", TARGET.id)), NOTHING, TARGET.id, False),
        (on_old(good=()), NOTHING, LIVE.id, False),
        (on_old(drifted=True), Permissions(overwrite_drift=True), f"drift-{OLD.hash[:12]}", True),
        (on_old(drifted=True, disk_hash=None), Permissions(overwrite_drift=True), None, True),
        (on_old(drifted=True), NOTHING, LIVE.id, True),
        (on_old(), Permissions(overwrite_drift=True), LIVE.id, False),
    ],
    ids=[
        "not adopted: the baseline it will be",
        "not adopted and unreadable",
        "live is good",
        "live is not good: the last known good",
        "nothing was ever good: what is live",
        "drifted and allowed: the frozen tree",
        "drifted and unreadable",
        "drifted and refused",
        "allowed, but not drifted",
    ],
)
def test_the_return_release_is_pinned(
    host: Observation, allowed: Permissions, source: str | None, freeze: bool
) -> None:
    plan = planned(host, allowed)
    assert (plan.source, plan.freeze) == (source, freeze)


def test_the_same_tree_from_another_commit_changes_nothing() -> None:
    again = release(NEW, OTHER_COMMIT)
    assert again.id != TARGET.id
    assert same_tree(TARGET.id, again)
    assert planned(on_target(), want=again).action is Action.UNCHANGED


@pytest.mark.parametrize("kind", ["baseline", "drift"])
def test_the_same_bytes_without_an_identity_are_deployed_once(kind: str) -> None:
    kept = f"{kind}-{NEW.hash[:12]}"
    assert not same_tree(kept, TARGET)
    plan = planned(on_target(live=kept))
    assert plan.action is Action.CHANGE
    assert plan.changes is not None
    assert not plan.changes


def test_no_release_is_no_tree() -> None:
    assert not same_tree(None, TARGET)
    assert not same_tree(LIVE.id, TARGET)
    assert baseline_id(fresh()) is None


MANY = tree(**{f"f{n}_conf": "x" for n in range(7)}, nginx_conf="x")


@pytest.mark.parametrize(
    "host", [fresh(disk_hash=MANY.hash), seen(live=f"baseline-{MANY.hash[:12]}", disk_hash=MANY.hash)]
)
def test_a_first_deployment_does_not_delete_unasked(host: Observation) -> None:
    plan = plan_host(host, TARGET, MANY, NOTHING)
    assert plan.action is Action.REFUSED
    for word in ("7 files", "f0.conf", "f4.conf and 2 more", "target.preserve", "--accept-deletions"):
        assert word in str(plan.reason)
    assert "f5.conf" not in str(plan.reason)
    assert plan_host(host, TARGET, MANY, Permissions(accept_deletions=True)).action is Action.CHANGE


def test_a_first_deployment_that_deletes_nothing_needs_no_word() -> None:
    assert plan_host(fresh(disk_hash=OLD.hash), release(MANY), OLD, NOTHING).action is Action.REFUSED
    superset = tree(nginx_conf="new", shop_conf="new", more_conf="new")
    assert plan_host(fresh(disk_hash=OLD.hash), release(superset), OLD, NOTHING).action is Action.CHANGE


def test_later_deployments_delete_what_git_deleted() -> None:
    host = seen(live=release(MANY, OTHER_COMMIT).id, disk_hash=MANY.hash)
    assert plan_host(host, TARGET, MANY, NOTHING).action is Action.CHANGE


def test_only_hosts_that_change_are_in_waves() -> None:
    plans = [
        planned(on_old()),
        HostPlan("same", Action.UNCHANGED),
        unreachable("gone", "no route"),
        HostPlan("b1", Action.CHANGE),
        HostPlan("a2", Action.CHANGE),
    ]
    groups = {"web1": ("a",), "a2": ("a",), "b1": ("b",), "same": ("b",)}
    plan = whole(plans, groups, Policy(waves=(Amount(2),)))
    assert plan.waves == (("web1", "b1"), ("a2",))
    assert list(plan.hosts) == ["web1", "same", "gone", "b1", "a2"]
    assert plan.refusal is None
    assert [p.host for p in plan.with_action(Action.UNREACHABLE)] == ["gone"]
    assert plan.hosts["gone"].reason == "no route"


@pytest.mark.parametrize("action", [Action.REFUSED, Action.DRIFTED])
def test_one_host_that_refuses_is_enough(action: Action) -> None:
    plans = [HostPlan("a", Action.CHANGE), HostPlan("b", action), HostPlan("c", Action.REFUSED)]
    refusal = whole(plans, {}, Policy()).refusal
    assert refusal is not None
    assert refusal.host == "b"


def test_nobody_changes_means_no_wave() -> None:
    assert whole([HostPlan("a", Action.UNCHANGED)], {}, Policy()).waves == ()


LOADED_NOT = {"drift_loaded": ("no",), "drift_back": (LIVE.id,)}
KEPT = "drift-444444444444"


def kept_aside(**differs: Any) -> Observation:
    """An edit by hand was kept, and nginx holds the release that it was written into."""
    usual = {"live": KEPT, "memory": LIVE.id, "good": good(LIVE.id), "releases": (LIVE.id, KEPT)}
    return on_old(**{**usual, **differs})


def test_over_an_edit_that_nginx_never_loaded_the_way_back_is_what_it_holds() -> None:
    host = on_old(drifted=True, facts=LOADED_NOT)
    assert "nginx does not have the edit loaded" in str(planned(host).reason)
    assert planned(host, Permissions(overwrite_drift=True)).source == LIVE.id
    partly = on_old(drifted=True, facts={"drift_loaded": ("partly",)})
    assert "only a part of the edits" in str(planned(partly).reason)
    assert planned(partly, Permissions(overwrite_drift=True)).source == f"drift-{OLD.hash[:12]}"


@pytest.mark.parametrize(
    ("host", "source"),
    [
        (kept_aside(), LIVE.id),
        (kept_aside(memory=None), LIVE.id),
        (kept_aside(memory=None, good=good(TARGET.id, LIVE.id), releases=(TARGET.id, KEPT)), TARGET.id),
        (kept_aside(memory=KEPT), LIVE.id),
    ],
    ids=["memory", "the last known good", "of those the newest that is there", "loaded since, not good"],
)
def test_an_edit_that_was_kept_is_in_nobodys_way(host: Observation, source: str) -> None:
    plan = planned(host)
    assert (plan.action, plan.source, plan.freeze) == (Action.CHANGE, source, False)


def test_where_nothing_is_left_to_go_back_to_memory_has_to_be_proved() -> None:
    assert planned(kept_aside(memory=None, releases=(KEPT,))).action is Action.REFUSED
