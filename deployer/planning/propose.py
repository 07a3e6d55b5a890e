"""From what is wanted and what is there to a proposal: resolve, observe, plan. Nothing changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from deployer.errors import ConfigError, DeployerError, TransportError
from deployer.model import Manifest, Release
from deployer.planning.context import Context, cache_directory
from deployer.planning.linting import check_ids, lint_releases
from deployer.planning.proposal import Prepared, Proposal, Wishes
from deployer.report.words import count
from deployer.rollout import plan as planning
from deployer.rollout.bases import live_manifests
from deployer.rollout.diffs import Earlier, diffs, drift
from deployer.rollout.plan import Action, HostPlan, Permissions, Plan
from deployer.rollout.waves import Policy, Scope

if TYPE_CHECKING:
    from deployer.config.playbook import Playbook
    from deployer.planning.audience import Audience
    from deployer.planning.linting import Linted
    from deployer.rollout.survey import Survey
    from deployer.source.changes import Between
    from deployer.source.git import Commit, Mirror

KEPT_DIFFS = 4  #: different changes that are looked at when nobody reads them before it begins


@dataclass(frozen=True)
class Source:
    """What is being found out of a revision, without any host."""

    resolved: Future[tuple[Commit, Mapping[str, Release]]]
    linted: Future[Linted]  #: of the releases of all hosts


@contextmanager
def resolving(context: Context, revision: str | None) -> Iterator[Source]:
    """Resolve a revision meanwhile, and lint what comes out; waited for at the end."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="git") as pool:
        source = pool.submit(resolve, context, revision)
        yield Source(source, pool.submit(lambda: lint_releases(context, source.result()[1])))


def propose(
    context: Context, wishes: Wishes, survey: Survey, audience: Audience, begun: Source | None = None
) -> Prepared:
    """Resolve the revision while the hosts are asked, then plan.

    :param begun: the revision is being resolved already, for these very hosts.
    :raises UsageError: for an unknown revision, a wrong path, a template that cannot be rendered, a check
        whose authorities cannot be read: it would fail every host, and only after it was changed.
    :raises Refused: when git cannot be reached, or holds what cannot be shipped.
    """
    _read_authorities(context.playbook)
    check_ids(context.playbook)
    ref = wishes.revision or context.playbook.source.ref
    audience.saying(f"resolving {ref} and asking {count(len(survey.contacts))}")
    with nullcontext(begun) if begun else resolving(context, wishes.revision) as source:
        # Only where the playbook has no checks, sites are compared before and after.
        survey.observe(sites=not context.playbook.checks)
        commit, releases = source.resolved.result()
    known = {release.id: release.manifest for release in releases.values()}.values()
    live = live_manifests(survey, cache_directory() / "manifests", known)
    plans = [_plan_host(survey, name, releases[name], live, wishes.allowed) for name in survey.contacts]
    plan = planning.whole(plans, context.groups, policy(context))
    veil, earlier = context.veil, _earlier(context, survey)
    # The journal keeps it, too: what changed is the first question when something fails.
    most = None if audience.wants_diff else KEPT_DIFFS
    shown = diffs(survey, plan, releases, live, veil=veil, earlier=earlier, most=most)
    edited = [
        drift(survey, p.host, earlier(p.host), veil=veil, wanted=releases[p.host])
        for p in plan.with_action(Action.DRIFTED)
    ]
    between = _between(context, survey, plan, commit)
    changing = {p.host: releases[p.host] for p in plan.with_action(Action.CHANGE)}
    # Nearly always all of them change, or none.
    linted = (
        source.linted.result() if changing.keys() == releases.keys() else lint_releases(context, changing)
    )
    proposal = Proposal(
        context, commit, plan, shown, tuple(d for d in edited if d is not None), between, linted=linted
    )
    return Prepared(proposal, releases, live)


def would_refuse(proposal: Proposal) -> bool:
    """Whether a deployment of this plan would be refused as it stands."""
    if proposal.gates.refusing:
        return True
    plan, rules = proposal.plan, policy(proposal.context)
    lost = len(plan.with_action(Action.UNREACHABLE))
    return plan.refusal is not None or lost > rules.max_failures.of(len(plan.hosts), up=False)


def resolve(context: Context, revision: str | None) -> tuple[Commit, Mapping[str, Release]]:
    """The commit, and the release of each host; hosts that render alike share one."""
    from deployer.source.release import build_releases

    source = context.playbook.source
    mirror = mirror_of(context)
    commit = mirror.resolve(revision or source.ref)
    releases = build_releases(
        mirror,
        commit,
        path=source.path,
        render=source.render,
        preserve=context.playbook.target.preserve,
        hosts=context.hosts,
        fleet=context.inventory.hosts,
        veil=context.veil,
    )
    return commit, releases


def _earlier(context: Context, survey: Survey) -> Earlier:
    """What is said to be live on a host, as git has it; only to show it, so ``None`` for whatever reason."""

    @cache
    def of(commit: str) -> Mapping[str, Release]:
        try:
            return resolve(context, commit)[1]
        except DeployerError:
            return {}

    def earlier(host: str) -> Release | None:
        seen = survey.contacts[host].seen
        commit = (seen.live or "").partition("-")[0] if seen is not None else ""
        return of(commit).get(host) if re.fullmatch("[0-9a-f]{12}", commit) else None

    return earlier


def _between(context: Context, survey: Survey, plan: Plan, commit: Commit) -> Between | None:
    from deployer.source.changes import log_between

    seen = [survey.answered[p.host].live for p in plan.with_action(Action.CHANGE)]
    commits = [live.partition("-")[0] for live in seen if live is not None]
    if not commits:
        return None
    old = max(set(commits), key=commits.count)
    return log_between(mirror_of(context), old, commit.sha, path=context.playbook.source.path)


def _read_authorities(playbook: Playbook) -> None:
    from deployer.checks.certificate import Trust

    for at, check in enumerate(playbook.checks):
        if check.ca is None:
            continue
        try:
            Trust(ca=str(check.ca.path)).context()
        except OSError as error:
            problem = f"{check.ca.path} cannot be read as PEM certificates: {error.strerror or error}"
            raise ConfigError(problem, file=str(playbook.path), key=f"checks[{at}].ca") from error


def mirror_of(context: Context) -> Mirror:
    """Of the playbook's repository, in the cache."""
    from deployer.source.git import Mirror

    return Mirror(context.repo, cache_directory() / "git")


def policy(context: Context) -> Policy:
    """``rollout`` of the playbook, as the rules need it."""
    rollout = context.playbook.rollout
    return Policy(tuple(rollout.waves), rollout.max_failures, Scope(rollout.on_failure))


def _plan_host(
    survey: Survey, name: str, release: Release, live: Mapping[str, Manifest], allowed: Permissions
) -> HostPlan:
    contact = survey.contacts[name]
    if contact.seen is None:
        # An agent that answers "no sudo" was reached: that is a refusal, not a lost host.
        lost = isinstance(contact.error, TransportError)
        return HostPlan(name, Action.UNREACHABLE if lost else Action.REFUSED, reason=str(contact.error))
    return planning.plan_host(contact.seen, release, live.get(contact.seen.disk_hash or ""), allowed)
