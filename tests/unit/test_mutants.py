"""Slips by chance: that they are slips, that they are small, that the same seed makes the same ones."""

from __future__ import annotations

import itertools
import random

import pytest

from deployer.nginx.configuration import parse
from tests.benchmarks.catch_rate.bases import BASES
from tests.benchmarks.catch_rate.mutants import OPERATORS, Ground, Mutant, Operator, mutants, read
from tests.benchmarks.catch_rate.mutation import as_case, files_of

TEXT = """\
# a comment with a { brace; and 'a quote
map $uri $to { default ""; "/a b" /c; }
server {
    listen 80; server_name "a{b}.example" "~^x\\d{2}$";
    location ~ "^/v[12]/{2}" { return 301 https://${host}/n;
    }
}
"""


def test_a_file_is_read_to_its_end() -> None:
    table, server = read(TEXT)
    assert [word.text for word in table.words] == ["map", "$uri", "$to"]
    assert [child.name for child in table.children] == ["default", '"/a b"']
    assert [child.name for child in server.children] == ["listen", "server_name", "location"]
    (answer,) = server.children[2].children
    assert [word.text for word in answer.words] == ["return", "301", "https://${host}/n"]
    assert TEXT[answer.start : answer.end] == "return 301 https://${host}/n;"


@pytest.mark.parametrize("text", ["server {", "listen 80", "listen 80; }", "a 'b;"])
def test_what_is_no_configuration_is_not_changed(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        read(text)


@pytest.mark.parametrize("base", BASES)
def test_the_bases_are_read_as_the_program_reads_them(base: str) -> None:
    for name, text in files_of(BASES[base]).items():
        config = parse({name: text.encode()}, name)
        ours = [place.directive.name for place in Ground({name: text}).places]
        assert [d.name for d, _ in config.walk()] == [n.strip("'\"") for n in ours], name


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda one: one.__name__)
def test_every_operator_makes_something_of_a_base(operator: Operator) -> None:
    ground = Ground(files_of(BASES["quay"]))
    made = [operator(ground, random.Random(seed)) for seed in range(40)]  # noqa: S311 - no secret
    found = [mutant for mutant in made if mutant is not None]
    assert found
    assert all(mutant.text != ground.files[mutant.file] for mutant in found)
    assert len({mutant.operator for mutant in found}) == 1


def test_the_same_seed_makes_the_same_ones_and_none_twice() -> None:
    files = files_of(BASES["orchard"])

    def some(seed: int) -> list[Mutant]:
        return list(itertools.islice(mutants(files, seed), 120))

    assert some(1) == some(1)
    assert some(1) != some(2)
    assert len({(mutant.file, mutant.text) for mutant in some(1)}) == 120
    assert len({mutant.operator for mutant in some(1)}) >= 12


def test_a_mutant_is_a_change_with_a_story() -> None:
    mutant = next(mutants(files_of(BASES["quay"]), 1))
    case = as_case(7, mutant)
    assert case.name.startswith("007-")
    assert case.edits == {mutant.file: mutant.text}
    assert case.story.startswith(f"{mutant.file}:")
