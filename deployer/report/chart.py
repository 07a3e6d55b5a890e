"""Requests over time as SVG: good and failed, with waves and each host's time on the new release. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from deployer.report.explanation import Explanation
from deployer.report.exposure import Ended, Stay
from deployer.report.words import clock, count, duration, names

LEFT, RIGHT, TOP = 46.0, 10.0, 30.0
PLOT = 190.0  #: height of the bars
NOBODY = "no request in the access logs"
NONE = 40.0  #: height of what says so
LANE = 30.0  #: height of a host's lane
MOST_LANES = 10
BAR = 3.0  #: a narrower bar is not seen
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
PAD_S = 2.0
NAME = 34  #: letters of a host's name; the whole is in its title

Span = tuple[float, int, int]

_OPEN = (
    '<svg viewBox="0 0 {width} {height}" class="{name}" role="img" '
    'aria-labelledby="{name}-title {name}-desc">'
)
_HATCH = (
    '<defs><pattern id="{name}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="6" height="6" class="bad"/>'
    '<line x1="0" y1="0" x2="0" y2="6" class="hatch"/></pattern></defs>'
)


@dataclass(frozen=True)
class _Scale:
    """From times to places."""

    since: float
    until: float
    width: float

    def x(self, at: float) -> float:
        share = (at - self.since) / (self.until - self.since)
        return LEFT + min(1.0, max(0.0, share)) * (self.width - LEFT - RIGHT)


def chart(story: Explanation, *, width: int, name: str) -> str:
    """The picture; empty when there is nothing that has a place in time.

    :param width: in the units of its texts, which are 12 high.
    :param name: for ids, unique on the page.
    """
    spans = story.traffic.together() if story.traffic is not None else []
    scale = _scale(story, spans, width)
    if scale is None:
        return ""
    lanes = sorted(story.stays, key=lambda stay: (stay.how is Ended.KEPT, stay.began))[:MOST_LANES]
    bars = 0.0 if not spans else PLOT if any(total for _, total, _ in spans) else NONE
    height = TOP + bars + 24 + LANE * len(lanes) + 6
    parts = [
        _OPEN.format(width=width, height=round(height), name=name),
        f'<title id="{name}-title">{_title(spans)}</title>',
        f'<desc id="{name}-desc">{escape(described(story, spans))}</desc>',
        _HATCH.format(name=name),
        *_shade(story, scale, TOP + bars),
        *_bars(spans, scale, name),
        *_times(scale, TOP + bars),
        *_waves(story, scale, TOP + bars),
        *_lanes(lanes, scale, TOP + bars + 24),
        "</svg>",
    ]
    return "\n".join(parts)


def described(story: Explanation, spans: Sequence[Span]) -> str:
    """The same in words."""
    said = []
    if spans:
        total, failed = sum(s[1] for s in spans), sum(s[2] for s in spans)
        time = f"{clock(spans[0][0])} to {clock(spans[-1][0])}"
        said.append(f"{time}: {count(total, 'request')}, {failed} answered with 5xx.")
    said += [f"Wave {number} began at {clock(at)}." for number, at in story.waves[:MOST_LANES]]
    said += [f"{stay.host}: {_stayed(stay)}." for stay in story.stays[:MOST_LANES]]
    return " ".join(said)


def _title(spans: Sequence[Span]) -> str:
    return "Good and failed requests over time" if spans else "When each host served the new release"


def _stayed(stay: Stay) -> str:
    text = f"on the new release from {clock(stay.began)}"
    if stay.until is not None:
        return f"{text} to {clock(stay.until)} ({duration(stay.seconds(stay.began))})"
    return f"{text}, confirmed" if stay.how is Ended.KEPT else f"{text}; its end is not recorded"


def _scale(story: Explanation, spans: Sequence[Span], width: int) -> _Scale | None:
    step = spans[1][0] - spans[0][0] if len(spans) > 1 else 1.0
    times = [spans[0][0], spans[-1][0] + step] if spans else []
    for stay in story.stays:
        times += [stay.began - PAD_S] + ([stay.until + PAD_S] if stay.until is not None else [])
    times += [moment.time for _, moment in story.moments if story.stays][-1:]
    times = [at for at in times if math.isfinite(at) and 0 <= at < 1e11]
    if not times or max(times) - min(times) < 1e-3:
        return None
    return _Scale(min(times), max(times), width)


def _shade(story: Explanation, scale: _Scale, bottom: float) -> Iterator[str]:
    gone = [stay for stay in story.stays if stay.how is not Ended.KEPT]
    if gone:
        left = scale.x(min(stay.began for stay in gone))
        right = scale.x(max(stay.until or scale.until for stay in gone))
        yield _rect(left, TOP, max(1.0, right - left), bottom - TOP, "shade")


def _bars(spans: Sequence[Span], scale: _Scale, name: str) -> Iterator[str]:
    if not spans:
        return
    if not any(total for _, total, _ in spans):
        middle = (LEFT + scale.width - RIGHT) / 2
        yield f'<text x="{middle:.1f}" y="{TOP + NONE / 2:.1f}" text-anchor="middle">{NOBODY}</text>'
        return
    spans, step = _fitting(spans, scale)
    most = _nice(max(total for _, total, _ in spans) / step)
    base = TOP + PLOT
    yield f'<text x="{LEFT}" y="{TOP - 6}">requests a second</text>'
    for share in (0.0, 0.5, 1.0):
        y = base - share * PLOT
        yield f'<line class="grid" x1="{LEFT}" x2="{scale.width - RIGHT:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most * share:g}</text>'
    for at, total, failed in spans:
        left, right = scale.x(at), scale.x(at + step)
        wide = max(1.0, right - left - (1 if right - left > BAR else 0))
        bad, all_ = PLOT * failed / step / most, PLOT * total / step / most
        yield f"<g><title>{clock(at)}: {count(total, 'request')}, {failed} failed</title>"
        if total > failed:
            yield _rect(left, base - all_, wide, all_ - bad, "good")
        if failed:
            yield _rect(left, base - bad, wide, bad, "bad", more=f' style="fill:url(#{name}-hatch)"')
        yield "</g>"


def _fitting(spans: Sequence[Span], scale: _Scale) -> tuple[list[Span], float]:
    """As many spans as there is room for; neighbours are added up."""
    step = spans[1][0] - spans[0][0] if len(spans) > 1 else 1.0
    room = max(1, int((scale.width - LEFT - RIGHT) / BAR))
    each = -(-len(spans) // room)
    if each <= 1:
        return list(spans), step
    groups = [spans[at : at + each] for at in range(0, len(spans), each)]
    return [(g[0][0], sum(s[1] for s in g), sum(s[2] for s in g)) for g in groups], step * each


def _nice(most: float) -> float:
    """The next round number above."""
    if most <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(most))
    return next(step * size for step in (1, 2, 4, 5, 10) if step * size >= most)


def _times(scale: _Scale, base: float) -> Iterator[str]:
    room = (scale.width - LEFT - RIGHT) / 74
    seconds = scale.until - scale.since
    step = next(
        (each for each in STEPS if seconds / each <= room), STEPS[-1] * math.ceil(seconds / STEPS[-1] / room)
    )
    yield f'<line class="axis" x1="{LEFT}" x2="{scale.width - RIGHT:.1f}" y1="{base:.1f}" y2="{base:.1f}"/>'
    at = math.ceil(scale.since / step) * step
    while at <= scale.until:
        x = scale.x(at)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{base:.1f}" y2="{base + 4:.1f}"/>'
        anchor = "end" if x > scale.width - 32 else "start" if x < LEFT + 4 else "middle"
        yield f'<text x="{x:.1f}" y="{base + 17:.1f}" text-anchor="{anchor}">{clock(at)[:8]}</text>'
        at += step


def _waves(story: Explanation, scale: _Scale, base: float) -> Iterator[str]:
    taken = -math.inf
    for number, at in story.waves:
        x = scale.x(at)
        yield f'<line class="wave" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 16:.1f}" y2="{base:.1f}"/>'
        if x - taken > 52:
            anchor, beside = ("end", x - 3) if x > scale.width - 50 else ("start", x + 3)
            yield f'<text x="{beside:.1f}" y="{TOP - 6:.1f}" text-anchor="{anchor}">wave {number}</text>'
            taken = x


def _lanes(lanes: Sequence[Stay], scale: _Scale, top: float) -> Iterator[str]:
    for row, stay in enumerate(lanes):
        y = top + row * LANE
        left = scale.x(stay.began)
        right = scale.x(stay.until if stay.until is not None else scale.until)
        shown = stay.host if len(stay.host) <= NAME else f"{stay.host[: NAME - 1]}…"
        label = escape(names([shown]))
        yield f"<g><title>{escape(names([stay.host]))}: {escape(_stayed(stay))}</title>"
        yield f'<text class="name" x="{LEFT}" y="{y + 12:.1f}">{label}</text>'
        yield _rect(LEFT, y + 17, scale.width - LEFT - RIGHT, 1, "grid", more=' style="fill:var(--line)"')
        yield _rect(left, y + 15, max(2.0, right - left), 6, stay.how.value)
        yield "</g>"


def _rect(x: float, y: float, width: float, height: float, kind: str, *, more: str = "") -> str:
    size = f'width="{width:.1f}" height="{max(0.0, height):.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size}{more}/>'
