"""The examples for CI systems: accepted by each system's own schema, and only commands that are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.commands import commands, options

DOCS = Path(__file__).parents[2] / "docs/ci"
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}


def texts(node: Any) -> list[str]:
    """Every text of a document."""
    if isinstance(node, dict):
        return [text for value in node.values() for text in texts(value)]
    if isinstance(node, list):
        return [text for value in node for text in texts(value)]
    return [node] if isinstance(node, str) else []


def typed(name: str) -> list[list[str]]:
    """What is typed of ``deployer`` in an example."""
    found = []
    for text in texts(yaml.safe_load((DOCS / name).read_text())):
        for line in text.splitlines():
            words = shlex.split(line)
            if words[:1] == ["deployer"]:
                found.append(words[1:])
    return found


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_systems_schema_accepts_it(name: str) -> None:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name], str(DOCS / name)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_what_it_types_and_sets_is_there(name: str) -> None:
    known = commands()
    variables = {option.envvar for command in known.values() for option in options(command)}
    assert set(re.findall(r"\bDEPLOYER_\w+", (DOCS / name).read_text())) <= variables
    lines = typed(name)
    assert {words[0] for words in lines} == {"check", "deploy"}
    for words in lines:
        flags = {flag for option in options(known[words[0]]) for flag in option.opts}
        assert {word for word in words if word.startswith("-")} <= flags, words


def test_no_example_of_ours_is_forgotten() -> None:
    assert {path.name for path in DOCS.iterdir()} == set(SCHEMAS)
