"""The HTML report in a real browser: narrow and wide, light and dark, on paper, and fed with hostile text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from deployer.model import DeploymentRecord, Event, Result
from deployer.report.timeline import timeline
from tests.unit.report.conftest import NOON
from tests.unit.report_told import BOTH, EVIL, diff, hostile, impact, reading

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
]

#: What the page tells about itself, put into a copy of it; the page itself has no script, and allows none.
PROBE = """<script>
addEventListener("load", () => {
  const channels = (color) => color.match(/[0-9.]+/g).map(Number);
  const light = (color) => channels(color).slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (element) => {
    const pair = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  };
  const shown = (element) => element.getClientRects().length > 0;
  const sizes = (selector) => [...document.querySelectorAll(selector)].filter(shown)
    .map((each) => each.getBoundingClientRect());
  const texts = [...document.querySelectorAll("body *")].filter((each) => shown(each) && !each.closest("svg")
    && [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  parent.postMessage(JSON.stringify({
    width: document.documentElement.scrollWidth,
    room: innerWidth,
    background: getComputedStyle(document.body).backgroundColor,
    worst: Math.min(...texts.map(contrast)),
    charts: sizes("svg").map((box) => box.width),
    letters: Math.min(...sizes("svg text").map((box) => box.height)),
    scripts: document.scripts.length,
    images: document.images.length,
    title: document.title,
    text: document.body.innerText,
  }), "*");
});
</script></head>"""

Look = Callable[..., dict[str, Any]]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Show a page in a frame of that width, and hear what it tells of itself."""

    def look(page: str, *, width: int, dark: bool = False) -> dict[str, Any]:
        copy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page, count=1)
        assert copy != page
        (tmp_path / "page.html").write_text(copy.replace("</head>", PROBE, 1))
        (tmp_path / "frame.html").write_text(
            "<!DOCTYPE html><script>addEventListener('message', (said) => "
            "{ document.querySelector('output').textContent = said.data; });</script><output></output>"
            f"<iframe src='page.html' style='width:{width}px;height:900px;border:0'></iframe>"
        )
        scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
        out = browse(tmp_path, "--dump-dom", "--virtual-time-budget=10000", *scheme, page="frame.html")
        said = re.search("<output>(.*?)</output>", out, re.DOTALL)
        assert said is not None, out
        assert said[1], out
        found: dict[str, Any] = json.loads(unescape(said[1]))
        return found

    return look


def browse(directory: Path, *options: str, page: str) -> str:
    assert CHROMIUM is not None
    own = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={directory}/profile"]
    done = subprocess.run(
        [CHROMIUM, *own, "--window-size=1500,1000", *options, (directory / page).as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.fixture
def ended(record: Callable[..., DeploymentRecord], outage_result: Result) -> DeploymentRecord:
    result = outage_result
    return record(
        finished=NOON + 6.1, outcome=result.outcome, exit_code=4, reason=result.reason, result=result
    )


@pytest.fixture
def page(ended: DeploymentRecord, outage: list[Event]) -> str:
    counted = impact(web1=reading([180] * 18, [0] * 10 + [90, 180, 180, 60] + [0] * 4))
    return timeline(ended, [*outage, diff(BOTH), counted], format="html")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_it_fits_and_can_be_read(look: Look, page: str, width: int, dark: bool) -> None:
    seen = look(page, width=width, dark=dark)
    assert seen["room"] == width
    assert seen["width"] <= width, "it is wider than the window"
    (chart,) = seen["charts"]
    assert 300 <= chart <= width
    assert seen["letters"] >= 11
    assert seen["worst"] >= 4.5, "WCAG 2.2, 1.4.3"
    assert (sum(map(int, re.findall(r"\d+", seen["background"])[:3])) < 200) is dark
    for part in ("Impact", "Timeline", "Corrective and preventative measures", "answered 503, expected 200"):
        assert part in seen["text"], part


@pytest.mark.parametrize("width", [360, 1400])
def test_hostile_text_is_text(look: Look, ended: DeploymentRecord, outage: list[Event], width: int) -> None:
    seen = look(timeline(*hostile(ended, outage), format="html"), width=width)
    assert seen["scripts"] == 1, "that of the test"
    assert seen["images"] == 0
    assert seen["title"].startswith("Deployment 2024")
    assert EVIL in seen["text"]
    assert seen["width"] <= width


def test_it_can_be_printed(tmp_path: Path, page: str) -> None:
    (tmp_path / "page.html").write_text(page)
    browse(tmp_path, f"--print-to-pdf={tmp_path}/page.pdf", page="page.html")
    pdf = (tmp_path / "page.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 6
