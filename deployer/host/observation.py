"""The agent's facts as the noun that the rooms above speak of."""

from __future__ import annotations

from deployer.host.reply import Answer, VerbAnswer
from deployer.model import Good, Guard, GuardState, Observation, TargetKind


def observation(answer: Answer, facts: VerbAnswer, *, host: str, installed: bool) -> Observation:
    """Read the answer to ``observe``; what a host left out has the value that promises least."""

    def maybe(key: str) -> str | None:
        return facts.one(key) or None

    return Observation(
        host=host,
        protocol=answer.protocol,
        agent=answer.agent,
        installed=installed,
        systemd=facts.yes("systemd"),
        validator=maybe("validator"),
        problems=facts.all("problem"),
        target_kind=_target_kind(facts.one("target_kind")),
        adopted=facts.yes("adopted"),
        baseline=maybe("baseline"),
        live=maybe("live"),
        disk_hash=maybe("disk_hash"),
        drifted=facts.yes("drifted"),
        memory=maybe("memory"),
        memory_note=facts.one("memory_note"),
        running=facts.yes("running"),
        good=tuple(g for line in facts.all("good") if (g := _good(line))),
        releases=facts.all("release"),
        owner=maybe("owner"),
        epoch=int(facts.number("epoch")),
        last_deployment=maybe("last_deployment"),
        last_target=maybe("last_target"),
        last_from=maybe("last_from"),
        promoted=facts.yes("promoted"),
        checks=facts.all("check"),
        clock=facts.number("clock"),
        guard=_guard(facts),
        facts=dict(facts.fields),
    )


def _target_kind(text: str) -> TargetKind:
    try:
        return TargetKind(text)
    except ValueError:
        return TargetKind.FOREIGN


def _guard(facts: VerbAnswer) -> Guard | None:
    try:
        state = GuardState(facts.one("guard"))
    except ValueError:
        return None
    return Guard(
        state=state,
        deployment=facts.one("guard_deployment"),
        release=facts.one("guard_release"),
        source=facts.one("guard_from"),
        left_s=facts.number("guard_left"),
        carried=facts.yes("guard_carried"),
        stuck=facts.one("guard_stuck") or None,
        time=facts.number("guard_time") or None,
        elsewhere=facts.one("guard_elsewhere") or None,
    )


def _good(line: str) -> Good | None:
    words = line.split(" ")
    try:
        return Good(words[0], words[1], float(words[2]))
    except (IndexError, ValueError):
        return None
