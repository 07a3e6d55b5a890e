"""A newcomer finds the way: small modules, told names, nothing heavy at the door."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import deployer

HOUSE = Path(deployer.__file__).parent
MODULES = sorted(HOUSE.rglob("*.py"))
AGENT_PARTS = sorted((HOUSE / "host/sh").glob("*.sh"))
TESTS = Path(__file__).parents[1]
CATALOGUE = TESTS / "benchmarks/catch_rate/cases"
MAX_LINES = 400
MAX_CATALOGUE_LINES = 500
"""Of a list of cases, each with the configuration it changes: it is looked up, not held in the head."""
HEAVY = {
    "crossplane",
    "fabric",
    "git",
    "invoke",
    "jinja2",
    "paramiko",
    "pydantic",
    "rich",
    "sqlalchemy",
    "tenacity",
    "yaml",
}
"""Each costs tens of milliseconds; ``--help`` and shell completion need none of them."""

SLOW = {"jinja2", "rich", "sqlalchemy", "tenacity"}
"""What no deployment that goes well has a use for."""

Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def name_of(module: Path) -> str:
    return str(module.relative_to(HOUSE.parent))


def line_count(module: Path) -> int:
    return len(module.read_text().splitlines())


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after the statement."""
    program = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    return set(done.stdout.split())


def public(tree: ast.Module) -> Iterator[Named]:
    """Functions and classes of a module that others may call. Methods are told by their class."""
    for node in tree.body:
        if isinstance(node, Named) and not node.name.startswith("_"):
            yield node


def test_a_module_can_be_held_in_the_head() -> None:
    parts = (*MODULES, *AGENT_PARTS)
    long = {name_of(part): lines for part in parts if (lines := line_count(part)) > MAX_LINES}
    assert long == {}


def test_so_can_a_file_of_tests() -> None:
    long = {
        str(file.relative_to(TESTS)): lines
        for file in sorted(TESTS.rglob("*.py"))
        if (lines := line_count(file)) > (MAX_CATALOGUE_LINES if file.parent == CATALOGUE else MAX_LINES)
    }
    assert long == {}


def test_what_is_public_is_told() -> None:
    untold = [
        f"{name_of(module)}: {node.name}"
        for module in MODULES
        for node in public(ast.parse(module.read_text()))
        if not ast.get_docstring(node)
    ]
    assert untold == []


@pytest.mark.parametrize("statement", ["import deployer", "import deployer.cli.main"])
def test_nothing_heavy_is_loaded_at_the_door(statement: str) -> None:
    assert loaded_by(statement) & HEAVY == set()


@pytest.mark.parametrize("use_case", ["deploy", "rollback", "recover", "status", "adopt", "watch.service"])
def test_what_a_command_works_with_is_lean(use_case: str) -> None:
    loaded = loaded_by(
        "import deployer.host.link, deployer.journal, deployer.journal.sqlite, deployer.cli.main\n"
        f"import deployer.config.inventory, deployer.config.playbook, deployer.{use_case}"
    )
    assert "paramiko" in loaded
    assert loaded & (SLOW | {"git"}) == set()


def test_a_rollback_loads_nothing_of_git_or_of_lint() -> None:
    program = "import deployer.rollback, sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    rooms = ("deployer.comparison", "deployer.lint", "deployer.nginx", "deployer.source.git")
    assert [name for name in done.stdout.split() if name.startswith(rooms)] == []


def test_heavy_modules_would_be_noticed() -> None:
    assert "yaml" in loaded_by("import yaml")
