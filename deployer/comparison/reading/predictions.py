"""What the candidate will do to users that no question from the host can show. Pure.

A question is one GET from the host itself. That a port is open to the host alone, that a form is too large
now, that the second request of a second is refused: such things are worked out from both configurations, and
held against the candidate only where live did not do them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from deployer.comparison.asked import Question
from deployer.comparison.origins import added, refused_first
from deployer.comparison.pace import counts_browsers, crowds, limiters
from deployer.comparison.reading import (
    assigned,
    caching,
    exposed,
    fallbacks,
    handing,
    hidden,
    inline,
    kinds,
    lookups,
    patience,
    referers,
    replaced,
    rewritten,
    strictness,
    telling,
)
from deployer.comparison.reading.emptied import emptied
from deployer.comparison.reading.fences import another_header, balancer_only, shut_out, unbarred
from deployer.comparison.reading.foresight import Foresight, Standing
from deployer.comparison.reading.reached import passed_by, unreached
from deployer.comparison.reading.spread import misled
from deployer.comparison.reading.standing import is_new
from deployer.comparison.reading.strangers import let_in
from deployer.nginx import arguments, methods
from deployer.nginx.access import Access, access, needs_referer
from deployer.nginx.paths import read_path
from deployer.nginx.sites import ANY4, ANY6, effective
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import passing

CALM = re.compile(
    r"login|log-in|signin|sign-in|auth|token|password|register|signup|contact|reset|xmlrpc|upload",
    re.IGNORECASE,
)
"""Where few requests of one user are enough."""

_KB, _S = 1024.0, 1.0
FLOORS: Mapping[str, tuple[float, str]] = {
    "client_max_body_size": (64 * _KB, "forms and uploads are refused (413)"),
    "large_client_header_buffers": (4 * _KB, "requests with cookies are refused (400)"),
    "client_header_timeout": (2 * _S, "slow clients are cut off"),
    "client_body_timeout": (2 * _S, "slow clients are cut off"),
    "send_timeout": (2 * _S, "slow clients are cut off"),
    "worker_connections": (64, "users are refused when more than a few come"),
    "worker_rlimit_nofile": (64, "users are refused when more than a few come"),
}
"""Below these a directive keeps ordinary users out; whoever was there already is not asked why."""

Rule = Callable[["Foresight", Question, Standing, Standing], str | None]


def predictions(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """A question, and why it will be answered worse to users; each fault of a location once."""
    yield from _ports(insight, questions)
    yield from unreached(insight, questions)
    yield from passed_by(insight, questions)
    yield from let_in(insight)
    yield from lookups.unfound(insight, questions)
    yield from lookups.by_the_balancer(insight, questions)
    yield from emptied(insight, questions)
    yield from replaced.crossed(insight, questions)
    yield from fallbacks.passed_over(insight, questions)
    told: set[tuple[Directive, str]] = set()
    for question in questions:
        was = insight.standing(insight.live, question)
        now = insight.standing(insight.candidate, question)
        if was is None or now is None:
            continue
        for rule in RULES:
            reason = rule(insight, question, was, now)
            if reason and (now.scope[-1], reason) not in told:
                told.add((now.scope[-1], reason))
                yield question, reason


def _ports(insight: Foresight, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """A port that was open to everybody and is open to some address only."""
    now = {(x.address, x.port) for x in insight.candidate.listens}
    both = {x.port for x in insight.candidate.listens if x.both}
    for old in insight.live.listens:
        if old.address not in (ANY4, ANY6) or (old.address, old.port) in now:
            continue
        if old.address == ANY4 and old.port in both:
            continue
        left = [x for x in insight.candidate.listens if x.port == old.port]
        family = [x for x in left if (":" in x.address) == (old.address == ANY6)]
        if not family:
            continue  # the closed port is seen by asking
        asked = next((q for q in questions if q.place == old.place), Question(*old.place, ""))
        yield asked, f"port {old.port} is open on {', '.join(str(x.address) for x in family[:3])} only"


def _closed(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    if access(now.scope) is not Access.CLOSED or access(was.scope) is Access.CLOSED:
        return None
    if is_new(was, now) or insight.closed_on_purpose(question, was, now):
        return None
    return "closed to the public (allow, deny)"


def _open(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    if access(was.scope) is Access.OPEN or access(now.scope) >= access(was.scope):
        return None
    if insight.opened(question) or _hands_nothing_out(now):
        return None
    what = "deny" if access(was.scope) is Access.CLOSED else "auth_basic"
    return f"open to the public: the {what} that protected it holds no more"


def _unbarred(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    return unbarred(was, now)


def _balancer_only(_: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    return balancer_only(was, now, question.port) or another_header(was, now)


def _kept(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    if passing(was.location) is not None or passing(now.location) is not None:
        return None  # the application says how long
    return caching.kept_by_browsers(insight.before.get(question), insight.after.get(question))


def _hands_nothing_out(now: Standing) -> bool:
    """Whether it only says no, or where to go: what is there is asked for itself.

    Also where a page for the error is what comes in the end.
    """
    left = [x.directive for x in now.way.through if x.directive.first("rewrite") is None]
    return any(_says_no(block) for block in (now.scope[-1], *left))


def _says_no(block: Directive) -> bool:
    said = [d.args[0] for d in block.all("return") if d.args]
    return bool(said) and all(not code.startswith("2") for code in said)


def _referers(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    if needs_referer(now.scope) and not needs_referer(was.scope):
        return "closed to users who come without a Referer: valid_referers has no 'none'"
    return None if is_new(was, now) else referers.kept_out(was, now)


def _limits(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    for name, (floor, consequence) in FLOORS.items():
        value, before = patience.measured(now, name), patience.measured(was, name)
        if value is not None and value < floor and (before is None or value < before):
            return f"{name} is {patience.text(now, name)}: {consequence}"
    return (
        patience.smaller_uploads(was, now)
        or patience.smaller_for_the_login(was, now)
        or patience.shorter_answers(was, now)
        or patience.smaller_buffers(was, now)
    )


def _shut_out(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    return None if is_new(was, now) else shut_out(was, now)


def _held_back(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    return patience.held_back(was, now, insight.before.get(question))


def _crowded_out(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    return patience.crowded_out(was, now, insight.before.get(question))


def _misled(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    return misled(was, now)


def _rate(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    live, candidate = insight.live.config, insight.candidate.config
    if live is None or candidate is None:
        return None
    calm = CALM.search(question.path) is not None
    rates = (
        [x for x in limiters(live, was.scope) if counts_browsers(live, was.scope, x.key)],
        [x for x in limiters(candidate, now.scope) if counts_browsers(candidate, now.scope, x.key)],
    )
    lets_in = (
        [x for x in crowds(live, was.scope) if counts_browsers(live, was.scope, x.key)],
        [x for x in crowds(candidate, now.scope) if counts_browsers(candidate, now.scope, x.key)],
    )
    whole = now.location is None or now.location.pattern == "/"
    apart = not whole and insight.fresh(was, now)
    return strictness.rate(*rates, calm=calm, apart=apart) or strictness.crowd(*lets_in, whole=whole)


def _methods(insight: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    """POST is not asked, so that it is refused now can only be read."""
    if passing(now.location) is None or passing(was.location) is None:
        return None
    said = methods.refused(now.scope, "POST")
    if said is not None and methods.refused(was.scope, "POST") is None and not insight.fresh(was, now):
        return f"POST gets through to the application no more: if ({' '.join(said.args)})"
    here = effective(now.scope[2:], "limit_except")
    before = effective(was.scope[2:], "limit_except")
    if not here or (before and "POST" not in before[0].args):
        return None
    closes = any(d.args == ("all",) for x in here for d in x.all("deny"))
    if closes and "POST" not in here[0].args:
        return f"only {' and '.join(here[0].args)} is let through to the application"
    return None


def _heads(insight: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    """HEAD where GET is answered: monitoring and whoever looks after links ask so."""
    said = methods.refused(now.scope, "HEAD")
    if said is None or methods.refused(was.scope, "HEAD") is not None or insight.fresh(was, now):
        return None
    if methods.refused(now.scope, "GET") is not None:
        return None  # that is seen by asking
    return f"HEAD is refused where GET is answered: if ({' '.join(said.args)})"


def _exposed(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    answers = insight.before.get(question), insight.after.get(question)
    return (
        exposed.written_by_anybody(question, was, now)
        or exposed.open_to_all_pages(was, now)
        or exposed.sent_elsewhere(was, *answers)
    )


def _first_asked(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    """OPTIONS, which browsers ask before they send anything, and which is not asked here."""
    if not (was.choice.listed and now.choice.listed and "OPTIONS" in was.server.text):
        return None
    if added(was.server, now.server, now.location):
        return None
    return refused_first((insight.live, was.server), (insight.candidate, now.server), question.path)


def _settings(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    return inline.emptied(was.way.answer, now.way.answer)


def _bodies(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    """What forms send, which no GET has."""
    directive = passing(now.location)
    if directive is None or now.location is None or passing(was.location) is None:
        return None
    if now.location.directive.first("internal") is not None:
        return None  # a subrequest of auth_request has no need of it
    for part in ("body", "headers"):
        name = f"{directive.name.removesuffix('_pass')}_pass_request_{part}"
        off = [[d.args for d in effective(s.scope, name)][-1:] == [("off",)] for s in (was, now)]
        if off == [False, True]:
            return f"the application no longer gets the {part} of requests ({name} off)"
    return None


def _cookies(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    """Cookies that live's application sets there, and that the candidate keeps from users."""
    answer = insight.before.get(question)
    if answer is None or answer.page is None or answer.page.header("set-cookie") is None:
        return None
    directive = passing(now.location)
    kind = directive.name.removesuffix("_pass") if directive is not None else "proxy"
    hidden = [
        {a.lower() for d in effective(s.scope, f"{kind}_hide_header") for a in d.args} for s in (was, now)
    ]
    if "set-cookie" not in hidden[1] - hidden[0] or effective(now.scope, f"{kind}_cache"):
        return None  # what is cached for all is rid of them on purpose
    return f"the cookies that are set there do not come through ({kind}_hide_header Set-Cookie)"


def _untold(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    return hidden.parameters(was, now) or hidden.guards(was, now)


def _arguments(_: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    """What users search for, and pages they turn to: what is behind the question mark."""
    path = read_path(question.path)
    if arguments.reach(now.sites, now.server, path) is not False:
        return None
    if not arguments.reach(was.sites, was.server, path):
        return None
    return "the application is no longer told the arguments (what is behind the question mark)"


def _sockets(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    return telling.no_socket(was, now)


def _unheard(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    if _untold(insight, question, was, now):
        return None
    return telling.untold(question, was, now, insight.before.get(question))


def _handed(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    if is_new(was, now):
        return None
    return (
        handing.client(was, now)
        or handing.anybody(was, now)
        or handing.unfinished(was, now)
        or handing.turned_away(was, now, insight.before.get(question), insight.after.get(question))
        or handing.inner(was, now)
        or handing.hidden_path(was, now, insight.before.get(question))
        or handing.emptied(was, now)
        or handing.decoded(was, now)
        or assigned.unfilled(was, now)
    )


def _replaced(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    if is_new(was, now):
        return None
    return (
        replaced.not_handed_on(was, now)
        or replaced.narrowed(was, now)
        or replaced.by_a_text(was, now)
        or replaced.without_root(was, now)
        or replaced.one_for_all(was, now)
        or replaced.page_by_application(was, now)
        or replaced.page_for_programs(was, now, insight.before.get(question))
        or fallbacks.never_tried(was, now)
        or fallbacks.path_info(was, now)
        or fallbacks.cut_short(was, now)
        or rewritten.left_as_it_is(was, now)
    )


def _cached(insight: Foresight, question: Question, was: Standing, now: Standing) -> str | None:
    answer = insight.before.get(question)
    return (
        caching.one_for_all_paths(was, now)
        or caching.one_for_all_arguments(question.path, was, now, answer)
        or caching.one_for_all_users(was, now)
        or caching.one_for_all_methods(was, now)
        or caching.kept_apart(was, now)
        or caching.kept_apart_elsewhere(was, now)
        or caching.one_for_all_captures(was, now)
    )


def _types(_: Foresight, __: Question, was: Standing, now: Standing) -> str | None:
    return kinds.forgotten(was, now)


RULES: tuple[Rule, ...] = (
    _closed,
    _shut_out,
    _open,
    _unbarred,
    _balancer_only,
    _referers,
    _limits,
    _crowded_out,
    _held_back,
    _misled,
    _rate,
    _methods,
    _heads,
    _exposed,
    _bodies,
    _first_asked,
    _settings,
    lookups.for_all_alike,
    _cookies,
    _untold,
    _unheard,
    _sockets,
    _arguments,
    _cached,
    _kept,
    _types,
    _handed,
    _replaced,
)
