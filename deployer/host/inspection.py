"""The agent as whoever watches asks it: for the observation and what stands behind it, in one call."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from deployer.host.agent import Agent
from deployer.host.observation import observation
from deployer.host.reply import VerbAnswer
from deployer.host.request import Header
from deployer.model import Observation
from deployer.model.inspected import Counts, Inspection, Questions, Written

LOOK_S = 75.0  #: until the answer is complete; the host itself gives its validator 20 s


class Inspector(Agent):
    """An agent that is asked again and again by who watches."""

    def look(self, questions: Questions) -> tuple[Observation, Inspection | None]:
        """Ask for the facts and for what stands behind them, in one call. Changes nothing.

        :returns: no inspection when the host's agent is an older one that only root may replace.
        """
        header = [*self._common(), ("survey", "no"), *_asked(questions)]
        answer = self._call(["observe", "inspect"], header, timeout_s=LOOK_S, changes=False, needed=1)
        seen = observation(answer, answer.verbs[0], host=self.host, installed=self.installed)
        last = answer.verbs[-1]
        told = inspection(last, self.target.directory, questions) if last.code == 0 else None
        return seen, told


def _asked(questions: Questions) -> Header:
    header = [("logs", "yes"), *(("offset", f"{i}:{o}") for i, o in questions.offsets.items())]
    if questions.window:
        header.append(("window", str(questions.window)))
    if questions.validity:
        header.append(("validity", "yes"))
    if questions.certificates:
        header += [("certificates", "yes"), *(("known", key) for key in sorted(questions.known))]
    return header


def inspection(said: VerbAnswer, directory: str, questions: Questions) -> Inspection:
    """Read the answer; what makes no sense in it is left out."""
    paths: dict[str, list[str]] = {}
    for line in said.all("certificate"):
        key, _, path = line.partition(" ")
        paths.setdefault(key, []).append(path)
    valid = {"yes": True, "no": False}.get(said.one("valid"))
    return Inspection(
        valid=valid,
        invalid=said.all("invalid"),
        valid_s=said.number("valid_cs") / 100,
        wrote=tuple(w for line in said.all("wrote") if (w := _written(line, directory))),
        present=said.all("present"),
        offsets=_offsets(said.all("log")),
        counts=_counts(said),
        certificates={k: tuple(p) for k, p in paths.items()} if questions.certificates else None,
        pems={key: der for line in said.all("pem") for key, der in _der(line)},
    )


def _written(line: str, directory: str) -> Written | None:
    time, _, rest = line.partition(" ")
    owner, _, path = rest.partition(" ")
    if not time.isdigit() or not path:
        return None
    return Written(path.removeprefix(f"{directory}/"), owner, float(time))


def _offsets(lines: tuple[str, ...]) -> Mapping[int, int] | None:
    pairs = [line.split(":") for line in lines]
    found = {int(p[0]): int(p[1]) for p in pairs if len(p) == 2 and p[0].isdigit() and p[1].isdigit()}
    return found or None


def _counts(said: VerbAnswer) -> Counts:
    answers: dict[str, int] = {}
    levels: dict[str, int] = {}
    other = 0
    for line in said.all("count"):
        match line.split():
            case [number, "status", status] if number.isdigit():
                answers[status] = int(number)
            case [number, "level", level] if number.isdigit():
                levels[level] = int(number)
            case [number, "other"] if number.isdigit():
                other = int(number)
    return Counts(answers, levels, other, int(said.number("log_skipped")))


def _der(line: str) -> list[tuple[str, bytes]]:
    key, _, text = line.partition(" ")
    try:
        return [(key, base64.b64decode(text, validate=True))] if text else []
    except binascii.Error:
        return []
