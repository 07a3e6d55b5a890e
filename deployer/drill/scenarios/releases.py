"""Scenarios in which a release is at fault, or is said to be."""

from __future__ import annotations

from pathlib import Path

from deployer.drill.breaking import careless_update, faulty, shop, two_good
from deployer.drill.model import Repaired, Scenario, Step
from deployer.drill.scene import Scene

_LOOK = Step("deployer status lab", "what does each host serve, and what is wrong with it?", (6,))
_STILL_GREEN = Step("deployer status lab", "look again: the fleet is well, proved")


def _june(scene: Scene) -> None:
    careless_update(scene, "bad", "Scheduled update of 12 June", faulty("shop 3", "return-503"))


def _lost_include(scene: Scene) -> None:
    careless_update(
        scene, "bad", "Prices of July, and nginx.conf tidied up", faulty("shop 3", "lost-include")
    )


def _not_the_last(scene: Scene) -> None:
    def comment(repo: Path) -> None:
        (repo / "conf.d/limits.conf").open("a").write("# seen by the security team\n")

    careless_update(scene, "bad", "New name of the shop", faulty("shop 3", "server-name"))
    careless_update(scene, "later", "A comment for the security team", comment)


def _three_good(scene: Scene) -> None:
    two_good(scene)
    scene.commit("next", "Shop 3: the summer sale", shop("shop 3"))
    scene.deploy("next")


def _taken_back(scene: Scene) -> None:
    scene.run(["rollback", "lab", "--yes"])


SCENARIOS = (
    Scenario(
        name="june",
        title="12 June: after a scheduled update every request gets 503",
        story=(
            "It is 14:15 UTC. Monitoring screams: every request to the shop is answered with 503. An hour"
            " ago the application team deployed new code; the database was slow last week. Nobody has "
            "said what to do. The fleet is yours."
        ),
        page="shop",
        ground=two_good,
        strike=_june,
        cause="faulty-release",
        repaired=Repaired(("good",), own=True),
        repaired_told=(
            "the last good release is live on every host (or a cure of your own), and users are served"
        ),
        hints=(
            (
                "Before you suspect code or database: ask what changed in the last minutes. deployer "
                "history --around now"
            ),
            "deployer show last tells what the newest deployment did, with its diff.",
            (
                "The newest deployment brought it. One command takes it back everywhere and proves it: "
                "deployer rollback lab --yes"
            ),
        ),
        answer=(
            _LOOK,
            Step("deployer history lab", "what changed last, and when?"),
            Step("deployer drill found faulty-release", "the update brought it"),
            Step("deployer rollback lab --yes", "back, everywhere, proved"),
            _STILL_GREEN,
        ),
        tempting=Step(
            "deployer deploy lab --yes",
            "deploying again what is live: main still is the faulty update",
            (0, 3),
        ),
        lesson=(
            "The first question is what changed, not what may be broken. On 12 June code was rolled back,"
            " the database was suspected, and the configuration was looked at after 65 minutes. rollback "
            "takes the configuration back in seconds, without git and without a database."
        ),
        notes=(
            "The warm-up; everybody plays it first. Watch who looks before acting, and who runs rollback "
            "unseen: both end well here, but only the first know what they took back. Ask afterwards: how"
            " do you know that it was not the code?"
        ),
        docs="runbook.md#the-site-is-down-now",
        minutes=10,
    ),
    Scenario(
        name="lost-include",
        title="A tidied nginx.conf, and there is no going back",
        story=(
            "Since the last update nobody can reach the shop: connection refused. The same update brought"
            " the prices of July (the page says shop 3), which have to be shown from today by law: going "
            "back to the old prices is not allowed. The repository is in $DRILL_REPO."
        ),
        page="shop 3",
        ground=two_good,
        strike=_lost_include,
        cause="faulty-release",
        repaired=Repaired((), own=True),
        repaired_told="a commit of yours is live on every host: shop 3, and served",
        hints=(
            "deployer show last has the diff of the update. What was lost in nginx.conf?",
            (
                "The include of sites-enabled is gone. Bring nginx.conf back as it was one commit before:"
                " git -C $DRILL_REPO checkout HEAD~1 -- nginx.conf, then commit."
            ),
            (
                "A site that is down fails the check before the deployment; the cure is let through by "
                "deployer deploy lab --fix-forward --yes"
            ),
        ),
        answer=(
            _LOOK,
            Step("deployer show last", "what did the last deployment change?"),
            Step("deployer drill found faulty-release", "nginx.conf lost its include"),
            Step("git -C $DRILL_REPO checkout HEAD~1 -- nginx.conf", "the file as it was"),
            Step("git -C $DRILL_REPO commit --quiet --message 'The sites are included again'", "the cure"),
            Step("deployer deploy lab --fix-forward --yes", "deploy the cure while the site is down"),
            _STILL_GREEN,
        ),
        tempting=Step(
            "deployer rollback lab --yes", "the site is up again, with prices that are not allowed"
        ),
        lesson=(
            "rollback is the first answer, not the only one. When the way back is closed, the cure goes "
            "forward: committed, validated, rehearsed and proved like everything else, only without the "
            "precheck."
        ),
        notes=(
            "Strong groups roll back first to serve users at all, and then go forward: that is a good "
            "answer, and users prefer it. The quarantine then keeps the faulty tree away; their own "
            "commit is another tree."
        ),
        docs="commands.md#deploy",
        minutes=12,
    ),
    Scenario(
        name="not-the-last",
        title="The faulty change is not the last one",
        story=(
            "All dashboards are green: every answer is a 200. But customers say that the shop is gone and"
            " another page is there. Several changes went out today."
        ),
        page="shop",
        ground=two_good,
        strike=_not_the_last,
        cause="earlier-release",
        repaired=Repaired(("good",), own=True),
        repaired_told=(
            "the last release on which the shop was served is live everywhere (or a cure of your own)"
        ),
        hints=(
            (
                "Status codes do not tell who answers. What does curl -H 'Host: shop.example.com' "
                "http://ADDRESS/ say? The addresses are in inventories/lab.yml of the project."
            ),
            (
                "Taking the last change back is not enough: the one before it changed the name of the "
                "shop. deployer history lab, then deployer show ID"
            ),
            (
                "deployer rollback lab --list names the releases; deployer rollback lab --to RELEASE goes"
                " further back."
            ),
        ),
        answer=(
            _LOOK,
            Step("deployer history lab", "two deployments, both today"),
            Step("deployer rollback lab --list", "which releases are on the hosts?"),
            Step(
                "deployer drill found earlier-release",
                "the server name was changed before the last deployment",
            ),
            Step("deployer rollback lab --to {good} --yes", "further back than one"),
            _STILL_GREEN,
        ),
        tempting=Step("deployer rollback lab --yes", "only the harmless comment is taken back", (0, 4, 5, 6)),
        lesson=(
            "A rollback that does not help has taken back the wrong thing: look again instead of saying "
            "it again. --to goes to a release by name. Said twice, a plain rollback changes nothing more,"
            " on purpose."
        ),
        notes=(
            "The trap of 14:30 on 12 June: a first rollback without effect. Let them fall into it; ask "
            "what the end of that rollback said (checks that still fail)."
        ),
        docs="commands.md#rollback",
        minutes=12,
    ),
    Scenario(
        name="rollback-of-a-rollback",
        title="A good release was taken back in fright",
        story=(
            "The summer sale has begun (the page says shop 3), and was live for a quarter of an hour. "
            "Then an alert, which was a false one, and a colleague took the release back. Since then "
            "customers miss the sale, and deploying it again is refused. Bring it back."
        ),
        page="shop 3",
        ground=_three_good,
        strike=_taken_back,
        cause="good-release-taken-back",
        repaired=Repaired(("next",), own=True),
        repaired_told="the release of the sale is live on every host again",
        hints=(
            "deployer history lab: who did what, in which order?",
            (
                "What is taken back is quarantined, so that no schedule brings it again: deployer "
                "quarantine list"
            ),
            "deployer quarantine release lab RELEASE --yes, then deployer deploy lab --yes",
        ),
        answer=(
            Step("deployer history lab", "the last entry is a rollback"),
            Step("deployer deploy lab --yes", "main is the sale; refused, and it says why", (3,)),
            Step("deployer drill found good-release-taken-back", "nothing was wrong with it"),
            Step("deployer quarantine release lab {next_release} --yes", "it may be deployed again"),
            Step("deployer deploy lab --yes", "and is"),
            _STILL_GREEN,
        ),
        tempting=Step("deployer rollback lab --yes", "a rollback of the rollback: it says unchanged"),
        lesson=(
            "rollback does not toggle: said again it changes nothing, so two frightened people do not go "
            "one release too far. The way forward is deploy, and the quarantine is a sentence with an "
            "end."
        ),
        notes=(
            "The other good answer: deployer rollback lab --to RELEASE --break-glass REASON. Ask who may "
            "decide that an alert was false, and where that decision is written down (history shows it)."
        ),
        docs="gates.md#quarantine",
        minutes=10,
    ),
)
