"""An explanation as a page, as Markdown, as a picture and as JSON: whole, and written by nobody else."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from deployer.model import DeploymentRecord, Event
from deployer.report.chart import chart
from deployer.report.timeline import timeline
from tests.unit.report_told import SHOP, SITE, diff, hostile, impact, reading, story


class Page(HTMLParser):
    """Tags and attributes that are really there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [str(value) for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_is_whole_and_alone(ended: DeploymentRecord, outage: list[Event]) -> None:
    events = [*outage, diff({SITE: SHOP}), impact(web1=reading([9] * 18, [1] * 18))]
    text = timeline(ended, events, format="html")
    page = Page(text)
    assert "script" not in page.tags
    assert {"link", "img", "iframe", "object", "embed"}.isdisjoint(page.tags)
    assert {"src", "href"}.isdisjoint(page.attributes)
    assert "url(" not in text.replace("url(#", "")
    assert "default-src 'none'" in text
    assert page.tags.count("h1") == 1
    assert len(page.ids) == len(set(page.ids))
    assert {"th", "caption", "time", "desc", "main"} <= set(page.tags)
    for part in (
        "Post-mortem",
        "answered 503, expected 200",
        'return 503 "out of order";',
        "What is not known",
    ):
        assert part in page.text, part


def test_nothing_in_a_page_is_written_by_a_host(ended: DeploymentRecord, outage: list[Event]) -> None:
    page = Page(timeline(*hostile(ended, outage), format="html"))
    assert {"script", "img"}.isdisjoint(page.tags)
    assert not {name for name in page.attributes if name.startswith("on")}
    assert page.text.count("<script>x</script>") > 10


def test_markdown_blocks_cannot_be_left(ended: DeploymentRecord, outage: list[Event]) -> None:
    events = [*outage, diff({SITE: [*SHOP, "+````", "+# out"]})]
    text = timeline(ended, events, format="markdown")
    assert "\n`````diff\n" in text
    assert "\n# out" not in text.split("`````diff")[0]
    lines = timeline(*hostile(ended, outage), format="markdown").splitlines()
    outside, fence = [], ""
    for line in lines:
        if not fence and line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
        elif fence and line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert not [
        line for line in outside if "<script>" in line.replace("\\<script\\>", "") and "`" not in line
    ]


@pytest.mark.parametrize("width", [340, 1000])
def test_the_picture_is_well_formed_and_says_it_in_words(
    ended: DeploymentRecord, outage: list[Event], width: int
) -> None:
    told = story(ended, *outage, impact(web1=reading([9] * 18, [0] * 10 + [9] * 8)))
    svg = ElementTree.fromstring(chart(told, width=width, name="one"))  # noqa: S314 (our own)
    (desc,) = svg.findall("desc")
    assert "162 requests, 72 answered with 5xx" in str(desc.text)
    assert "Wave 1 began at 14:15:01 UTC" in str(desc.text)
    for rect in svg.iter("rect"):
        if rect.get("x") is not None:
            assert 0 <= float(rect.attrib["x"]) <= width
            assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= width + 1
    names = [text.text for text in svg.iter("text")]
    assert "wave 1" in names
    assert "web1" in names


def test_where_nobody_asked_the_picture_says_so(ended: DeploymentRecord, outage: list[Event]) -> None:
    told = story(ended, *outage, impact(web1=reading([0] * 18, [0] * 18)))
    picture = chart(told, width=340, name="one")
    assert "no request in the access logs" in picture
    assert "requests a second" not in picture


def test_a_long_time_has_room(ended: DeploymentRecord, outage: list[Event]) -> None:
    told = story(ended, *outage, impact(web1=reading([9] * 5000, [1] * 5000)))
    picture = chart(told, width=340, name="one")
    assert picture.count("<rect") < 400
    assert chart(replace(told, traffic=None, stays=()), width=340, name="one") == ""


def test_json_is_what_programs_read(ended: DeploymentRecord, outage: list[Event]) -> None:
    events = [*outage, diff({SITE: SHOP}), impact(web1=reading([9] * 18, [1] * 18))]
    told = json.loads(timeline(ended, events, format="json"))["explanation"]
    assert set(told) == {"trouble", "impact", "cause", "change", "resolution", "tasks", "unknown"}
    assert told["cause"]["fault"] == "config"
    assert told["change"]["hunks"][0]["decided"] is True
    assert told["impact"]["hosts"]["web1"]["until"] == "2024-06-12T14:15:05.400Z"
    assert len(told["impact"]["measured"]["spans"]) == 18
