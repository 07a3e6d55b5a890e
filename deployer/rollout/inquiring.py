"""A rehearsed candidate and what is live are asked the same questions on a host, before anything changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from deployer.errors import AgentError, AnswersWorse, Stopped
from deployer.rollout.witness import Witness

if TYPE_CHECKING:
    from deployer.comparison.asked import Question
    from deployer.comparison.asker import Asker
    from deployer.comparison.inquiry import Inquiry, Scope
    from deployer.comparison.promise import Expected, Promise
    from deployer.comparison.reality import Kept
    from deployer.config.compare import Compare
    from deployer.config.playbook import Health
    from deployer.host.rehearsal import Rehearsed
    from deployer.nginx.sites import Sites
    from deployer.rollout.effects import HostRun
    from deployer.rollout.survey import Contact

REFUSED = 65  #: the agent's code for a candidate that the validator or the rehearsal refuses


@dataclass
class Inquiries:
    """Asks on the hosts of one deployment (:data:`deployer.rollout.rehearsing.Inquiry`).

    :ivar accepted: pattern and reason of what was said to be meant, besides the playbook's.
    :ivar askers: as whom is asked besides.
    :ivar done: what came of it, by host.
    :ivar kept: how each host kept, once it was live, what its rehearsal promised.
    """

    rules: Compare
    stop: threading.Event
    accepted: tuple[tuple[str, str], ...] = ()
    askers: tuple[Asker, ...] = ()
    done: dict[str, Inquiry] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    _promises: dict[str, Promise] = field(default_factory=dict)
    _same: dict[Expected, Expected] = field(default_factory=dict)
    _known: set[tuple[int, str]] = field(default_factory=set)  #: port and name, as they were asked
    _excused: dict[tuple[int, str, str], str] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        """What may be asked and what may have changed."""
        from deployer.comparison.inquiry import Scope

        meant = (*self.accepted, *((e.route, e.reason) for e in self.rules.expect_changes))
        return Scope(self.rules.exclude, meant, cap=self.rules.cap, askers=self.askers)

    def why(self, question: Question) -> str | None:
        """The reason for which an answer may be worse, also after the activation, also on a host like it."""
        port, name, path = question.port, question.name, question.path
        why = self.scope.why(question) or self._excused.get((port, name, path))
        # A name that no server lists at a port is answered there as everybody is.
        return why if why or (port, name) in self._known else self._excused.get((port, "", path))

    @property
    def documents(self) -> Mapping[str, Mapping[str, Any]]:
        """By host, how many were asked and what differs, as the journal keeps it."""
        if not self.done:
            return {}
        from deployer.rollout.shown import document, kept_document

        found = {}
        for name, one in sorted(self.done.items()):
            after = {"after": kept_document(self.kept[name])} if name in self.kept else {}
            silent = {"unshown": one.unshown} if one.unshown else {}
            found[name] = {**document(one.comparison), "seconds": one.seconds, **silent, **after}
        return found

    @property
    def unshown(self) -> Mapping[str, tuple[str, ...]]:
        """By host, what is changed and no answer shows."""
        return {name: (one.unshown,) for name, one in self.done.items() if one.unshown}

    def witness(self, contact: Contact, health: Health) -> Witness:
        """Who holds a host to what its rehearsal will promise."""
        name = contact.host.name
        return Witness(
            contact, health, lambda: self._promises.get(name), lambda kept: self.kept.update({name: kept})
        )

    def __call__(self, run: HostRun, rehearsed: Rehearsed) -> Mapping[str, Any]:
        """Ask and compare. Returns what the journal should keep.

        :raises AnswersWorse: the candidate answers worse.
        :raises Stopped: it was told to stop.
        """
        from deployer.comparison.inquiry import Inquirer
        from deployer.rollout.shown import table

        sides = _read(rehearsed.live_text), _read(rehearsed.candidate_text)
        if rehearsed.transport is None or sides[0] is None or sides[1] is None:
            return {"notes": ["no answers were compared: what nginx reads on the host is not known"]}
        ways = run.contact.connection, rehearsed.transport
        seen = dict.fromkeys((*self._seen(run, sides[0]), *self._lying(run, sides[0])))
        scope = replace(self.scope, seen=tuple(seen))
        inquirer = Inquirer((sides[0], sides[1]), ways, scope, self.stop, _there(run))
        self._known |= {(r.question.port, r.question.name) for r in inquirer.questions.routes}
        found = inquirer.run()
        self.done[run.name] = replace(found, promise=None)
        if found.promise is not None:
            # Hosts that are alike promise the same, and a promise is kept until the host's wave.
            alike = tuple(self._same.setdefault(e, e) for e in found.promise.expected)
            self._promises[run.name] = replace(found.promise, expected=alike)
        for changed in found.comparison.changed:
            if changed.why and changed.question.bare:  # what excuses a crawler excuses no one else
                question = changed.question
                self._excused[question.port, question.name, question.path] = changed.why
        if found.comparison.stopped:
            raise Stopped("interrupted while answers were compared", host=run.name)
        shown = table(found.comparison)
        if found.comparison.worse:
            raise AnswersWorse(_refusal(found), host=run.name, code=REFUSED, details=shown)
        return _story(found, shown)

    def _seen(self, run: HostRun, live: Sites) -> tuple[tuple[str, str], ...]:
        """What users asked for; nothing where the host's logs cannot be read."""
        try:
            paths = run.contact.agent.paths(self.rules.sample)
        except AgentError:
            return ()
        from deployer.comparison.seen import seen_by

        return seen_by(paths, live, self.rules.sample)

    def _lying(self, run: HostRun, live: Sites) -> tuple[tuple[str, str], ...]:
        """Files of the host that are asked for by name; none where it does not say which it has."""
        from deployer.comparison.shelves import EACH, lying, shelves

        every = shelves(live) if self.rules.sample else ()
        try:
            files = run.contact.agent.files((shelf.directory for shelf in every), EACH)
        except AgentError:
            return ()
        return lying(live, every, files)


def _there(run: HostRun) -> Callable[[Iterable[str]], Mapping[str, str]]:
    def there(paths: Iterable[str]) -> Mapping[str, str]:
        try:
            return run.contact.agent.there(paths)
        except AgentError:
            return {}

    return there


def _story(found: Inquiry, shown: tuple[str, ...]) -> Mapping[str, Any]:
    from deployer.rollout.shown import document

    story: dict[str, Any] = {"compared": {**document(found.comparison), "seconds": found.seconds}}
    notes = [*found.notes, *filter(None, (found.unshown,))]
    if notes:
        story["notes"] = notes
    if shown:
        story["table"] = list(shown)
    return story


def _refusal(found: Inquiry) -> str:
    worse = found.comparison.worse
    first = worse[0]
    more = f", and {len(worse) - 1} more got worse" if len(worse) > 1 else ""
    route = f"{first.question.name or '(no name)'}{first.question.path.partition('?')[0]}"
    return (
        f"the candidate answers worse than what is live: {first}{more}. No user has seen it; "
        f"if it is meant: --accept-change '{route}'"
    )


def _read(text: str) -> Sites | None:
    if not text:
        return None
    from deployer.nginx.configuration import files_of_dump, parse
    from deployer.nginx.sites import read

    try:
        main, files = files_of_dump(text)
    except ValueError:
        return None
    return read(parse(files, main))
