"""Files and tables that say nothing any more."""

from __future__ import annotations

import pytest

from deployer.comparison.reading.emptied import emptied, without_rows
from deployer.comparison.reading.foresight import Foresight
from deployer.nginx.configuration import parse
from deployer.nginx.sites import Sites, read
from deployer.nginx.tables import Table, tables

from .configured import SHOP, sites

MAIN = b"events {}\nhttp { map $uri $moved { include moved.map; } server { listen 80; } }\n"


def with_file(content: bytes, main: bytes = MAIN) -> Sites:
    return read(
        parse({"/etc/nginx/nginx.conf": main, "/etc/nginx/moved.map": content}, "/etc/nginx/nginx.conf")
    )


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (b"/a /b;\n", b"", True),
        (b"/a /b;\n", b" \n\n", True),
        (b"/a /b;\n", b"# nothing moved\n", False),
        (b"/a /b;\n", b"/c /d;\n", False),
        (b"", b"", False),
    ],
)
def test_a_file_that_is_still_included_and_has_nothing_in_it(
    before: bytes, after: bytes, *, lost: bool
) -> None:
    found = list(emptied(Foresight(with_file(before), with_file(after)), [SHOP]))
    told = [reason for _, reason in found]
    assert told == (
        ["/etc/nginx/moved.map is empty now, and still included: what it said is lost"] if lost else []
    )


def test_a_file_that_is_not_included_any_more_may_be_empty() -> None:
    without = MAIN.replace(b"include moved.map;", b"")
    assert not list(emptied(Foresight(with_file(b"/a /b;\n"), with_file(b"", without)), [SHOP]))


def table(rows: str) -> Table:
    return tables(sites(f"map $uri $to {{ {rows} }} server {{ listen 80; }}").config)["to"]


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ("default 0; /a 1; /b 1;", "default 0;", True),
        ("/a 1; /b 1;", "default 2;", True),
        ("default 0; /a 1;", "default 0;", False),  # the last row taken out
        ("default 0; /a 1; /b 1;", "default 0; /c 1;", False),
        ("default 0;", "default 1;", False),
    ],
)
def test_a_table_with_no_row_left(before: str, after: str, *, lost: bool) -> None:
    said = without_rows(table(before), table(after))
    assert (said is not None) is lost, said
