"""What is written from the program is written from the program as it is."""

from __future__ import annotations

import re

import pytest

from deployer.cli.reference import PAGES, written
from deployer.host import program
from tests.pages import DOCS


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_up_to_date(name: str) -> None:
    anew = "python -m deployer.cli.reference docs/reference"
    assert (DOCS / "reference" / name).read_text() == written(name), f"write it anew: {anew}"


def test_there_is_no_other_page() -> None:
    assert {page.name for page in (DOCS / "reference").iterdir()} == set(PAGES)


def test_the_page_of_the_agent_tells_every_verb() -> None:
    verbs = set(re.findall(r"^do_(\w+)\(\)", program.source().decode(), re.MULTILINE))
    told = set(re.findall(r"^\| `(\w+)` \| .* \|$", (DOCS / "agent.md").read_text(), re.MULTILINE))
    assert verbs - told == set()
    assert verbs == set(
        re.findall(r"^\| `(\w+)` \|", (DOCS / "reference/agent.md").read_text(), re.MULTILINE)
    )
