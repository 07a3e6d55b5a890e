"""The rules in docs/lint.md: ``python -m deployer.lint.rules.page docs/lint.md`` writes them anew."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from deployer.lint.rules import RULES, Rule

BEGIN, END = "<!-- rules: written by deployer.lint.rules.page -->", "<!-- end of rules -->"


def updated(page: str) -> str:
    """The page with all rules as they are now between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{''.join(_rules())}{END}{after}"


def _rules() -> Iterator[str]:
    theme = ""
    for rule in RULES.values():
        if rule.theme != theme:
            theme = rule.theme
            yield f"\n## {theme}\n"
        yield _told(rule)
    yield "\n"


def _told(rule: Rule) -> str:
    limits = " Only of a whole configuration." if rule.whole else ""
    refused = " (nginx refuses it too)" if rule.refused else ""
    where = {"main": "", "http": " (in `http`)", "server": " (in a `server`)"}[rule.context]
    return (
        f"\n### {rule.id}\n**{rule.severity.value}**: {rule.title}{refused}. {rule.why}{limits}\n\n"
        f"{' '.join((rule.check.__doc__ or '').split())} *What to do:* {rule.fix}\n\n"
        f"```nginx\n# fires{where}\n{rule.bad.strip()}\n```\n```nginx\n# does not\n{rule.good.strip()}\n```\n"
    )


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(updated(target.read_text()))
