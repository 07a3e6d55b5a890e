"""An explanation as one self-contained HTML file: no script, nothing from outside. Pure.

Everything that a host, a commit or a person said is escaped, and a content security policy forbids whatever
would slip through to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape as _escape

from deployer import __version__
from deployer.report.chart import chart
from deployer.report.explanation import Explanation
from deployer.report.exposure import Ended
from deployer.report.hunks import Hunk
from deployer.report.markdown import DRAFT
from deployer.report.style import CSS
from deployer.report.text import heading, sentence
from deployer.report.words import clock, count, iso, names

WIDE, NARROW = 1000, 340
MOST_ROWS = 60  #: of the table beside the chart
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html(story: Explanation) -> str:
    """The whole document."""
    return "\n".join(_document(story))


def _document(story: Explanation) -> Iterator[str]:
    title = esc(story.title)
    yield from ("<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">')
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>{title}</title>"
    yield f"<style>\n{CSS}</style>"
    yield f'</head>\n<body class="{"trouble" if story.trouble else "fine"}">'
    yield "<header>"
    yield f'<p class="badge">{"Post-mortem" if story.trouble else "Report"}</p>'
    yield f"<h1>{title}</h1>"
    if story.trouble:
        yield f'<p class="draft">{DRAFT} All times are UTC.</p>'
    yield "</header>\n<main>"
    yield from _summary(story)
    yield from _impact(story)
    yield from _timeline(story)
    yield from _cause(story)
    yield from _tasks(story)
    yield from _unknown(story)
    yield from _hosts(story)
    yield "</main>"
    command = f"deployer show {esc(story.record.id)} --format html"
    yield f"<footer>deployer {esc(__version__)} · <code>{command}</code></footer>"
    yield "</body>\n</html>"


def _summary(story: Explanation) -> Iterator[str]:
    yield from _section("Issue summary" if story.trouble else "Summary", _pairs(story.summary))
    if story.cause is not None:
        yield '<div class="decided">'
        yield f"<p><strong>Root cause:</strong> {esc(sentence(story))}</p>"
        yield "</div>"


def _impact(story: Explanation) -> Iterator[str]:
    wide, narrow = (chart(story, width=w, name=n) for w, n in ((WIDE, "wide"), (NARROW, "narrow")))
    if not (story.outage or story.impact or wide):
        return
    yield "<section>\n<h2>Impact</h2>"
    yield from _pairs(story.outage)
    if story.trouble or story.traffic is not None:
        yield from _list(story.impact)
    if wide:
        yield f"<figure>\n{wide}\n{narrow}\n<figcaption>"
        yield from _key(story)
        yield "</figcaption>\n</figure>"
        yield from _table(story)
    yield "</section>"


def _key(story: Explanation) -> Iterator[str]:
    yield '<ul class="key">'
    if story.traffic is not None and story.traffic.hosts:
        yield '<li><i class="good"></i>answered</li><li><i class="bad"></i>answered with 5xx</li>'
    for how, said in _STAYED.items():
        if any(stay.how is how for stay in story.stays):
            yield f'<li><i class="{how.value}"></i>{said}</li>'
    if any(stay.how is not Ended.KEPT for stay in story.stays):
        yield '<li><i class="shade"></i>some host served what failed</li>'
    yield "</ul>"


_STAYED = {
    Ended.RESTORED: "served the new release, and went back",
    Ended.KEPT: "served the new release, and stayed on it",
    Ended.UNKNOWN: "served the new release; its end is not recorded",
}


def _table(story: Explanation) -> Iterator[str]:
    spans = story.traffic.together() if story.traffic is not None else []
    if not spans:
        return
    each = -(-len(spans) // MOST_ROWS)
    yield "<details>\n<summary>The same as a table</summary>"
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Requests over time">'
    yield '<table>\n<caption>Requests on the changed hosts</caption>\n<thead><tr><th scope="col">from</th>'
    yield '<th scope="col">requests</th><th scope="col">5xx</th></tr></thead>\n<tbody>'
    for at in range(0, len(spans), each):
        group = spans[at : at + each]
        total, failed = sum(s[1] for s in group), sum(s[2] for s in group)
        yield (
            f'<tr><th scope="row">{clock(group[0][0])}</th><td class="number">{total}</td>'
            f'<td class="number">{failed}</td></tr>'
        )
    yield "</tbody>\n</table>\n</div>\n</details>"


def _timeline(story: Explanation) -> Iterator[str]:
    if not story.moments:
        return
    yield '<section>\n<h2>Timeline</h2>\n<ol class="timeline">'
    for stamp, moment in story.moments:
        failed = ' class="failed"' if moment.failed else ""
        text = f"<strong>{esc(moment.text)}</strong>" if moment.failed else esc(moment.text)
        details = "".join(f"<code>{esc(detail)}</code>" for detail in moment.details)
        at = iso(moment.time)
        when = f'<time datetime="{at}">{esc(stamp)}</time>' if at else f"<span>{esc(stamp)}</span>"
        yield f"<li{failed}>{when}<div>{text}{details}</div></li>"
    yield "</ol>\n</section>"


def _cause(story: Explanation) -> Iterator[str]:
    parts = [*_evidence(story), *_change(story), *_resolution(story)]
    if parts:
        yield from _section("Root cause and resolution" if story.trouble else "What changed", parts)


def _evidence(story: Explanation) -> Iterator[str]:
    if story.cause is not None:
        yield f"<p>{esc(sentence(story))}. {esc(story.cause.sure)}</p>"
    if story.failure:
        yield f"<h3>{esc(story.failure[0])}</h3>"
        yield _pre(f"<span class=line>{esc(line)}</span>" for line in story.failure[1])


def _change(story: Explanation) -> Iterator[str]:
    hunks = story.blamed.hunks or story.change.hunks
    if not hunks and not story.change.brings:
        return
    yield f"<h3>{esc(heading(story))}</h3>"
    yield from _list(f"{c.sha[:12]} {c.author}: {c.subject}" for c in story.change.brings)
    for hunk in hunks:
        yield from _hunk(hunk)
    rest = [hunk for hunk in story.change.hunks if hunk not in hunks]
    if rest:
        yield f"<details>\n<summary>The rest of the change ({count(len(rest), 'part')})</summary>"
        for hunk in rest:
            yield from _hunk(hunk)
        yield "</details>"


def _hunk(hunk: Hunk) -> Iterator[str]:
    by_hand = ", edited by hand" if hunk.drift else ""
    yield f"<p><code>{esc(hunk.path)}</code> on {esc(names(hunk.hosts))}{by_hand}</p>"
    lines = [*([hunk.header] if hunk.header else []), *hunk.lines]
    yield _pre(f'<span class="line{_kind(line)}">{esc(line)}</span>' for line in lines)


def _kind(line: str) -> str:
    return {"+": " add", "-": " del", "@": " at"}.get(line[:1], "")


def _resolution(story: Explanation) -> Iterator[str]:
    if story.resolution:
        yield f"<h3>{'Resolution' if story.trouble else 'Since then'}</h3>"
        yield from _list(story.resolution, kind="ol")


def _tasks(story: Explanation) -> Iterator[str]:
    if story.tasks:
        items = [f"<li><strong>{esc(t.title)}:</strong> {_ticked(t.text)}</li>" for t in story.tasks]
        yield from _section("Corrective and preventative measures", ["<ol>", *items, "</ol>"])


def _unknown(story: Explanation) -> Iterator[str]:
    if story.unknown:
        items = [
            f"<li>{esc(each.what)}"
            + (f": <code>{esc(each.command)}</code>" if each.command else "")
            + "</li>"
            for each in story.unknown
        ]
        yield from _section("What is not known", ["<ul>", *items, "</ul>"])


def _hosts(story: Explanation) -> Iterator[str]:
    if not story.hosts:
        return
    yield "<section>\n<h2>Hosts at the end</h2>"
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Hosts at the end">'
    yield "<table>\n<caption>Where each host ended, and why</caption>"
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("host", "ended", "why"))
    yield f"<thead><tr>{heads}</tr></thead>\n<tbody>"
    for name, ended, why in story.hosts:
        yield f'<tr><th scope="row">{esc(name)}</th><td>{esc(ended)}</td><td>{esc(why)}</td></tr>'
    yield "</tbody>\n</table>\n</div>\n</section>"


def _section(title: str, parts: Iterable[str]) -> Iterator[str]:
    yield from ("<section>", f"<h2>{title}</h2>", *parts, "</section>")


def _pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    found = [f"<dt>{esc(name)}</dt><dd>{esc(said)}</dd>" for name, said in pairs]
    if found:
        yield from ("<dl>", *found, "</dl>")


def _list(lines: Iterable[str], kind: str = "ul") -> Iterator[str]:
    items = [f"<li>{esc(line)}</li>" for line in lines]
    if items:
        yield from (f"<{kind}>", *items, f"</{kind}>")


def _pre(lines: Iterable[str]) -> str:
    return f'<pre tabindex="0"><code>{"".join(lines)}</code></pre>'


def _ticked(said: str) -> str:
    parts = said.split("`")
    if len(parts) % 2 == 0:
        return esc(said)
    return "".join(f"<code>{esc(p)}</code>" if n % 2 else esc(p) for n, p in enumerate(parts))


def esc(said: str) -> str:
    """Text that is only text, also within an attribute."""
    return _escape(said, quote=True)
