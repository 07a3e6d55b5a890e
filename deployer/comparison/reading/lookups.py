"""Tables whose rows nothing finds any more, though they stand there. Pure.

A row in a ``map`` is put there to be found. Where the text that is looked up gets another shape, or a wider
row comes before, the row still says what it said, and requests quietly take the default. Whether a login
stands before what it decides does not matter: it is read, not asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from deployer.comparison.asked import Question
from deployer.comparison.reading import rows
from deployer.comparison.reading.emptied import without_rows
from deployer.comparison.reading.foresight import Foresight, Standing
from deployer.nginx.captures import captured
from deployer.nginx.paths import read_path
from deployer.nginx.sites import Sites, effective, written
from deployer.nginx.tables import Table, filled, tables, users
from deployer.nginx.upstreams import passing
from deployer.nginx.variables import names

_SAID = re.compile(r"(http_(?!host\b|x_forwarded|forwarded|cf_|x_real)|cookie_|arg_)\w+")
"""What clients say, and no balancer before nginx says for them."""


def unfound(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """A question that depends on a table, and what the table no longer does; each table once."""
    before, after = tables(insight.live.config), tables(insight.candidate.config)
    for target, now in after.items():
        was = before.get(target)
        if was is None or was == now:
            continue
        said = rows.amiss(was, now) or without_rows(was, now)
        said = said or _opened(insight, was, now) or _renamed(insight.candidate, was, now)
        known = None if said else _missed(insight, was, now, questions)
        if known is not None:
            yield known
        elif said and (asked := _depending(insight.candidate, target, questions)) is not None:
            yield asked, said


def _opened(insight: Foresight, was: Table, now: Table) -> str | None:
    """Sites that only look like one of the configuration's own, and are found by its row from now on."""
    if now.source != "$http_origin" or was.source != now.source:
        return None
    own = {n.lstrip("*.") for s in insight.live.servers for n in s.names if n[:1] != "~" and "." in n}
    for name in sorted(own):
        trusted = now.row(f"https://{name}")
        for site in (f"deployer-probe{name}", f"{name}.deployer-probe.invalid"):
            found, before = (table.row(f"https://{site}") for table in (now, was))
            if found and before and found[0] and not before[0] and found == trusted:
                return f"the row {found[0]} of ${now.target} takes {site} for {name}"
    return None


def by_the_balancer(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """Networks (``geo``) that are looked up by the balancer's address, where the client's is known."""
    live, candidate = insight.live.config, insight.candidate.config
    if live is None or candidate is None or not candidate.find("real_ip_header", "set_real_ip_from"):
        return
    before = {d.args[-1]: d.args[:-1] for d, _ in live.find("geo") if d.args}
    for table, _ in candidate.find("geo"):
        target = table.args[-1] if table.args else ""
        if table.args[:-1] == ("$realip_remote_addr",) != before.get(target, table.args[:-1]):
            asked = _depending(insight.candidate, target.lstrip("$"), questions)
            if asked is not None:
                yield (
                    asked,
                    f"{target} goes by the balancer's address now ($realip_remote_addr), not by the client's",
                )


def _renamed(candidate: Sites, was: Table, now: Table) -> str | None:
    """What clients say of themselves, looked up under another name though the rows are what they were."""
    before, after = names(was.source), names(now.source)
    if len(before) != len(after) or not set(was.rows) & set(now.rows):
        return None
    for old, new in zip(before, after, strict=True):
        said = old != new and _SAID.fullmatch(old) and _SAID.fullmatch(new)
        # A table before it may look there.
        if said and old not in after and now.target not in users(candidate.config, old):
            return f"${now.target} is looked up by ${new} now: whoever says ${old} finds no row any more"
    return None


def _missed(
    insight: Foresight, was: Table, now: Table, questions: Sequence[Question]
) -> tuple[Question, str] | None:
    """A row that a question found, and that is kept, where another text is looked up now."""
    if was.source == now.source:
        return None
    for question in questions:
        sides = ((insight.live, was), (insight.candidate, now))
        texts = [filled(table.source, _says(sites, question, table)) for sites, table in sides]
        if texts[0] is None or texts[1] is None:
            continue
        old, new = was.row(texts[0]), now.row(texts[1])
        if old is None or new is None or not old[0] or new[0] or old[1] == new[1] or old not in now.rows:
            continue
        if _depending(insight.candidate, now.target, [question]) is not None:
            reason = f"{old[0]} is not found in ${now.target} any more: {now.source} is looked up now"
            return question, reason
    return None


def forgotten(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """Somebody of the playbook (``compare.as``) whose row a table has no more; each table once.

    Whoever is lent to the questions exists, and says what the row was there for.
    """
    before, after = tables(insight.live.config), tables(insight.candidate.config)
    for target, now in after.items():
        was = before.get(target)
        if was is None or was == now or was.source != now.source:
            continue
        lost = (
            q for q in questions if (row := _row(q, was)) and row[0] and _row(q, now) == ("", now.default)
        )
        for question in lost:
            if _depending(insight.candidate, target, [question]) is not None:
                # What they say may be secret, and the row is what they say.
                yield question, f"${target} has no row any more that {question.asker.name} is found by"
                break


def _row(question: Question, table: Table) -> tuple[str, str] | None:
    """What is found of what the asker says themselves."""
    says = {_variable(name): value for name, value in question.asker.headers}
    text = filled(table.source, says)
    return table.row(text) if text is not None and names(table.source) else None


def _variable(header: str) -> str:
    return f"http_{header.lower().replace('-', '_')}"


def _says(sites: Sites, question: Question, table: Table) -> Mapping[str, str]:
    """What is known of a question, of the variables of a table."""
    host = question.name or question.address
    path, _, args = question.path.partition("?")
    known = {"host": host, "http_host": host, "uri": read_path(path), "document_uri": read_path(path)}
    known |= {"request_uri": question.path, "args": args, "query_string": args}
    choice = sites.choose(question.place, question.name)
    if choice is not None:
        known |= captured(choice.server, question.name)
    return {name: known[name] for name in names(table.source) if name in known}


def _depending(sites: Sites, target: str, questions: Sequence[Question]) -> Question | None:
    """The first question whose server makes use of a variable."""
    wanted = users(sites.config, target)
    for question in questions:
        choice = sites.choose(question.place, question.name)
        if choice is not None and choice.listed and wanted & set(names(choice.server.text)):
            return question
    return None


def for_all_alike(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    """A name that gets what the others get, where live looked up what is its own by its name."""
    old, new = insight.before.get(question), insight.after.get(question)
    held = captured(was.server, question.name)
    if not held or old is None or new is None or not (old.shown and new.shown):
        return None
    if old.page is None or new.page is None or not old.page.differs(new.page):
        return None
    lost = [name for name in held if _looks_at(was, name) and not _looks_at(now, name)]
    if lost and lost[0] in _of_root(was) and lost[0] not in _of_root(now):
        return f"it is no longer out of a directory of its own: root has no ${lost[0]} any more"
    others = (q for q in insight.before if (q.place, q.path) == (question.place, question.path))
    others = (q for q in others if q.name != question.name and captured(was.server, q.name))
    pages = [page for q in others if (page := insight.before[q].page) is not None]
    if not lost or not any(p.digest == new.page.digest != "" for p in pages):
        return None
    return f"it is what other names get: ${lost[0]} is not looked at there any more"


def _of_root(standing: Standing) -> set[str]:
    """Variables of the directory that files are looked for in."""
    if passing(standing.location) is not None:
        return set()
    return {name for d in effective(standing.scope, "root", "alias")[-1:] for name in names(" ".join(d.args))}


def _looks_at(standing: Standing, variable: str) -> bool:
    wanted = users(standing.sites.config, variable)
    here = names(written(standing.location.directive)) if standing.location is not None else ()
    return bool(wanted & {*here, *_of_root(standing)})
