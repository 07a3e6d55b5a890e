"""A drill in words: the list, the story, what is missing, the score sheet; and the page for trainers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from deployer.drill.model import CAUSES, Scenario
from deployer.drill.scenarios import SCENARIOS, scenario
from deployer.drill.score import HINT, POINTS, STORY_CAUSE_S, STORY_END_S, WRONG, Score

WIDTH = 100


def catalogue() -> str:
    """All scenarios, a line each."""
    width = max(len(each.name) for each in SCENARIOS)
    return "\n".join(f"{each.name:<{width}}  {each.title}" for each in SCENARIOS)


def causes() -> str:
    """What ``drill found`` can be told."""
    width = max(map(len, CAUSES))
    return "\n".join(f"{name:<{width}}  {told}" for name, told in CAUSES.items())


def briefing(told: Scenario) -> str:
    """What the trainee reads first."""
    return "\n".join(
        [
            f"=== {told.title}",
            *textwrap.wrap(told.story, WIDTH),
            "",
            "The inventory is called lab. When you know what it is:  deployer drill found",
            f"A hint ({HINT} points):  deployer drill hint       Is it repaired?  deployer drill check",
            "The end, with the score:  deployer drill end",
        ]
    )


def score_sheet(score: Score) -> str:
    """How it went, beside 12 June."""
    told = scenario(score.scenario)
    worth = score.points_for
    rows = [
        ("", "here", "12 June", "points"),
        ("first command", clock(score.first_look_s), "", ""),
        ("cause named", clock(score.cause_s), clock(STORY_CAUSE_S), f"{worth['cause']} of {POINTS['cause']}"),
        ("recovered, proved", clock(score.recovered_s), clock(STORY_END_S),
         f"{worth['recovery']} of {POINTS['recovery']}"),
        ("requests failed", f"{score.users.failed} of {score.users.total}", "all of them",
         f"{worth['users']} of {POINTS['users']}"),
        ("seconds with failures", str(score.users.bad_seconds), str(round(STORY_END_S)), ""),
        ("failed in the worst second", str(score.users.worst_second), "all of them", ""),
        ("slowest answer", f"{score.users.slowest_ms:.0f} ms", "", ""),
        ("hints taken", str(score.hints), "", str(worth["hints"])),
        ("wrong causes", str(score.wrong_causes), "", str(worth["wrong causes"])),
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(
            f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    verdict = "WON" if score.won else "NOT REPAIRED"
    lines += ["", f"{verdict}: {score.points} of {sum(POINTS.values())} points in {told.name}"]
    if not score.won:
        lines += [f"  missing: {what}" for what in score.missing]
    if score.unwatched_s:
        lines.append(
            f"Nobody counted users for {score.unwatched_s:.0f} s of it: this machine was overloaded."
        )
    if score.cause_s is None:
        lines.append(f"The cause was not named (deployer drill found); it was: {CAUSES[told.cause]}.")
    elif score.cause_s > 0:
        lines.append(_times(score.cause_s))
    return "\n".join(
        [*lines, "", *textwrap.wrap(f"Remember: {told.lesson}", WIDTH), f"Read: docs/{told.docs}"]
    )


def _times(cause_s: float) -> str:
    times = STORY_CAUSE_S / max(1.0, cause_s)
    if times < 1:
        return "Slower than on 12 June."
    return f"The cause was named {times:.0f} times faster than on 12 June."


def clock(seconds: float | None) -> str:
    """Minutes and seconds; ``not`` when it did not come to that."""
    if seconds is None:
        return "not"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def page() -> str:
    """``docs/training/scenarios.md``, made of the scenarios."""
    parts = [_HEAD, *(_told(each) for each in SCENARIOS), _causes(SCENARIOS)]
    return "\n".join(parts)


_HEAD = f"""\
# The scenarios

For the trainer: with every answer. Made from `deployer/drill/scenarios/` by
`python -m deployer.drill.telling`; do not edit it here. Each is won with the answer below, typed as it stands
here, on real hosts, and neither by doing nothing nor by the tempting mistake (`python -m tests.drills`). A
hint costs {HINT} points, a wrong cause {WRONG}. GOOD and RELEASE stand for a commit and a release that the
trainee reads from `history` or `rollback --list`.
"""


def _told(each: Scenario) -> str:
    return "\n".join(
        [
            f"## {each.name}",
            f"**{each.title}.** About {each.minutes} minutes with the debriefing.",
            "",
            f"*Told:* {each.story}",
            "",
            f"*Cause:* `{each.cause}`: {CAUSES[each.cause]}.",
            "",
            f"*Repaired when:* {each.repaired_told}; `status` ends with 0; users get `{each.page}`.",
            "",
            "*Hints:*",
            *(f"{number}. {text}" for number, text in enumerate(each.hints, 1)),
            "",
            "*Model answer:*",
            "```",
            *_aligned([(_plain(step.command), step.why, step.codes) for step in each.answer]),
            "```",
            f"*Tempting, and no repair:* `{_plain(each.tempting.command)}` ({each.tempting.why}).",
            "",
            f"*Notes:* {each.notes}",
            "",
            f"*To take home:* {each.lesson} [Read on](../{each.docs})",
            "",
        ]
    )


def _aligned(rows: Iterable[tuple[str, str, tuple[int, ...]]]) -> list[str]:
    told = [
        (command, f"# {why}" + ("" if 0 in codes else f" (exit {codes[0]})")) for command, why, codes in rows
    ]
    width = max(len(command) for command, _ in told)
    return [f"{command:<{width}}  {why}" for command, why in told]


def _plain(command: str) -> str:
    """A command with its labels in capitals."""
    labels = {"good": "GOOD", "next_release": "RELEASE"}
    return command.format_map(labels)


def _causes(every: Iterable[Scenario]) -> str:
    right = {each.cause for each in every}
    rows = [
        f"| `{name}` | {told} | {'' if name in right else 'never right'} |" for name, told in CAUSES.items()
    ]
    return "\n".join(["## What can be named as the cause", "| cause | | |", "|---|---|---|", *rows, ""])


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
