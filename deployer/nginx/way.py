"""The way of a request through a server: rewritten, returned, tried and led on as nginx does it. Pure.

Who answers is not the location where a path fits, but the one where nothing leads it on any more: after
``rewrite`` of the server and of each location on the way, ``try_files``, ``index`` and ``error_page``. What
the files on the host decide is only known where somebody says so; else it is told who may answer besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from deployer.nginx.configuration import Config
from deployer.nginx.paths import read_path
from deployer.nginx.samples import groups, matches
from deployer.nginx.sites import Location, Server, effective
from deployer.nginx.tree import Directive
from deployer.nginx.values import value

MOST_CHANGES = 10
"""nginx goes round no more often."""

Files = Callable[[Sequence[Directive], str], bool | None]
"""Whether a path has a file (with a slash at its end: a directory) for these blocks; ``None``: who knows."""

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([1-9])|([A-Za-z_]\w*))")
_PASSES = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass")
_LED_AWAY = ("http://", "https://", "$scheme")


@dataclass(frozen=True)
class Way:
    """Where a request ends.

    :ivar location: that answers; ``None``: the server itself does.
    :ivar path: as it comes into that location, before what is rewritten in there.
    :ivar answer: the ``return`` or ``rewrite`` that answers; ``None``: files, or whom it is passed on to.
    :ivar moved: the rewrites that led it on, in their order.
    :ivar others: locations, or the server itself, that may answer instead: by the files that there are, or by
        what goes wrong.
    :ivar sure: no test on the way was one that cannot be decided here.
    :ivar through: every location that it came into, the last as well.
    :ivar status: of what answers, as far as it is written down; 500 where it goes in circles.
    """

    location: Location | None
    path: str
    answer: Directive | None = None
    moved: tuple[Directive, ...] = ()
    others: tuple[Location | None, ...] = ()
    sure: bool = True
    status: int | None = None
    through: tuple[Location, ...] = ()


def follow(
    config: Config | None,
    server: Server,
    asked: str,
    brings: Mapping[str, str] | None = None,
    files: Files = lambda _scope, _path: None,
) -> Way:
    """The way of a path, with its arguments, as it goes over the wire.

    :param brings: what else the request says, by variable (``http_cookie``), without ``$``.
    """
    walk = _Walk(config, server, asked, dict(brings or {}), files)
    return walk.begin(read_path(asked))


class _Unknown(Exception):
    """It depends on what cannot be known here."""


class _Walk:
    """One request on its way."""

    def __init__(
        self, config: Config | None, server: Server, asked: str, brings: dict[str, str], files: Files
    ) -> None:
        self._config, self._server, self._files = config, server, files
        self._known = {"request_method": "GET", "request_uri": asked} | brings
        self._args = asked.partition("?")[2]
        self._path = ""
        self._held: dict[str, str] = {}
        self._moved: list[Directive] = []
        self._through: list[Location] = []
        self._left = MOST_CHANGES
        self._sure = True
        self._erred = False  # an error_page was taken: there is no second one
        self._changed = False
        self._within = False  # try_files is over; an "if" that held has a scope of its own, without it

    # --- phases

    def begin(self, path: str) -> Way:
        """From what the server says before any location is looked for."""
        self._path, self._changed, self._within = path, False, False
        answer = self._run(self._server.directive)
        return self._answered(None, path, answer) if answer is not None else self._search()

    def _search(self) -> Way:
        location = self._server.locate(self._path)
        if location is not None and location.regex:
            self._held = groups(location.pattern, self._path, ignore_case=location.kind == "~*") or {}
        return self._enter(location)

    def _enter(self, location: Location | None) -> Way:
        entered, self._changed = self._path, False
        if location is None:
            return self._content(None, entered)
        self._within = False
        self._through.append(location)
        answer = self._run(location.directive)
        if answer is not None:
            return self._answered(location, entered, answer)
        if not self._changed:
            return self._content(location, entered)
        return self._search() if self._turn() else self._end(location, entered, status=500)

    def _turn(self) -> bool:
        """Whether it may be led on once more."""
        self._left -= 1
        return self._left >= 0

    def _content(self, location: Location | None, entered: str) -> Way:
        scope = self._scope(location)
        tries = scope[-1].first("try_files")
        if tries is not None and len(tries.args) > 1 and not self._within:
            way = self._tried(location, entered, tries.args)
            if way is not None:
                return way
        if _passes(scope[-1]):
            return self._end(location, entered)
        return self._served(location, entered)

    def _tried(self, location: Location | None, entered: str, args: Sequence[str]) -> Way | None:
        """Where ``try_files`` leads to; ``None``: it stays."""
        scope = self._scope(location)
        for text in args[:-1]:
            path = self._valued(text)
            found = self._files(scope, path) if path is not None else None
            if path is not None and path.endswith("/") and not text.endswith("/"):
                found = False  # it is looked for as a file
            if found is None:
                return replace(self._end(location, entered), others=self._others(location))
            if found and path is not None:
                self._path = path.removesuffix("/")  # a directory is then redirected to its slash
                self._within = True  # and nothing else is tried
                return None
        return self._led(location, entered, args[-1]) or self._end(location, entered)

    def _served(self, location: Location | None, entered: str) -> Way:
        """By the files that there are."""
        scope = self._scope(location)
        if not self._path.endswith("/"):
            there = self._files(scope, self._path)
            if there is not False:
                return self._end(location, entered)
            if self._files(scope, self._path + "/"):
                return self._end(location, entered, status=301)
            return self._failed(location, entered, 404)
        for name in _indexes(scope):
            path = name if name.startswith("/") else self._path + name
            found = True if name.startswith("/") else self._files(scope, path)
            if found is None:
                return self._end(location, entered)
            if found:
                return self.begin(path) if self._turn() else self._end(location, entered, status=500)
        there = self._files(scope, self._path)
        status = {True: 403, False: 404, None: None}[there]
        return self._end(location, entered) if status is None else self._failed(location, entered, status)

    # --- ends

    def _answered(self, location: Location | None, entered: str, answer: Directive) -> Way:
        """By a ``return``, whose status may have a page of its own, or a ``rewrite`` to elsewhere."""
        plain = answer.name == "return" and len(answer.args) == 1 and answer.args[0].isdigit()
        code = int(answer.args[0]) if answer.args and answer.args[0].isdigit() else None
        if plain and code is not None and code >= 300 and code != 444:
            return self._failed(location, entered, code, answer)
        return self._end(location, entered, answer=answer, status=code)

    def _failed(
        self, location: Location | None, entered: str, status: int, answer: Directive | None = None
    ) -> Way:
        """What ``error_page`` makes of a status."""
        scope = self._scope(location)
        again = any(d.args == ("on",) for d in effective(scope, "recursive_error_pages"))
        target = next((t for codes, t in _pages(scope) if str(status) in codes), None)
        if target is not None and not self._erred:
            self._erred = not again
            led = self._led(location, entered, target)
            if led is not None:
                return led
        return self._end(location, entered, answer=answer, status=status)

    def _led(self, location: Location | None, entered: str, target: str) -> Way | None:
        """An internal redirect; ``None``: it is none, or who knows."""
        if target.startswith("="):
            code = target[1:]
            return self._failed(location, entered, int(code)) if code.isdigit() else None
        if target.startswith("@"):
            named = next((x for x in self._server.every if x.kind == "@" and f"@{x.pattern}" == target), None)
            if named is None or not self._turn():
                return self._end(location, entered, status=500)
            return self._enter(named)
        path, _, args = (self._valued(target) or "").partition("?")
        if not path.startswith("/"):
            return None
        if not self._turn():
            return self._end(location, entered, status=500)
        self._args = args
        return self.begin(path)

    def _end(
        self,
        location: Location | None,
        entered: str,
        *,
        answer: Directive | None = None,
        status: int | None = None,
    ) -> Way:
        others = self._others(location) if answer is None and status is None else ()
        moved, through = tuple(self._moved), tuple(self._through)
        return Way(location, entered, answer, moved, others, self._sure, status, through)

    def _others(self, location: Location | None) -> tuple[Location | None, ...]:
        """Who may answer instead: fallbacks, start pages, pages for errors."""
        scope = self._scope(location)
        targets = {t: True for _, t in _pages(scope)} if not self._erred else {}
        tries = scope[-1].first("try_files")
        if tries is not None and not self._within:
            targets |= dict.fromkeys(tries.args[-1:], self._erred)
        if not _passes(scope[-1]) and self._path.endswith("/"):
            names = (n if n.startswith("/") else self._path + n for n in _indexes(scope))
            targets |= dict.fromkeys(names, self._erred)
        found: dict[int, Location | None] = {}
        for target, erred in targets.items():
            if self._left <= 0:
                break
            way = self._apart(erred=erred)._led(location, self._path, target)
            for one in (way.location, *way.others) if way is not None else ():
                if one is not location:
                    found[id(one)] = one
        return tuple(found.values())

    def _apart(self, *, erred: bool) -> _Walk:
        """Another one from here, with less of a way before it: what may be grows quickly."""
        walk = _Walk(self._config, self._server, "", dict(self._known), self._files)
        walk._path, walk._args, walk._left = self._path, self._args, min(self._left, 4) - 1
        walk._erred, walk._held = erred, dict(self._held)
        return walk

    def _scope(self, location: Location | None) -> tuple[Directive, ...]:
        return location.scope if location is not None else self._server.scope

    # --- what stands in a block

    def _run(self, block: Directive) -> Directive | None:
        """Rewrite as a block says; the directive that answers, if one does."""
        for answer, over in self._steps(block):
            if answer is not None or over:
                return answer
        return None

    def _steps(self, block: Directive) -> Iterator[tuple[Directive | None, bool]]:
        """For each directive: what answers, and whether no other comes after."""
        for directive in block.all("rewrite", "return", "if", "set", "break"):
            if directive.name == "return":
                yield directive, True
            elif directive.name == "break":
                self._changed = False
                yield None, True
            elif directive.name == "set":
                self._set(directive)
            elif directive.name == "if":
                if self._test(directive.args):
                    self._within = True
                    yield from self._steps(directive)
            else:
                yield self._rewrite(directive)

    def _set(self, directive: Directive) -> None:
        if len(directive.args) == 2:
            name, found = directive.args[0].lstrip("$"), self._valued(directive.args[1])
            if name in ("args", "query_string"):
                self._args = found or ""
            elif found is None:
                self._known.pop(name, None)
            else:
                self._known[name] = found

    def _rewrite(self, directive: Directive) -> tuple[Directive | None, bool]:
        if len(directive.args) < 2:
            return None, False
        pattern, target, *flags = directive.args
        held = groups(pattern, self._path)
        if held is None:
            self._sure = self._sure and matches(pattern, self._path) is not None
            self._held = {}
            return None, False
        self._take(held)
        if target.startswith(_LED_AWAY) or set(flags) & {"redirect", "permanent"}:
            return directive, True
        self._moved.append(directive)
        new = self._valued(target)
        if new is None:
            self._sure = False
            self._moved.pop()
            return None, False
        path, mark, args = new.partition("?")
        kept = "" if target.endswith("?") else self._args
        self._args = "&".join(x for x in (args.removesuffix("?"), kept) if x) if mark else self._args
        self._path, self._changed = path, "break" not in flags
        return None, bool(set(flags) & {"last", "break"})

    def _take(self, held: Mapping[str, str]) -> None:
        self._held = {n: text for n, text in held.items() if n.isdigit()}
        self._known |= {n: text for n, text in held.items() if not n.isdigit()}

    def _test(self, args: Sequence[str]) -> bool:
        """Whether an ``if`` holds; what is not known here does not, and is remembered."""
        try:
            return self._holds(args)
        except _Unknown:
            self._sure = False
            return False

    def _holds(self, args: Sequence[str]) -> bool:
        if not args or args[0].lstrip("!") in ("-f", "-d", "-e", "-x"):
            raise _Unknown
        left = self._needed(args[0])
        if len(args) < 3:
            return left not in ("", "0")
        test = args[1]
        if "~" not in test:
            return (left == self._needed(args[2])) is (test == "=")
        fits = matches(args[2], left, ignore_case=test.endswith("*"))
        if fits is None:
            raise _Unknown
        self._take((groups(args[2], left, ignore_case=test.endswith("*")) or {}) if fits else {})
        return fits is not test.startswith("!")

    # --- values

    def _needed(self, text: str) -> str:
        found = self._valued(text)
        if found is None:
            raise _Unknown
        return found

    def _valued(self, text: str) -> str | None:
        """A text with its variables replaced; ``None``: not all are known."""
        here = {"uri": self._path, "document_uri": self._path, "args": self._args}
        here |= {"query_string": self._args, "is_args": "?" if self._args else ""}
        said = dict(x.partition("=")[::2] for x in reversed(self._args.split("&")))
        here |= {n: said.get(n[4:], "") for n in _arguments(text)}
        known = self._known | here
        known |= {str(n): self._held.get(str(n), "") for n in range(1, 10)}

        def one(found: re.Match[str]) -> str:
            name = found[1] or found[2] or found[3]
            if name in known:
                return known[name]
            whole = f"${{{name}}}"
            return value(self._config, (), whole, known) if self._config is not None else whole

        new = _VARIABLE.sub(one, text)
        # What was asked for may have a dollar in it; what is written may not.
        return None if re.search(r"\$\{\w+\}", new) else new


def _arguments(text: str) -> Iterator[str]:
    """The variables of a text that are an argument of the path each."""
    names = (found[1] or found[3] for found in _VARIABLE.finditer(text))
    return (name for name in names if name and name.startswith("arg_"))


def _passes(block: Directive) -> bool:
    inner = (d.first(*_PASSES) for d in block.all("if", "limit_except"))
    return block.first(*_PASSES) is not None or any(d is not None for d in inner)


def _indexes(scope: Sequence[Directive]) -> tuple[str, ...]:
    found = tuple(chain.from_iterable(d.args for d in effective(scope, "index")))
    return tuple(name for name in found or ("index.html",) if "$" not in name)


def _pages(scope: Sequence[Directive]) -> Iterator[tuple[frozenset[str], str]]:
    """Statuses, and where ``error_page`` leads them."""
    for directive in effective(scope, "error_page"):
        *codes, target = directive.args or ("",)
        yield frozenset(codes), target
