"""Plans, ways back and recoveries as they are shown, word for word, and their colours."""

from __future__ import annotations

from typing import Any, cast

import pytest

from deployer.cli.colour import styled
from deployer.cli.plans import back_lines, plan_json, plan_lines, recovery_lines
from deployer.errors import Unreachable
from deployer.model import Changes
from deployer.planning.context import Context
from deployer.planning.proposal import Proposal
from deployer.rollout.back import undo_latest
from deployer.rollout.diffs import Diff
from deployer.rollout.plan import Action, HostPlan, Plan
from deployer.rollout.resume import from_hosts, resume
from deployer.rollout.waves import Policy
from deployer.source.git import Commit
from tests.unit.seen import fresh, good, seen

BASE = "baseline-000000000000"
OLD, NEW = "aaaaaaaaaaaa-111111111111", "bbbbbbbbbbbb-222222222222"


COMMIT = Commit("c" * 40, "t" * 40, "Ops", 0, "Shop moves to a new upstream")
CHANGES = Changes(added=("new.conf",), removed=(), modified=("nginx.conf", "shop.conf"))


def proposal(*plans: HostPlan, waves: tuple[tuple[str, ...], ...] = (), **more: Any) -> Proposal:
    plan = Plan({p.host: p for p in plans}, waves)
    return Proposal(cast("Context", None), COMMIT, plan, more.get("diffs", ()), more.get("drifted", ()))


def change(host: str, source: str = OLD) -> HostPlan:
    return HostPlan(host, Action.CHANGE, source, NEW, changes=CHANGES)


MIXED = (
    change("web1"),
    change("web2"),
    change("web3"),
    change("db1", BASE),
    HostPlan("web4", Action.UNCHANGED, NEW, NEW),
    HostPlan("web5", Action.REFUSED, reason="nginx is not running"),
    HostPlan("web6", Action.DRIFTED, reason="edited by hand"),
    HostPlan("web7", Action.UNREACHABLE, reason="no route to host"),
)
DIFF = Diff(("web1", "web2"), CHANGES, {"nginx.conf": ("--- a/nginx.conf", "+++ b/nginx.conf", "+new")})
DRIFT = Diff(("web6",), CHANGES, {"shop.conf": ("--- a/shop.conf", "+++ b/shop.conf", "-old")}, drift=True)


def test_a_plan_is_folded_by_fate() -> None:
    made = proposal(*MIXED, waves=(("web1",), ("web2", "web3", "db1")), diffs=(DIFF,), drifted=(DRIFT,))
    assert list(plan_lines(made, diff=True)) == [
        "revision cccccccccccc  Shop moves to a new upstream",
        f"  web1..web3: {OLD} → {NEW}  (+1 -0 ~2 files)",
        f"  db1: {BASE} → {NEW}  (+1 -0 ~2 files)",
        f"  web4: unchanged ({NEW})",
        "  web5: REFUSED: nginx is not running",
        "  web6: DRIFTED: edited by hand",
        "  web7: UNREACHABLE: no route to host",
        "  waves: web1 → db1, web2, web3",
        "edited on web6:",
        "--- a/shop.conf",
        "+++ b/shop.conf",
        "-old",
        "changes on web1, web2:",
        "--- a/nginx.conf",
        "+++ b/nginx.conf",
        "+new",
    ]


def test_one_wave_is_not_named_and_the_diff_may_be_left_out() -> None:
    made = proposal(change("web1"), waves=(("web1",),), diffs=(DIFF,), drifted=(DRIFT,))
    lines = list(plan_lines(made, diff=False))
    assert lines[2:] == ["edited on web6:", "--- a/shop.conf", "+++ b/shop.conf", "-old"]


def test_the_document_of_a_plan() -> None:
    made = proposal(*MIXED, waves=(("web1",), ("web2", "web3")), diffs=(DIFF,), drifted=(DRIFT,))
    document = plan_json(made)
    assert document["revision"] == COMMIT.sha
    assert document["waves"] == [["web1"], ["web2", "web3"]]
    assert document["hosts"]["web1"] == {
        "action": "change",
        "from": OLD,
        "to": NEW,
        "reason": None,
        "added": ["new.conf"],
        "removed": [],
        "modified": ["nginx.conf", "shop.conf"],
    }
    assert [(d["hosts"], d["drift"]) for d in document["diffs"]] == [
        (["web6"], True),
        (["web1", "web2"], False),
    ]
    assert document["hosts"]["web7"]["reason"] == "no route to host"


def test_the_way_back_is_folded_too() -> None:
    usual: dict[str, Any] = {"live": NEW, "last_deployment": "d2", "last_target": NEW, "last_from": OLD}
    hosts = [
        *(seen(f"web{n}", **usual, good=good(BASE, OLD, NEW)) for n in (1, 2)),
        seen("web3", **{**usual, "live": OLD}, memory=None, good=good(BASE, OLD)),
        fresh("web4"),
        fresh("web5", running=False),
    ]
    plan = undo_latest({h.host: h for h in hosts})
    silent = {"web6": Unreachable("no route to host", host="web6")}
    assert list(back_lines(plan, silent)) == [
        "rollback of 3 hosts",
        f"  web1, web2: {NEW} → {OLD}  (undoes d2)",
        f"  web3: stays on {OLD}, made to serve it (memory does not hold what is on disk)",
        "  web4: nothing was deployed here yet",
        "  web5: nginx is not running and no release is known to go back to; start it by hand",
        "  web6: DOES NOT ANSWER: no route to host",
    ]


@pytest.mark.parametrize(
    ("line", "style"),
    [
        ("--- a/x", "bold"),
        ("+++ b/x", "bold"),
        ("+new", "green"),
        ("-old", "red"),
        ("@@ -1 +1 @@", "cyan"),
        (" same", ""),
        ("  web1: REFUSED: no", "bold red"),
        ("  web1: DOES NOT ANSWER: no", "bold red"),
        ("  web1: unchanged", ""),
    ],
)
def test_colours(line: str, style: str) -> None:
    assert (styled(line).plain, styled(line).style) == (line, style)


def test_markup_in_a_configuration_is_only_text() -> None:
    assert styled("+[bold red]x[/]").plain == "+[bold red]x[/]"


def test_a_recovery_is_shown_before_the_question() -> None:
    mine = {"owner": "d7", "good": good(BASE, OLD)}
    here = {"last_deployment": "d7", "last_target": NEW, "last_from": OLD}
    hosts = {
        "web1": seen("web1", live=NEW, **mine, **here),
        "web2": seen("web2", live=OLD, **mine, **here),
        "web3": seen("web3", live=OLD, **mine),
    }
    recovery = resume(from_hosts("d7", hosts, {}, Policy(), everybody=False), hosts)
    lines = list(recovery_lines(recovery, {"web4": Unreachable("no route", host="web4")}))
    assert lines == [
        "recovery of d7: not every wave is known to be confirmed, so it is taken back",
        f"  web1, web2: {NEW} → {OLD}  (back, and proved)",
        "  web3: given up; nothing is changed there",
        "  web4: DOES NOT ANSWER: no route",
    ]
    whole = {"web1": hosts["web1"]}
    forward = resume(from_hosts("d7", whole, {}, Policy(), everybody=True), whole)
    assert list(recovery_lines(forward, {})) == [
        "recovery of d7: every wave was confirmed, so it is promoted everywhere",
        f"  web1: {NEW}: promote",
    ]
