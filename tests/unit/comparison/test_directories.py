"""Directories that files are looked for in from now on, and that the host does not have."""

from __future__ import annotations

import pytest

from deployer.comparison.reading.directories import gone, moved

from .configured import SHOP, foresight

SITE = """server { listen 80; server_name shop.example.com; root %(root)s;
  location / { try_files $uri =404; }
  location /raw/ { root %(raw)s; }
  location /list/ { alias %(list)s; }
  location ~ \\.pdf$ { root /srv/papers; }
  location /app/ { root /srv/%(app)s; proxy_pass http://10.0.0.1; }
  location /new/ { return 404; root /srv/%(app)s; }
}"""
SAME = {"root": "/srv/shop", "raw": "/mnt", "list": "/srv/lists/", "app": "app"}


def looked_for(**changed: str) -> set[tuple[str, str, str]]:
    found = moved(foresight(SITE % SAME, SITE % (SAME | changed)), [SHOP])
    return {(one.place, one.old, one.new) for one in found}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"raw": "/mnt/raw"}, {("location /raw/", "/mnt/raw", "/mnt/raw/raw")}),
        ({"list": "/srv/list/"}, {("location /list/", "/srv/lists", "/srv/list")}),
        ({"list": "/srv/lists"}, set()),
        ({"list": "/srv/$host/"}, set()),
        ({"app": "ap"}, set()),  # nobody looks for files there
        (
            {"root": "/srv/sop"},
            {("shop.example.com", "/srv/shop", "/srv/sop"), ("location /", "/srv/shop", "/srv/sop")},
        ),
    ],
)
def test_places_are_told_with_both_directories(
    changed: dict[str, str], expected: set[tuple[str, str, str]]
) -> None:
    assert looked_for(**changed) == expected


@pytest.mark.parametrize(
    ("old", "new", "bad"),
    [
        ("directory", "nothing", True),
        ("file", "nothing", True),
        ("directory", "directory", False),
        ("nothing", "nothing", False),  # it was no better before
        ("", "nothing", False),  # nobody knows
        ("directory", "", False),
    ],
)
def test_only_what_was_there_can_be_lost(old: str, new: str, *, bad: bool) -> None:
    places = list(moved(foresight(SITE % SAME, SITE % (SAME | {"raw": "/mnt/r"})), [SHOP]))
    said = {"/mnt/raw": old, "/mnt/r/raw": new}
    found = gone(places, lambda paths: {p: said[p] for p in paths if said[p]})
    reason = "files of location /raw/ are looked for in /mnt/r/raw, which is not there"
    assert found == ([(SHOP, reason)] if bad else [])


def test_nothing_moved_nothing_is_asked() -> None:
    assert gone([], lambda _: pytest.fail("asked")) == []
