"""Which hosts rehearse, which of them are asked questions, and what becomes of what a rehearsal says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployer.config.rehearse import Answers, Rehearse, RehearseMode
from deployer.errors import AgentError, Busy, ConfigRefused, Drifted, Fenced, NotProved, Reverted

if TYPE_CHECKING:
    from deployer.host.rehearsal import Rehearsed
    from deployer.model import Ownership
    from deployer.rollout.effects import HostRun

Inquiry = Callable[["HostRun", "Rehearsed"], Mapping[str, Any]]
"""Asks a rehearsed candidate and what is live the same questions. Returns what the journal should keep;
raises :class:`ConfigRefused` when an answer got worse. Whoever calls this closes it."""

_NOT_A_HOSTS_LACK = (ConfigRefused, Busy, Drifted, Fenced, NotProved, Reverted)


def asked(answers: Answers, waves: Sequence[Sequence[str]], renders: Mapping[str, str]) -> frozenset[str]:
    """The hosts that are asked questions: those of the first wave, and one for each that renders otherwise.

    :param renders: of each host, what its release is (hosts whose files are alike have the same).
    """
    everybody = [name for wave in waves for name in wave]
    if answers is Answers.OFF:
        return frozenset()
    if answers is Answers.ALL:
        return frozenset(everybody)
    chosen = list(waves[0]) if waves else []
    known = {renders[name] for name in chosen}
    for name in everybody:
        if renders[name] not in known:
            known.add(renders[name])
            chosen.append(name)
    return frozenset(chosen)


def rehearsals_of(rules: Rehearse, waves: Sequence[Sequence[str]], runs: Mapping[str, HostRun]) -> Rehearsals:
    """How a deployment rehearses, by the playbook."""
    renders = {name: run.release.manifest.hash for name, run in runs.items()}
    return Rehearsals(rules, asked(rules.answers, waves, renders))


@dataclass
class Rehearsals:
    """How the hosts of one deployment rehearse.

    :ivar asked: the hosts that are asked questions, where there is somebody to ask.
    :ivar notes: by host, what was not rehearsed there, and why.
    """

    rules: Rehearse
    asked: frozenset[str] = frozenset()
    inquire: Inquiry | None = None
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def rehearse(self, run: HostRun, own: Ownership) -> Mapping[str, Any]:
        """Rehearse on one host. Returns what the journal should keep.

        :raises ConfigRefused: the release would not do there.
        :raises HostError: it cannot be rehearsed, and the playbook wants it to be.
        """
        if self.rules.mode is RehearseMode.OFF:
            return {"skipped": "rehearse: off"}
        asks = self.inquire is not None and run.name in self.asked
        if self.rules.mode is RehearseMode.AUTO and not _is_nginx(run):
            return {"skipped": "it is not nginx"}
        try:
            rehearsed = run.contact.agent.rehearse(own, run.release.id, answers=asks)
        except AgentError as error:
            if isinstance(error, _NOT_A_HOSTS_LACK) or self.rules.mode is RehearseMode.ON:
                raise
            return self._noted(run, (f"not rehearsed: {error}",))
        with rehearsed:
            if self.rules.mode is RehearseMode.ON and not (
                rehearsed.ran and (rehearsed.answering or not asks)
            ):
                text = "; ".join(rehearsed.notes) or "it was not rehearsed"
                raise AgentError(f"the playbook says rehearse: on, but {text}", host=run.name, code=67)
            story = self._noted(run, rehearsed.notes)
            if rehearsed.answering and self.inquire is not None:
                story = {**story, **self.inquire(run, rehearsed)}
        return {"transition": rehearsed.transition, **story}

    def _noted(self, run: HostRun, notes: tuple[str, ...]) -> Mapping[str, Any]:
        self.notes[run.name] = notes
        return {"notes": list(notes)} if notes else {}


def grouped(notes: Mapping[str, Iterable[str]]) -> list[str]:
    """A line for each note, with the hosts that have it."""
    hosts: dict[str, list[str]] = {}
    for name, said in notes.items():
        for note in said:
            hosts.setdefault(note, []).append(name)
    return [f"{_some(names)}: {note}" for note, names in hosts.items()]


def _some(names: list[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more" if more > 0 else "")


def _is_nginx(run: HostRun) -> bool:
    seen = run.contact.seen
    return seen is None or "nginx" in seen.facts.get("program", ("nginx",))
