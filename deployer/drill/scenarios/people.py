"""Scenarios in which whoever deployed is the trouble."""

from __future__ import annotations

from deployer.drill.breaking import at_the_question, killed_deployment, shop, two_good
from deployer.drill.model import Repaired, Scenario, Step
from deployer.drill.scene import Scene

_STILL_GREEN = Step("deployer status lab", "look again: the fleet is well, proved")


def _killed(scene: Scene) -> None:
    scene.commit("next", "Shop 3", shop("shop 3"))
    killed_deployment(scene)


def _lunch(scene: Scene) -> None:
    two_good(scene)
    scene.commit("next", "Shop 3: the summer sale", shop("shop 3"))
    at_the_question(scene)


SCENARIOS = (
    Scenario(
        name="controller-killed",
        title="The laptop died in the middle of a deployment",
        story=(
            "A colleague was deploying shop 3 from a laptop when its battery died. The first host had "
            "been switched. Customers are served. Where does the fleet stand, and how does it get to one "
            "state?"
        ),
        page="shop",
        ground=two_good,
        strike=_killed,
        cause="controller-died",
        repaired=Repaired(("good", "next"), own=True),
        repaired_told="every host serves the same release, proved, and no deployment is unfinished",
        hints=(
            "deployer status lab: look at the column GUARD, and at what it says below the table.",
            "The guard takes web1 back by itself within two minutes. That makes it safe, not finished.",
            "deployer recover lab --yes finishes or unwinds it on every host, and proves that.",
        ),
        answer=(
            Step("deployer status lab", "web1 is on a release that nobody confirmed", (6,)),
            Step("deployer drill found controller-died", "a deployment that has not ended"),
            Step("deployer recover lab --yes", "unwound, proved, and the hosts are free"),
            _STILL_GREEN,
        ),
        tempting=Step("deployer deploy lab --yes", "refused: what was begun is to be ended first", (3,)),
        lesson=(
            "A dead controller is no emergency: each host is back by its deadline, whoever is alive. "
            "recover makes an end when there is time; it can be said again and again."
        ),
        notes=(
            "Let one pair wait the two minutes and watch the guard fire; they still need recover. Ask "
            "what would have happened had the laptop died between two confirms (the fleet is split, each "
            "host healthy)."
        ),
        docs="runbook.md#the-controller-died-in-the-middle",
        minutes=10,
    ),
    Scenario(
        name="stuck-lock",
        title="The lock is stuck, and its owner is at lunch",
        story=(
            "The summer sale (shop 3, on main) was announced for noon. It is five past, customers see "
            "yesterday's shop, and deploying is refused. Ann, who may know more, is at lunch; her laptop "
            "is not. Get it live."
        ),
        page="shop 3",
        ground=_lunch,
        strike=None,
        cause="lock-held",
        repaired=Repaired(("next",), own=True),
        repaired_told="the sale is live on every host",
        hints=(
            "Read the refusal to its end: whose is it, since when, and what does it say to do?",
            (
                "deployer unlock lab --yes frees the lease; it says before whose it is. You have asked Ann "
                "already: she does not answer."
            ),
            "Then deployer deploy lab --yes",
        ),
        answer=(
            Step("deployer deploy lab --yes", "refused: somebody is at work", (3,)),
            Step("deployer drill found lock-held", "by a deployment that waits for an answer"),
            Step("deployer unlock lab --yes", "take the lease from whoever left it"),
            Step("deployer deploy lab --yes", "and go"),
            _STILL_GREEN,
        ),
        tempting=Step(
            "deployer deploy lab --yes --lock-wait 5", "waiting for somebody who is at lunch", (3,)
        ),
        lesson=(
            "The lease is a courtesy: look whose it is, ask, then unlock. It stops nobody who has changed"
            " something; who may change a host, the host decides."
        ),
        notes=(
            "Ask who would call the owner first, and what would happen had that deployment been half-way "
            "through (the hosts belong to it; rollback takes them over at once). Had it been started on this "
            "very machine, unlock would not do: deploy then names the process that lives, and it is stopped."
        ),
        docs="runbook.md#the-lock-is-stuck",
        minutes=8,
    ),
)
