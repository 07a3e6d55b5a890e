"""From what is wanted and what answers to a proposal; here with hosts that do not answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from deployer.config.inventory import load_inventory
from deployer.config.playbook import load_playbook
from deployer.errors import AgentError, ConfigError, HostError, UnknownRevision, Unreachable
from deployer.host.ssh import SshOptions
from deployer.model import Amount
from deployer.planning.audience import Audience
from deployer.planning.context import Context
from deployer.planning.proposal import Proposal, Wishes
from deployer.planning.propose import policy, propose, resolve, would_refuse
from deployer.rollout.plan import Action, HostPlan, Plan
from deployer.rollout.survey import Survey
from deployer.rollout.waves import EVERYBODY, Policy, Scope
from tests.unit.project import Project


class Quiet:
    """An audience that only remembers what was said."""

    wants_diff = True

    def __init__(self) -> None:
        self.said: list[str] = []

    def saying(self, what: str) -> None:
        self.said.append(what)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Project(tmp_path / "project")


def context(project: Project) -> Context:
    inventory = load_inventory(project.path / "inventories/lab.yml")
    book = load_playbook(project.path / "playbooks/nginx.yml", project.path)
    ssh = SshOptions(config_file=project.path / "ssh_config")
    return Context(project.path, inventory.name, inventory, inventory.hosts, book, ssh)


def proposed(project: Project, revision: str | None = None) -> Proposal:
    """Propose for hosts that cannot be asked, for their port is closed."""
    now = context(project)
    with Survey(now.hosts, now.playbook.target_spec(), now.ssh, parallel=2) as survey:
        audience = Quiet()
        proposal = propose(now, Wishes(revision), survey, cast("Audience", audience)).proposal
    assert audience.said
    return proposal


def test_hosts_that_do_not_answer_are_in_the_plan_with_their_reason(project: Project) -> None:
    proposal = proposed(project)
    assert proposal.commit.sha == project.git("rev-parse", "main")
    assert proposal.commit.subject == "First"
    plans = proposal.plan.hosts
    assert [(p.host, p.action) for p in plans.values()] == [
        ("web1", Action.UNREACHABLE),
        ("web2", Action.UNREACHABLE),
    ]
    assert "refused the connection" in str(plans["web1"].reason)
    assert (proposal.plan.waves, proposal.diffs, proposal.drifted) == ((), (), ())
    assert would_refuse(proposal)


def test_a_revision_that_git_does_not_know_is_said(project: Project) -> None:
    with pytest.raises(UnknownRevision, match="nowhere"):
        proposed(project, "nowhere")


def test_the_revision_that_was_asked_for_comes_before_that_of_the_playbook(project: Project) -> None:
    first = project.git("rev-parse", "main")
    project.git("commit", "--quiet", "--allow-empty", "--message", "Second")
    assert resolve(context(project), None)[0].subject == "Second"
    assert resolve(context(project), first)[0].subject == "First"


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), ("nonsense", "NO_CERTIFICATE")])
def test_authorities_that_cannot_be_read_are_said_before_any_host_is_asked(
    project: Project, content: str | None, words: str
) -> None:
    project.playbook("nginx", checks=[{"name": "shop", "url": "https://127.0.0.1/", "ca": "tls/ca.pem"}])
    if content:
        project.write("tls/ca.pem", content)
    with pytest.raises(ConfigError) as caught:
        proposed(project)
    for word in ("nginx.yml", "checks[0].ca", f"{project.path}/tls/ca.pem", words):
        assert word in str(caught.value)


def test_hosts_that_render_alike_share_one_release(project: Project) -> None:
    _, releases = resolve(context(project), None)
    assert releases["web1"] is releases["web2"]


@pytest.mark.parametrize("repo", ["repo", "./repo", "../project/repo"])
def test_a_path_is_meant_from_the_project_wherever_the_command_is_run(
    project: Project, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.playbook("nginx", source={"repo": repo})
    for place in (project.path.parent, Path("/")):
        monkeypatch.chdir(place)
        assert resolve(context(project), None)[0].subject == "First"


def test_a_url_is_not_taken_for_a_path(project: Project) -> None:
    project.playbook("nginx", source={"repo": f"file://{project.repo}"})
    assert resolve(context(project), None)[0].subject == "First"


def test_the_rules_of_the_playbook(project: Project) -> None:
    rollout = {"waves": [2, "50%", "100%"], "max_failures": "10%", "on_failure": "wave"}
    project.playbook("nginx", rollout=rollout)
    waves = (Amount(2), Amount(50, percent=True), EVERYBODY)
    assert policy(context(project)) == Policy(waves, Amount(10, percent=True), Scope.WAVE)


@pytest.mark.parametrize(
    ("actions", "budget", "refused"),
    [
        ("change change", 0, False),
        ("unchanged", 0, False),
        ("change unreachable", 0, True),
        ("change unreachable", 1, False),
        ("unreachable unreachable", 1, True),
        ("change unreachable", "50%", False),
        ("change change unreachable", "34%", False),
        ("change change unreachable", "33%", True),
        ("change refused", "100%", True),
        ("change drifted", "100%", True),
    ],
)
def test_what_a_deployment_would_refuse(
    project: Project, actions: str, budget: int | str, refused: bool
) -> None:
    project.playbook("nginx", rollout={"max_failures": budget})
    plans = [HostPlan(f"h{n}", Action(action)) for n, action in enumerate(actions.split())]
    plan = Plan({p.host: p for p in plans}, ())
    proposal = replace(proposed(project), context=context(project), plan=plan)
    assert would_refuse(proposal) is refused


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (Unreachable("no route", host="web1"), Action.UNREACHABLE),
        (AgentError("web1: sudo wants a password", host="web1", code=77), Action.REFUSED),
    ],
)
def test_a_host_that_said_no_was_reached(project: Project, error: HostError, action: Action) -> None:
    now = context(project)

    class Answers(Survey):
        """Hosts that answered so."""

        def observe(self, **_: object) -> Answers:
            for contact in self.contacts.values():
                contact.error = error
            return self

    with Answers(now.hosts, now.playbook.target_spec(), now.ssh, parallel=2) as survey:
        plan = propose(now, Wishes(), survey, cast("Audience", Quiet())).proposal.plan
    assert {(p.action, p.reason) for p in plan.hosts.values()} == {(action, str(error))}
