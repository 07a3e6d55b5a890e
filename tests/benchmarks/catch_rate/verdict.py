"""Which net caught a change, and the report. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Net(StrEnum):
    """What stopped a change, in the order in which they hang; the last one stopped nothing."""

    LINT = "lint"
    VALIDATION = "validation"
    REHEARSAL = "rehearsal"
    COMPARISON = "comparison"
    CANARY = "canary"  #: after activation: users may have met it
    NONE = "missed"


BEFORE_LIVE = (Net.LINT, Net.VALIDATION, Net.REHEARSAL, Net.COMPARISON)

#: The step of the journal that failed first → net.
_STEPS = {
    "lint": Net.LINT,
    "check": Net.LINT,
    "validate": Net.VALIDATION,
    "rehearse": Net.REHEARSAL,
    "compare": Net.COMPARISON,
    "activate": Net.CANARY,
    "verify": Net.CANARY,
    "confirm": Net.CANARY,
}
_LINE_NUMBER = re.compile(r":\d+:")
#: For steps that hold several nets, and refusals without a journal: what the reason talks of.
_WORDS = (
    (Net.COMPARISON, r"answers? worse|compared"),
    (Net.REHEARSAL, r"rehears|transition|already (in use|taken|listens)|port clash"),
    (Net.LINT, r"\blint\b|deployer check"),
    (Net.VALIDATION, r"nginx -t|validat"),
)


@dataclass(frozen=True)
class Verdict:
    """What became of one change."""

    name: str
    family: str
    kind: str  #: "bad" or "good"
    net: Net
    exit_code: int
    outcome: str
    reason: str
    seconds: float
    asked: int  #: by users, while it was deployed
    failed: int
    met: Mapping[str, str] = field(default_factory=dict)  #: what they met, by ask
    told: tuple[str, ...] = ()  #: warnings of a deployment that went through
    base: str = ""


def net_of(
    document: Mapping[str, Any], exit_code: int, events: Sequence[Mapping[str, Any]], said: str
) -> Net:
    """Which net it was, by exit code, journal and reason."""
    if exit_code == 0:
        return Net.NONE
    reason = f"{document.get('reason') or ''} {_reasons(document)}" if document else said
    first = next((e for e in events if e.get("host") and e.get("state") == "failed"), {})
    failed, hint = str(first.get("step", "")), (first.get("detail") or {}).get("net")
    if document.get("outcome") in ("rolled_back", "stuck"):
        return Net.CANARY
    if hint in list(Net):
        return Net(hint)  # answers are compared while the candidate runs in rehearsal
    if failed in _STEPS:
        return _STEPS[failed]
    return next((net for net, words in _WORDS if re.search(words, reason, re.IGNORECASE)), Net.VALIDATION)


def _reasons(document: Mapping[str, Any]) -> str:
    hosts = document.get("hosts") or {}
    return " ".join(str(host.get("reason") or "") for host in hosts.values())


def warnings(said: str, known: str = "") -> tuple[str, ...]:
    """The lines of stderr that a careful operator would stop at; that a page has another length is none.

    :param known: what the same command said of the base: whoever sees it every day does not stop at it.
    """
    every_day = {_LINE_NUMBER.sub(":", line.strip()) for line in known.splitlines()}
    found = (line.strip() for line in said.splitlines())
    telling = re.compile(r"\b(warning|worse)\b|\schanged$", re.IGNORECASE)
    return tuple(
        line
        for line in found
        if telling.search(line)
        and "another content" not in line
        and _LINE_NUMBER.sub(":", line) not in every_day
    )


def report(verdicts: Iterable[Verdict]) -> str:
    """Markdown: what caught how many, family by family, and what slipped."""
    bad = [v for v in verdicts if v.kind == "bad"]
    good = [v for v in verdicts if v.kind == "good"]
    parts = [_summary(bad, good)]
    if bad:
        parts += [
            _families(bad),
            _listed("Met by users, or missed", [v for v in bad if v.net not in BEFORE_LIVE]),
        ]
    parts.append(_listed("Good changes that were refused", [v for v in good if v.net is not Net.NONE]))
    troubled = [v for v in verdicts if v.failed and (v.kind == "good" or v.net in BEFORE_LIVE)]
    parts.append(_listed("Users troubled although nothing bad went live", troubled))
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(bad: Sequence[Verdict], good: Sequence[Verdict]) -> str:
    before = sum(v.net in BEFORE_LIVE for v in bad)
    canary, missed = (sum(v.net is net for v in bad) for net in (Net.CANARY, Net.NONE))
    silent = sum(v.net is Net.NONE and not v.told for v in bad)
    refused = sum(v.net is not Net.NONE for v in good)
    rows = [
        ("bad configurations", str(len(bad))),
        ("refused before live", f"{before} ({_share(before, len(bad))})"),
        ("caught by the canary", f"{canary} ({_share(canary, len(bad))})"),
        ("missed", f"{missed} ({_share(missed, len(bad))}), {silent} of them without a word"),
        ("requests of users that failed", f"{sum(v.failed for v in bad)} of {sum(v.asked for v in bad)}"),
        ("good changes", str(len(good))),
        ("good changes refused", str(refused)),
        ("requests that failed while they were deployed", f"{sum(v.failed for v in good)}"),
    ]
    return "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)])


def _families(bad: Sequence[Verdict]) -> str:
    lines = [
        "| family | all | " + " | ".join(Net) + " | requests failed |",
        "|---|" + "---:|" * (len(Net) + 2),
    ]
    for family in dict.fromkeys(v.family for v in bad):
        of = [v for v in bad if v.family == family]
        nets = Counter(v.net for v in of)
        cells = [str(nets[net] or "") for net in Net]
        lines.append(f"| {family} | {len(of)} | {' | '.join(cells)} | {sum(v.failed for v in of)} |")
    nets = Counter(v.net for v in bad)
    cells = [f"**{nets[net]}**" for net in Net]
    lines.append(f"| **all** | **{len(bad)}** | {' | '.join(cells)} | **{sum(v.failed for v in bad)}** |")
    return "\n".join(lines)


def _listed(title: str, verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return ""
    lines = [f"{title}:", ""]
    for v in verdicts:
        met = f"; {v.failed} of {v.asked} requests failed" if v.failed else ""
        why = f": {_short(v.reason)}" if v.reason else ""
        lines.append(f"- {v.family}: `{v.name}` ({v.net}{met}){why}")
    return "\n".join(lines)


def _short(text: str, most: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
