"""Links lead somewhere, also in the plain view of a repository; every command in them exists."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab.test_docs_run import PAGES, fits
from tests.pages import DOCS, ROOT, anchors, blocks, calls, inline_calls, links, name, pages
from tests.unit.cli.commands import commands

EVERY_PAGE = pytest.mark.parametrize("page", pages(), ids=name)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed counts, not what stands in the environment."""
    for variable in [each for each in os.environ if each.startswith("DEPLOYER_")]:
        monkeypatch.delenv(variable)


@EVERY_PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [f"{line}: {target}" for line, target in links(page) if broken(page, target)] == []


def broken(page: Path, target: str) -> bool:
    """Whether a relative link, or its anchor, is not there."""
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists() or not file.is_relative_to(ROOT):
        return True
    if file.is_dir():
        return bool(anchor)
    return bool(anchor) and anchor not in anchors(file)


@EVERY_PAGE
def test_every_command_can_be_typed(page: Path) -> None:
    wrong = [f"{line}: {why}" for line, words in calls(page) if (why := complaint(words))]
    if page.name != "CHANGELOG.md":
        # Running text may name a command without what follows it.
        named = ((line, words) for line, words in inline_calls(page) if " ".join(words) not in commands())
        wrong += [f"{line}: {why}" for line, words in named if (why := complaint(words))]
    assert wrong == []


def complaint(words: list[str]) -> str | None:
    """What the program would say of such a call, or ``None``. Nothing is run."""
    known = commands()
    length = next((n for n in (2, 1) if " ".join(words[:n]) in known), 0)
    if not length:
        a_group = len(words) == 1 and any(each.startswith(f"{words[0]} ") for each in known)
        return None if a_group or words in (["--help"], ["--install-completion"]) else f"no command: {words}"
    rest = words[length:]
    if {"--help", "-h"} & set(rest):
        return None
    try:
        known[" ".join(words[:length])].make_context(words[0], list(rest))
    except Exception as error:
        return f"{' '.join(words)}: {getattr(error, 'message', error)}"
    return None


def test_a_command_that_is_not_there_would_be_noticed() -> None:
    assert complaint(["deploy", "production", "--rev", "v1", "--yes"]) is None
    for wrong in ("deploi fleet", "deploy fleet --force", "plan a b", "plan", "show --rev x", "lab sideways"):
        assert complaint(wrong.split()), wrong


def test_every_page_can_be_found_from_the_navigation() -> None:
    told = set(_leaves(yaml.safe_load(navigation())))
    there = {str(page.relative_to(DOCS)) for page in pages() if page.is_relative_to(DOCS)}
    assert there - told == set(), "add them to nav in mkdocs.yml"
    assert told - there == set(), "these are not there any more"


def navigation() -> str:
    """The part of mkdocs.yml that is plain YAML."""
    text = (ROOT / "mkdocs.yml").read_text()
    return text[text.index("\nnav:") :].split("nav:", 1)[1].split("\n# end of nav", 1)[0]


def _leaves(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for below in node.values():
            yield from _leaves(below)
    elif isinstance(node, list):
        for below in node:
            yield from _leaves(below)


def test_the_front_page_leads_everywhere_in_two_steps() -> None:
    readme, index = ROOT / "README.md", DOCS / "README.md"
    first = {(readme.parent / target.partition("#")[0]).resolve() for _, target in links(readme)}
    assert index in first
    second = {(index.parent / target.partition("#")[0]).resolve() for _, target in links(index)}
    missing = [
        name(page)
        for page in pages()
        if page.is_relative_to(DOCS) and page not in first | second and page.parent.name != "decisions"
    ]
    assert missing == []


def test_every_command_is_found_from_the_readme_in_two_steps() -> None:
    """In the README itself, or on a page that it or the page of all pages links to."""
    near = [ROOT / "README.md", DOCS / "README.md"]
    near += [
        page
        for start in list(near)
        for _, target in links(start)
        if (page := (start.parent / target.partition("#")[0]).resolve()).suffix == ".md"
        and "reference" not in page.parts  # a list of all options explains none
    ]
    told = {word for page in dict.fromkeys(near) for word in named_in(page)}
    assert sorted(set(commands()) - told) == []


def named_in(page: Path) -> set[str]:
    """The commands that a page has somebody type."""
    typed = [*inline_calls(page), *calls(page)]
    known = commands()
    return {name for _, words in typed for n in (1, 2) if (name := " ".join(words[:n])) in known}


def test_every_page_that_the_program_names_is_there() -> None:
    for module in sorted((ROOT / "deployer").rglob("*.py")):
        for text in re.findall(r"docs/[\w/.-]+\.md(?:#[\w-]+)?", module.read_text()):
            assert not broken(ROOT / "README.md", text), f"{name(module)}: {text}"


def test_the_tests_that_a_promise_names_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (DOCS / "why.md").read_text())
    assert len(named) >= 20
    assert [f"{file}::{test}" for file, test in named if test not in functions(ROOT / file)] == []
    assert re.findall(r"^## (P\d+)", (DOCS / "why.md").read_text(), re.MULTILINE) == [
        f"P{number}" for number in range(1, 11)
    ]


def functions(file: Path) -> set[str]:
    """The functions and methods of a test module."""
    if not file.is_file():
        return set()
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}


def test_the_list_of_pages_that_are_run_is_whole() -> None:
    run = [
        page for page in pages() if page.parent.name in ("howto", "runbooks") or page.name == "tutorial.md"
    ]
    with_commands = {
        str(page.relative_to(DOCS)) for page in run if any(b.language == "console" for b in blocks(page))
    }
    assert set(PAGES) == with_commands


def test_output_that_is_not_as_shown_would_be_noticed() -> None:
    came = "taking the hosts\nDeployed: all 3 hosts serve 26b2c1e97245-108b1a891e90. (4.2 s)\nNext: nothing\n"
    for shown in (
        "Deployed: all 3 hosts serve aaaaaaaaaaaa-bbbbbbbbbbbb. (11 s)\nNext: nothing",
        "…\nNext: nothing",
        "Deployed: …\nNext: nothing",
        "",
    ):
        assert fits(shown, came), shown
    for shown in ("Deployed: all 4 hosts…", "Deployed:", "taking the hosts\nNext: nothing", "Refused"):
        assert not fits(shown, came), shown


def test_what_a_runbook_quotes_is_what_the_program_says() -> None:
    said = spoken()
    table = (DOCS / "runbooks/refused.md").read_text()
    quoted = [q for row in re.findall(r"^\| ([^|-]+?) \|", table, re.MULTILINE)[1:] for q in row.split(", ")]
    assert len(quoted) > 15
    assert [each for each in quoted if each.lower() not in said] == []


def spoken() -> str:
    """All text of the program and the agent; a sentence that is written in pieces is one."""
    house = ROOT / "deployer"
    text = "\n".join(f.read_text() for kind in ("*.py", "*.sh") for f in sorted(house.rglob(kind)))
    return re.sub(r"\s+", " ", re.sub(r'"\s*\n\s*f?"', "", text)).lower()
