"""What live's and the candidate's configuration say of a question before it is asked. Pure.

Answers prove, configurations explain: a worse answer that the candidate says in so many words (a location of
its own that closes ``/.git``) is meant; another content, for which the candidate gives a reason that nobody
means (two servers with one name, a prefix that is lost on the way), is worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from deployer.comparison.asked import AnswerClass, Question, Rank
from deployer.comparison.conditions import excuse
from deployer.comparison.reading.caching import cached
from deployer.comparison.reading.fences import PRIVATE, climbed
from deployer.comparison.reading.standing import Standing, special, standing
from deployer.comparison.routes import BELOW, STRANGER, Origin
from deployer.nginx.access import Access, access
from deployer.nginx.paths import read_path
from deployer.nginx.sites import Location, Server, Sites, effective
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import lost_path, mentioned, own_listener, passed, passing, told

__all__ = ["Foresight", "Standing"]

COMPANION = re.compile(
    r"\.(css|js|mjs|png|jpe?g|gif|svg|ico|webp|avif|woff2?|ttf|otf|eot|map)$", re.IGNORECASE
)
"""What browsers fetch because of a page."""

_PUBLIC = "/.well-known/"
"""What whoever it concerns has to be able to ask for, certificate authorities first (RFC 8615)."""


class Foresight:
    """Both configurations, asked about questions; an :class:`deployer.comparison.judge.Insight`.

    :ivar before: what live answered; :ivar after: what the candidate did. Both may be filled later.
    """

    def __init__(
        self, live: Sites, candidate: Sites, origins: Mapping[Question, Origin] | None = None
    ) -> None:
        self.live, self.candidate = live, candidate
        self.before: Mapping[Question, AnswerClass] = {}
        self.after: Mapping[Question, AnswerClass] = {}
        self._origins = origins or {}
        self._standings: dict[tuple[int, Question], Standing | None] = {}

    def standing(self, sites: Sites, question: Question) -> Standing | None:
        """Who answers there; ``None``: nobody listens."""
        key = id(sites), question
        if key not in self._standings:
            choice = sites.choose(question.place, question.name)
            self._standings[key] = None if choice is None else standing(sites, choice, question)
        return self._standings[key]

    # --- Insight

    def meant(self, question: Question, new: AnswerClass) -> str | None:
        """Why a worse answer is no fault; ``None``: it is one."""
        was, now = self.standing(self.live, question), self.standing(self.candidate, question)
        if was is None or now is None:
            return None if was is None else self._only_its_own(question)
        if reason := excuse(question, new, now.server, made_up=self.invented(question)):
            return reason
        new_or_own = self._new_site(question, was, now) or self.own_upstream(question, new)
        reason = new_or_own or self._turned_away(question, was, now, new) or _kept_by_live(was, now, new)
        if reason:
            return reason
        if new.rank is Rank.SERVER_ERROR:
            return None
        if question.name in ("", STRANGER) and self._defaults_on_purpose(question):
            return "the candidate has a default_server of its own for names that nobody lists"
        return self._of_its_own(question, was, now, new) or self._rewritten(question, was, now, new)

    def _of_its_own(self, question: Question, was: Standing, now: Standing, new: AnswerClass) -> str | None:
        """What a location that live does not have says for itself."""
        if now.location is None or not self._new(now.location, was.server):
            return None
        if self.closed_on_purpose(question, was, now):
            return f"{now.location.title} closes it on purpose"
        narrow = not now.location.regex and now.location.pattern != "/"
        asked = self._origins.get(question) is Origin.SEEN
        if narrow and not asked and passing(now.location) and (use := special(now, new)):
            return f"{now.location.title} is new, and {use}"
        plain = was.location is None or was.location.pattern == "/" or was.location.regex
        files = passing(now.location) is None and not _closes(now.location)
        if plain and files and self._no_such_file(question, now.location, new):
            return f"{now.location.title} serves files, and none is called so"
        if files and new.status == 404 and self.invented(question) and self._was_moved(question, was):
            return f"{now.location.title} serves files; one under an old address is made up"
        return None

    def _was_moved(self, question: Question, was: Standing) -> bool:
        """Whether it is what a page is made of, where live only says that the pages are elsewhere now.

        Pages themselves are linked to by others; their pictures and fonts are asked for where the page is.
        """
        answer = self.before.get(question)
        led = answer is not None and answer.location is not None and passing(was.location) is None
        return led and COMPANION.search(read_path(question.path)) is not None

    def _no_such_file(self, question: Question, location: Location, new: AnswerClass) -> bool:
        path = read_path(question.path)
        if path != location.pattern:
            return new.status == 404 and self.invented(question)
        # nginx says 403 of a directory without index, 404 of none at all: unless it only tries files.
        tried = location.directive.first("try_files") is not None or path.startswith("/.well-known/")
        return new.status == 403 or (new.status == 404 and tried)

    def _rewritten(self, question: Question, was: Standing, now: Standing, new: AnswerClass) -> str | None:
        """A path made up for a regular expression that stands there no more.

        That it is found nowhere now says nothing, where paths that users asked for, and that the same
        expression took, are answered as well as before.
        """
        old = was.location
        if new.status != 404 or old is None or not old.regex or not self._new(old, now.server):
            return None
        if self._origins.get(question) is not Origin.PATTERN:
            return None
        asked = [q for q, origin in self._origins.items() if origin is Origin.SEEN and _near(q, question)]
        taken = [q for q in asked if (s := self.standing(self.live, q)) is not None and s.location is old]
        proved = [(self.before[q], self.after[q]) for q in taken if q in self.before and q in self.after]
        if any(one.rank is Rank.GOOD for one, _ in proved) and all(
            two.rank <= one.rank for one, two in proved
        ):
            return f"{old.title} is another one now, and what users ask of it is answered"
        return None

    def closed_on_purpose(self, question: Question, was: Standing, now: Standing) -> bool:
        """Whether a location of its own closes what one closes to make a site safer, or brings."""
        if now.location is None or not self._new(now.location, was.server) or not _closes(now.location):
            return False
        asked = self._origins.get(question) is Origin.SEEN
        own = now.passed is not None and now.passed != was.passed
        return PRIVATE.search(read_path(question.path)) is not None or (own and not asked)

    def opened(self, question: Question) -> str | None:
        """Why an access that opens is meant."""
        was, now = self.standing(self.live, question), self.standing(self.candidate, question)
        if was is None or now is None or now.location is None:
            return None
        if read_path(question.path).startswith(_PUBLIC):
            return f"{_PUBLIC} is for everybody"
        here = now.location.directive
        if access(was.scope) is Access.OPEN and any(d.args == ("on",) for d in here.all("autoindex")):
            return f"{now.location.title} lists its directory on purpose"
        if not self._new(now.location, was.server) or now.location.regex:
            return None
        if climbed(was, now, read_path(question.path)):
            return None
        closing = any(d.args != ("off",) for d in here.all("auth_basic")) or here.first("deny") is not None
        return None if closing else f"{now.location.title} is new, and open"

    def suspicion(self, question: Question, new: AnswerClass) -> str | None:
        """What in the candidate speaks against another answer."""
        if question.said:
            return None  # what holds for everybody is asked without; phones may have another site's page
        was, now = self.standing(self.live, question), self.standing(self.candidate, question)
        if was is None or now is None:
            return None
        return (
            self._wrong_server(question, was, now)
            or (self._elsewhere(question, was, now, new) if new.shown else None)
            or self._shadowed(was, now)
            or self._beside(was, now)
            or self._passed_otherwise(was, now)
        )

    def fresh(self, was: Standing, now: Standing) -> bool:
        """Whether a location answers that the server did not have."""
        return now.location is not None and self._new(now.location, was.server)

    def dropped(self, question: Question, header: str) -> bool:
        """Whether the candidate still adds the header in a block outside of the one that answers."""
        now = self.standing(self.candidate, question)
        if now is None:
            return False
        reaching = {d.args[0].lower() for d in effective(now.scope, "add_header") if d.args}
        outside = {d.args[0].lower() for b in now.scope for d in b.all("add_header") if d.args}
        return header in outside - reaching

    def typed(self, question: Question) -> bool:
        """Whether the candidate answers with a text of its own, where a text was or nothing of its own."""
        was, now = self.standing(self.live, question), self.standing(self.candidate, question)
        if now is None or was is None or not _texts(now.scope[-1]):
            return False
        fresh = now.location is not None and self._new(now.location, was.server)
        return fresh or _texts(was.scope[-1])

    def own_page(self, question: Question, status: int) -> bool:
        """Whether ``error_page`` of live or of the candidate leads that status to a place of its own."""
        sides = self.standing(self.live, question), self.standing(self.candidate, question)
        scopes = [scope for one in sides if one is not None for scope in one.scopes]
        pages = [d for scope in scopes for d in effective(scope, "error_page")]
        return any(str(status) in d.args and d.args[-1][:1] in ("/", "@") for d in pages)

    def secret(self, question: Question, new: AnswerClass) -> bool:
        """Whether it is asked for because nobody should get it, and is not what everybody gets."""
        if self._origins.get(question) is not Origin.SECRET or new.page is None:
            return False
        place, name = question.place, question.name
        others = [a for q, a in self.after.items() if (q.place, q.name) == (place, name) and BELOW in q.path]
        return all(a.page is None or a.status != new.status or a.page.differs(new.page) for a in others)

    # --- who answers

    def _new_site(self, question: Question, was: Standing, now: Standing) -> str | None:
        """A name that live does not list: what its default server says to it nobody came for."""
        if question.name in ("", STRANGER) or was.choice.listed or not now.choice.listed:
            return None
        return f"{question.name} is a new name"

    def _turned_away(self, question: Question, was: Standing, now: Standing, new: AnswerClass) -> str | None:
        """Names that nobody lists, to which live only said no, and the candidate no more than that."""
        answer = self.before.get(question)
        if question.name not in ("", STRANGER) or new.status is not None or answer is None or answer.shown:
            return None
        said = [d.args for d in effective(now.scope, "ssl_reject_handshake")][-1:]
        if said != [("on",)] or was.choice.listed or now.choice.listed:
            return None
        return "ssl_reject_handshake turns away whoever asks for a name that nobody lists"

    def _defaults_on_purpose(self, question: Question) -> bool:
        old, was_told = self.live.default_at(question.place)
        new, is_told = self.candidate.default_at(question.place)
        if new is None or not is_told:
            return False
        return not was_told or old is None or (new.text != old.text and not _same_names(old, new))

    def _wrong_server(self, question: Question, was: Standing, now: Standing) -> str | None:
        if question.name in ("", STRANGER):
            _, was_told = self.live.default_at(question.place)
            _, is_told = self.candidate.default_at(question.place)
            if was_told and not is_told and not _same_names(was.server, now.server):
                return f"default_server is lost: {now.server.title} answers unknown names"
            return None
        if was.choice.listed and not now.choice.listed:
            return f"no server there has the name any more: {now.server.title} answers"
        if now.choice.ignored and not was.choice.ignored:
            return "two servers have the name; nginx ignores the second"
        return None

    def _elsewhere(self, question: Question, was: Standing, now: Standing, new: AnswerClass) -> str | None:
        """The page of another site, that was not put together with this one on purpose."""
        if new.page is None or not new.page.size:
            return None
        for other in self._with_page.get((question.path, new.page.digest), ()):
            choice = self.live.choose(other.place, other.name)
            if choice is None or not choice.listed or choice.server is was.server:
                continue
            if other.name != question.name and other.name not in now.server.names:
                return f"it answers with the page of {other.name}"
        return None

    @cached_property
    def _with_page(self) -> Mapping[tuple[str, str], list[Question]]:
        found: dict[tuple[str, str], list[Question]] = {}
        for question, answer in self.before.items():
            if (
                answer.page is not None
                and answer.shown
                and question.name not in ("", STRANGER)
                and question.bare
            ):
                found.setdefault((question.path, answer.page.digest), []).append(question)
        return found

    def _shadowed(self, was: Standing, now: Standing) -> str | None:
        old, new = was.location, now.location
        if old is None or new is None or old.regex or old.pattern == "/" or not new.regex:
            return None
        if not self._new(new, was.server):
            return None
        if any((x.kind, x.pattern) == (old.kind, old.pattern) for x in now.server.every):
            return f"{new.title} takes what {old.title} answered"
        return None

    def _beside(self, was: Standing, now: Standing) -> str | None:
        """A ``return`` that was put before what a location did."""
        if passing(now.location) is None or passing(was.location) is None:
            return None
        if now.scope[-1].first("return") is None or was.scope[-1].first("return") is not None:
            return None
        return "a return stands beside what passes the request on, and comes first"

    def _passed_otherwise(self, was: Standing, now: Standing) -> str | None:
        before, after = (passed(s.sites, s.location, s.path) for s in (was, now))
        if before is None or after is None:
            return None
        fresh = now.location is not None and self._new(now.location, was.server)
        if fresh and was.location is not None and now.location is not None:
            # A slash more or less does not make it another place.
            fresh = was.location.pattern.rstrip("/") != now.location.pattern.rstrip("/")
        if not fresh and (reason := lost_path(before, after)):
            return reason
        if before.members.isdisjoint(after.members):
            return None
        told_before, told_now = told(was.scope), told(now.scope)
        outside = {d.args[0].lower() for b in now.scope for d in b.all("proxy_set_header") if d.args}
        lost = sorted(n for n in told_before if n not in told_now and n in outside)
        if told_now["host"] == "$proxy_host" != told_before["host"]:
            lost.insert(0, "host")
        return f"the upstream is no longer told {', '.join(lost[:3])}" if lost else None

    # --- what nginx asks of itself

    def own_upstream(self, question: Question, new: AnswerClass) -> str | None:
        """A listener that only the candidate has cannot answer it before it is live."""
        now = self.standing(self.candidate, question)
        target = now.passed if now is not None else None
        if target is None or new.status not in (502, 504):
            return None
        own = own_listener(self.candidate, target.members)
        if own is None or self.live.listen_at(own) is not None:
            return None
        direct = [a for q, a in self.after.items() if q.port == own[1]]
        if not direct or any(a.rank < Rank.SERVER_ERROR for a in direct):
            return f"it is passed on to port {own[1]} of nginx itself, which only the candidate has"
        return None

    def behind(self, question: Question) -> tuple[frozenset[str], bool]:
        """Whom the candidate passes it on to; and whether live did so, and they are not nginx itself."""
        was, now = self.standing(self.live, question), self.standing(self.candidate, question)
        after = now.passed if now is not None else None
        if after is None:
            return frozenset(), False
        before = was.passed if was is not None else None
        shared = before is not None and after.members <= before.members
        return after.members, shared and own_listener(self.candidate, after.members) is None

    def _only_its_own(self, question: Question) -> str | None:
        """A listener on loopback that only nginx itself asked, and asks no more."""
        listen = self.live.listen_at(question.place)
        if listen is None or not listen.local:
            return None
        texts = {f"{host}:{listen.port}" for host in (listen.address, f"[{listen.address}]", "localhost")}
        if self._asked_before & texts and not self._asked_now & texts:
            return "only nginx itself asked there, and it does no more"
        return None

    @cached_property
    def _asked_before(self) -> frozenset[str]:
        return mentioned(self.live)

    @cached_property
    def _asked_now(self) -> frozenset[str]:
        return mentioned(self.candidate)

    def invented(self, question: Question) -> bool:
        """Whether nobody is known to ask it."""
        return self._origins.get(question, Origin.WRITTEN).made_up

    def _new(self, location: Location, before: Server) -> bool:
        """Whether the server had no such location."""
        return all((x.kind, x.pattern) != (location.kind, location.pattern) for x in before.every)


def _near(one: Question, other: Question) -> bool:
    return one.place == other.place and one.name == other.name


def _closes(location: Location) -> bool:
    """Whether the location itself says that nobody, or not everybody, may have it."""
    here = location.directive
    if any(d.args and re.fullmatch(r"4\d\d", d.args[0]) for d in here.all("return")):
        return True
    if here.first("internal", "deny", "auth_request") is not None:
        return True
    return any(d.args != ("off",) for d in here.all("auth_basic"))


def _kept_by_live(was: Standing, now: Standing, new: AnswerClass) -> str | None:
    """An application that does not answer, of which live still has what it once said."""
    if new.status not in (502, 504) or not cached(was) or was.server.text != now.server.text:
        return None
    before, after = was.passed, now.passed
    if before is None or after is None or before.members != after.members:
        return None
    return "nothing is changed there: live answers out of its cache, and the application does not"


def _texts(block: Directive) -> bool:
    return any(len(d.args) == 2 for d in block.all("return"))


def _same_names(one: Server, other: Server) -> bool:
    return bool(set(one.names) & set(other.names)) or (not one.names and not other.names)
