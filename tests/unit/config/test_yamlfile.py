"""YAML that is broken, hostile or merely odd."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config import yamlfile
from deployer.config.yamlfile import dotted, parse_yaml, read_yaml
from deployer.errors import ConfigError


def fails(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yml")
    return caught.value


def test_every_key_and_item_has_its_line() -> None:
    document = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n    d:\n      e: 3\n", "f.yml")
    assert document.value == {"a": 1, "b": ["x", {"c": 2, "d": {"e": 3}}]}
    lines = {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4, ("b", 1, "d", "e"): 6}
    assert {loc: document.line(loc) for loc in lines} == lines
    assert document.line(("b", 1, "nothing", "here")) == 4
    assert dotted(("b", 1, "d", "e")) == "b[1].d.e"
    assert str(document.error(("b", 0), "is bad")) == "f.yml:3: b[0]: is bad"


def test_a_key_twice() -> None:
    error = fails("a:\n  x: 1\n  y: 2\n  x: 3\n")
    assert (error.line, error.key) == (4, "a")
    assert "'x' is there twice, first in line 2" in error.problem


def test_merge_keys_are_no_duplicates() -> None:
    text = "base: &b {x: 1, y: 1}\nmore: &m {y: 2, z: 2}\nout:\n  <<: [*b, *m]\n  x: 9\n"
    assert parse_yaml(text, "f").value["out"] == {"x": 9, "y": 1, "z": 2}


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: [1\nb: 2\n", 2, "not valid YAML"),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        ("a:\n\tb: 1\n", 2, "cannot start any token"),
        ("a: 1\n---\nb: 2\n", 2, "document"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "is not understood"),
        ("a: !include x.yml\n", 1, "'!include' is not understood"),
        ("a: !!int x\n", 1, "not a valid int"),
        ("a: 2024-13-45\n", 1, "quote it"),
        ("? [1, 2]\n: x\n", 1, "plain text"),
        ("a: *nowhere\n", 1, "undefined alias"),
        ("a: &a [*a]\n", 1, "contains itself"),
        ("a: &a {b: *a}\n", 1, "contains itself"),
        ("a: &a {<<: *a}\n", 1, "merged with <<"),
        ("a: {<<: 5}\n", 1, "merged with <<"),
        ("[" * 100 + "]" * 100, 1, "levels deep"),
        ("a:\n" + "".join(" " * n + "b:\n" for n in range(1, 100)), 61, "levels deep"),
    ],
)
def test_what_is_refused(text: str, line: int, problem: str) -> None:
    error = fails(text)
    assert error.line == line
    assert problem in error.problem
    assert "\n" not in str(error)


def test_brackets_that_would_end_the_interpreter() -> None:
    assert "levels deep" in fails("[" * 200_000).problem


def test_alias_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlfile, "MAX_VALUES", 10_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "aliases are expanded" in fails("\n".join(lines)).problem


def test_merge_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlfile, "MAX_VALUES", 10_000)
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    assert "aliases are expanded" in fails("\n".join(lines)).problem


def test_size(tmp_path: Path) -> None:
    path = tmp_path / "big.yml"
    path.write_text("a: " + "x" * 2000)
    with pytest.raises(ConfigError, match="larger than 1 kB"):
        read_yaml(path, limit=1000)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "windows.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(path).value == {"a": 1, "b": 2}
