"""The site is built without a warning, loads nothing from anywhere, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.pages import ROOT

WITHIN_S = 120.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as script/docs builds it."""
    made = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(made)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "true"},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    return made


@pytest.mark.slow
def test_links_and_anchors_of_the_site_are_there(site: Path) -> None:
    html = {page: page.read_text() for page in site.rglob("*.html") if page.name != "404.html"}
    ids = {page: set(re.findall(r'\bid="?([^"\s>]+)', text)) for page, text in html.items()}
    broken = []
    for page, text in html.items():
        for target in re.findall(r'<a [^>]*?href="?([^"\s>]+)', text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = unquote(target).partition("#")
            file = (page.parent / path).resolve() if path else page
            if file.is_dir():
                file /= "index.html"
            if not file.exists() or (anchor and file in ids and anchor not in ids[file]):
                broken.append(f"{page.relative_to(site)}: {target}")
    assert broken == []


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert (
            re.findall(r'<(?:script|img|link rel="?stylesheet)[^>]+(?:src|href)="?https?:', page.read_text())
            == []
        )
