"""The scenarios as declared: whole, told, and the page for trainers made of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from deployer.drill.model import CAUSES, Scenario, Step
from deployer.drill.scenarios import SCENARIOS, scenario
from deployer.drill.telling import page
from deployer.errors import UsageError
from tests.unit.cli.commands import commands, options

DOCS = Path(__file__).parents[3] / "docs"
ASKED_FOR = 10


def test_there_are_enough_and_the_night_of_12_june_comes_first() -> None:
    assert len({each.name for each in SCENARIOS}) == len(SCENARIOS) >= ASKED_FOR
    assert SCENARIOS[0].name == "june"
    with pytest.raises(UsageError, match="drill list"):
        scenario("july")


@pytest.mark.parametrize("each", SCENARIOS, ids=lambda each: each.name)
def test_a_scenario_is_whole(each: Scenario) -> None:
    assert each.cause in CAUSES
    assert len(each.hints) >= 2
    typed = [step.command for step in each.answer]
    assert f"deployer drill found {each.cause}" in typed
    assert typed[-1] == "deployer status lab", "the answer ends with a look"
    assert each.repaired.releases or each.repaired.own


@pytest.mark.parametrize("each", SCENARIOS, ids=lambda each: each.name)
def test_an_answer_has_only_commands_that_are_there(each: Scenario) -> None:
    steps = (*each.answer, each.tempting)
    told = [
        *(step.command for step in steps),
        *re.findall(r"deployer [a-z ]+--[a-z-]+", " ".join(each.hints)),
    ]
    for words in map(shlex.split, told):
        if words[0] == "deployer":
            name = next(n for n in (" ".join(words[1:3]), words[1]) if n in commands())
            flags = {flag for option in options(commands()[name]) for flag in option.opts}
            assert {word for word in words if word.startswith("--")} <= flags, words


@pytest.mark.parametrize("each", SCENARIOS, ids=lambda each: each.name)
def test_what_is_to_be_read_is_there(each: Scenario) -> None:
    file, _, anchor = each.docs.partition("#")
    text = (DOCS / file).read_text()
    headings = [
        re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-")
        for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    ]
    assert not anchor or anchor in headings


def test_the_page_is_what_the_scenarios_say() -> None:
    written = (DOCS / "training/scenarios.md").read_text()
    assert written == page(), "python -m deployer.drill.telling > docs/training/scenarios.md"


def test_the_page_has_every_command_of_an_answer() -> None:
    text = page()
    for step in (step for each in SCENARIOS for step in each.answer if isinstance(step, Step)):
        assert step.command.partition("{")[0].strip() in text
