"""Scenarios in which something happened on hosts that no deployment brought."""

from __future__ import annotations

from deployer.drill import certificates
from deployer.drill.breaking import (
    SHOP,
    careless_update,
    faulty,
    refused_reload,
    reload,
    shop,
    two_good,
)
from deployer.drill.model import Later, Repaired, Scenario, Step
from deployer.drill.scene import Scene

_LOOK = Step("deployer status lab", "what does each host serve, and what is wrong with it?", (6,))
_STILL_GREEN = Step("deployer status lab", "look again: the fleet is well, proved")
_SITE = f"/etc/nginx/{SHOP}"


def _by_hand(scene: Scene) -> None:
    two_good(scene)
    for host in scene.lab.hosts:
        host.write(_SITE, host.read(_SITE).replace("shop 2", "shop 2, prices of July"))
        reload(scene, host.name)
    scene.commit("next", "Shop 3", shop("shop 3"))


def _port_of_sshd(scene: Scene) -> None:
    text = "server {\n\tlisten 22;\n\tserver_name files.example.com;\n}\n"
    scene.host("web2").write("/etc/nginx/conf.d/files.conf", text)


def _port_clash(scene: Scene) -> None:
    _port_of_sshd(scene)
    scene.host("web2").stop_nginx()


def _silent_reload(scene: Scene) -> None:
    _port_of_sshd(scene)
    refused_reload(scene, "web2")


def _half_reachable(scene: Scene) -> None:
    careless_update(scene, "bad", "Scheduled update", faulty("shop 3", "upstream-down"))
    scene.host("web3").cut()


def _left_behind(scene: Scene) -> None:
    two_good(scene)
    host = scene.host("web3")
    host.cut()
    scene.commit("next", "Shop 3: the summer sale", shop("shop 3"))
    scene.deploy("next", careless=True, codes=(6,))
    host.mend()


SCENARIOS = (
    Scenario(
        name="drift",
        title="Edited by hand at night, and git does not know",
        story=(
            "At 3 in the morning somebody on call put the prices of July live, by hand, on every host. "
            "Customers see them, and they have to stay. Now the morning's deployment (shop 3, waiting on "
            "main) is refused. Get it out without taking the prices of July away from anybody. The "
            "repository is in $DRILL_REPO."
        ),
        page="prices of July",
        ground=_by_hand,
        strike=None,
        cause="edited-by-hand",
        repaired=Repaired((), own=True),
        repaired_told=(
            "a commit of yours that has the prices of July is live on every host; nothing is edited by hand"
        ),
        hints=(
            "deployer plan lab shows what was edited, line by line.",
            f"Bring the edit into git first: the text of {SHOP} in $DRILL_REPO, and commit.",
            (
                "Then deployer deploy lab --overwrite-drift --yes; what was there is kept as a release of"
                " its own."
            ),
        ),
        answer=(
            _LOOK,
            Step("deployer plan lab", "the diff of what was edited", (3,)),
            Step("deployer drill found edited-by-hand", "on every host"),
            Step(
                f"sed -i 's/shop 3/shop 3, prices of July/' $DRILL_REPO/{SHOP}",
                "the edit, where it belongs",
            ),
            Step("git -C $DRILL_REPO commit --quiet --all --message 'Prices of July'", "now git knows"),
            Step("deployer deploy lab --overwrite-drift --yes", "git's word is live, the edit is in it"),
            _STILL_GREEN,
        ),
        tempting=Step(
            "deployer deploy lab --overwrite-drift --yes", "overwritten: the prices of July are gone"
        ),
        lesson=(
            "An edit by hand is somebody's repair. It is never overwritten unseen, and not lost when it "
            "is: read it, bring it into git, then let git's word be live."
        ),
        notes=(
            "Whoever overwrites at once sees users fail: rollback brings the edit back (it became a "
            "release). Ask how the night's repair should have been made: a commit and deploy "
            "--fix-forward take a minute."
        ),
        docs="runbook.md#a-deployment-was-refused-3",
        minutes=12,
    ),
    Scenario(
        name="port-clash",
        title="One host does not come up again",
        story=(
            "web2 was restarted for a kernel update, and its nginx does not run since. A third of the "
            "customers get connection refused. Nothing was deployed today."
        ),
        page="shop",
        ground=two_good,
        strike=_port_clash,
        cause="port-taken",
        repaired=Repaired(("good",), own=True),
        repaired_told="web2 runs nginx again, with the release that the others have",
        hints=(
            "deployer status lab: web2 has two troubles, and one explains the other.",
            (
                "Somebody put conf.d/files.conf there, which wants port 22, and that is sshd's. nginx -t "
                "does not see it: it only binds when it starts. deployer plan lab shows the file."
            ),
            (
                "Put git's word back while nginx is dead: deployer deploy lab --overwrite-drift "
                "--fix-forward --yes"
            ),
        ),
        answer=(
            _LOOK,
            Step("deployer plan lab", "a file that nobody deployed asks for port 22", (3,)),
            Step("deployer drill found port-taken", "sshd has it"),
            Step(
                "deployer deploy lab --overwrite-drift --fix-forward --yes",
                "the release that git has, on a host whose nginx is dead",
            ),
            _STILL_GREEN,
        ),
        tempting=Step("deployer deploy lab --yes", "refused: drift, and nginx is dead", (3,)),
        lesson=(
            "What is on disk and what runs are two things; a restart shows the difference at the worst "
            "time. A port that is taken passes nginx -t. status names drift on the day it is made: look "
            "before the restart."
        ),
        notes=(
            "Some will go to the host, delete the file and start nginx: that works, and deployer sees it "
            "as healed. Ask what would have been different had three hosts been restarted at once."
        ),
        docs="rehearsal.md",
        minutes=10,
    ),
    Scenario(
        name="silent-reload",
        title="Everything is green, until somebody restarts",
        story=(
            "Customers are served, every check passes. But a colleague put a new site on web2 this "
            "morning, by hand, reloaded, saw no error and went home. Is the fleet what it seems to be? "
            "Make it so."
        ),
        page="shop",
        ground=two_good,
        strike=_silent_reload,
        cause="reload-refused",
        repaired=Repaired(("good",), own=True),
        repaired_told="disk, memory and git agree on every host",
        hints=(
            "deployer status lab: something on the disk of web2 is not what was deployed. Is it served?",
            (
                "nginx says it only in its own log: ssh -F $DEPLOYER_SSH_CONFIG web2 tail "
                "/var/log/nginx/error.log"
            ),
            "Put git's word back: deployer deploy lab --overwrite-drift --yes",
        ),
        answer=(
            _LOOK,
            Step(
                "ssh -F $DEPLOYER_SSH_CONFIG web2 grep emerg /var/log/nginx/error.log",
                "what did nginx say of it?",
            ),
            Step("deployer drill found reload-refused", "the port of the new site is sshd's"),
            Step("deployer deploy lab --overwrite-drift --yes", "disk and memory agree again"),
            _STILL_GREEN,
        ),
        tempting=Step(
            "ssh -F $DEPLOYER_SSH_CONFIG web2 nginx -s reload", "reloads again: refused again, without a word"
        ),
        lesson=(
            "nginx -s reload ends with 0 when the master has refused the new configuration. Success means"
            " served: look at what memory holds, not at an exit status."
        ),
        notes=(
            "Users lose nothing here; the points for users are a gift. Ask what happens at the next "
            "restart, and who would be awake then: port-clash is the same file, a day later."
        ),
        docs="architecture.md#three-kinds-of-truth",
        minutes=10,
    ),
    Scenario(
        name="expired-certificate",
        title="Nothing changed, and every request gets 502",
        story=(
            "Every request to the shop is answered with 502. Nobody deployed in the last hour. nginx "
            "talks to the application over TLS, with a certificate that is in git. The certificate "
            "authority has laid a renewed one, for the same key, into "
            "$DEPLOYER_DRILL_DIR/drill/renewed/app.pem. The repository is in $DRILL_REPO."
        ),
        page="shop",
        ground=certificates.ground,
        strike=certificates.until_expired,
        cause="certificate-expired",
        repaired=Repaired((), own=True),
        repaired_told="a commit of yours with the renewed certificate is live on every host",
        hints=(
            (
                "deployer status lab has two troubles for each host. And nginx's log says why it is 502: "
                "ssh -F $DEPLOYER_SSH_CONFIG web1 tail /var/log/nginx/error.log"
            ),
            "ssl/app.pem has expired. Copy the renewed one to $DRILL_REPO/ssl/app.pem and commit.",
            "The site is down, so the cure goes out with: deployer deploy lab --fix-forward --yes",
        ),
        answer=(
            _LOOK,
            Step(
                "ssh -F $DEPLOYER_SSH_CONFIG web1 tail -n 3 /var/log/nginx/error.log", "what does nginx say?"
            ),
            Step("deployer drill found certificate-expired", "certificate has expired"),
            Step("cp $DEPLOYER_DRILL_DIR/drill/renewed/app.pem $DRILL_REPO/ssl/app.pem", "the renewed one"),
            Step("git -C $DRILL_REPO commit --quiet --all --message 'Renewed certificate'", "into git"),
            Step("deployer deploy lab --fix-forward --yes", "the cure, while the site is down"),
            _STILL_GREEN,
        ),
        tempting=Step(
            "deployer rollback lab --yes", "the release before has the same certificate", (0, 4, 5, 6)
        ),
        lesson=(
            "When nothing changed, time did. A rollback cannot help against a certificate that every "
            "release has; it says so at its end, in the checks that still fail."
        ),
        notes=(
            "The scene takes half a minute to set, for the certificate really expires. Whoever reads status "
            "to its end has the cause at once; the others find it in nginx's log. Ask who would have known "
            "a fortnight earlier: watch tells 14 days before."
        ),
        docs="monitoring/README.md",
        minutes=12,
    ),
    Scenario(
        name="half-reachable",
        title="The cure does not reach everybody",
        story=(
            "A faulty update is live everywhere: 502 for all. And the network people report that web3 "
            "cannot be reached from where you sit; they are on it. Save what can be saved, and do not go "
            "home before all is well."
        ),
        page="shop",
        ground=two_good,
        strike=_half_reachable,
        cause="host-unreachable",
        repaired=Repaired(("good",), own=True),
        repaired_told="every host is back on the good release, web3 too",
        hints=(
            "Do not wait for web3: a rollback helps every host that answers and names the others.",
            (
                "deployer rollback lab --yes ends with 5, for web3 is not proved. That is an open task, "
                "not an error."
            ),
            "When web3 is back (deployer status lab), say it again: deployer rollback lab --yes",
        ),
        answer=(
            _LOOK,
            Step("deployer drill found host-unreachable", "the update, and a host that is away"),
            Step("deployer rollback lab --yes", "those that answer are helped", (5,)),
            Step("deployer rollback lab --yes", "again, when web3 is back", (0,), patience_s=180),
            _STILL_GREEN,
        ),
        tempting=Step(
            "deployer rollback lab --yes --limit 'all:!web3'",
            (
                "leaving out the host that is away makes the exit code green, and web3 stays on the "
                "faulty release"
            ),
        ),
        later=Later("rollback", 3.0, 600.0, lambda scene: scene.host("web3").mend()),
        lesson=(
            "Exit code 5 is a list of hosts somebody still owes a look. The fleet is safe when every host"
            " is proved, not when most are."
        ),
        notes=(
            "The network is back three seconds after their first rollback has ended, or after ten "
            "minutes. Do not tell. Watch who comes back to web3 unasked. Its users are lost while the "
            "cable is out; nobody can help that."
        ),
        docs="runbook.md#an-operator-is-needed-5",
        minutes=12,
    ),
    Scenario(
        name="left-behind",
        title="Two customers, two prices",
        story=(
            "The summer sale (shop 3) went out this morning; the colleague's terminal said something "
            "about 6 and was closed. Some customers see the sale, others do not."
        ),
        page="shop 3",
        ground=_left_behind,
        strike=None,
        cause="host-left-behind",
        repaired=Repaired(("next",), own=True),
        repaired_told="every host serves the sale",
        hints=(
            "Does every host serve the same? deployer status lab",
            "deployer show last: what became of web3?",
            "Deploy the same revision again: those that have it are unchanged. deployer deploy lab --yes",
        ),
        answer=(
            Step("deployer status lab", "three hosts, two releases", (0, 6)),
            Step("deployer show last", "web3 could not be reached"),
            Step("deployer drill found host-left-behind", "it missed the deployment"),
            Step("deployer deploy lab --yes", "the same again: only web3 changes"),
            _STILL_GREEN,
        ),
        tempting=Step("deployer rollback lab --yes", "now everybody misses the sale"),
        lesson=(
            "Exit code 6 means hosts were left behind, on purpose and by name. Deploying the same "
            "revision again is always safe: what is there already is unchanged."
        ),
        notes="Short. Good as a filler, or as the first one for people who have never seen the tool.",
        docs="runbook.md#hosts-were-left-behind-6",
        minutes=6,
    ),
)
