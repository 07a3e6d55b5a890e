"""An nginx configuration as data: what stands where, with file and line; includes read, nothing judged.

A release is parsed where it is, in memory, with the directory it will stand at on a host.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from deployer.nginx.tree import Directive, Place, Tree, Wrong, tokens

__all__ = [
    "DATA",
    "Config",
    "Directive",
    "Include",
    "Place",
    "Problem",
    "files_of_dump",
    "glob_regex",
    "is_glob",
]
__all__ += ["parse", "walk"]

MAX_DEPTH = 64
"""Files that include each other; nginx itself runs out of descriptors somewhat later."""
MAX_DIRECTIVES = 1_000_000
"""After all includes. A file that is included in each of many blocks counts each time."""

DATA = frozenset({"map", "geo", "types", "split_clients", "charset_map"})
"""Blocks that hold a table, not directives: a key there may be called ``server`` and mean nothing."""

_MARKER = re.compile(rb"^# configuration file (.+):\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Include:
    """One ``include`` as it was met; met again with another file around it, it is there again.

    :ivar pattern: absolute.
    :ivar matched: names of the files that were read, in nginx's order.
    :ivar missing: it names a file, or matches one, whose content is not known here. It may be on the host.
    """

    directive: Directive
    pattern: str
    matched: tuple[str, ...]
    missing: bool

    @property
    def glob(self) -> bool:
        """Whether it is a pattern: nginx does not mind when nothing matches that."""
        return is_glob(self.pattern)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read.

    :ivar kind: ``syntax``, ``recursion`` or ``size``.
    :ivar doubtful: the parser may be wrong, not the file (Lua has quotes of its own).
    """

    kind: str
    file: str
    line: int
    message: str
    doubtful: bool = False


@dataclass(frozen=True)
class Config:
    """A configuration, whole.

    :ivar directives: of the main file. An ``include`` stays where it is and is followed by what it brought.
    :ivar files: content by name, as given, read or not.
    :ivar unknown: names that are there with a content that is not known (:func:`parse`).
    """

    main: str
    directory: str
    directives: tuple[Directive, ...]
    files: Mapping[str, bytes] = field(repr=False)
    includes: tuple[Include, ...] = ()
    problems: tuple[Problem, ...] = ()
    unknown: frozenset[str] = frozenset()

    def walk(self) -> Iterator[Place]:
        """Every directive in the order of the text, each with the blocks around it."""
        return walk(self.directives)

    @cached_property
    def index(self) -> Mapping[str, Sequence[Place]]:
        """Directives by name, without the entries of tables (:data:`DATA`)."""
        found: dict[str, list[Place]] = {}
        for place in walk(self.directives, tables=False):
            found.setdefault(place[0].name, []).append(place)
        return found

    def find(self, *names: str) -> list[Place]:
        """All directives of these names, wherever they stand."""
        return [place for name in names for place in self.index.get(name, ())]

    @cached_property
    def read(self) -> frozenset[str]:
        """Names of the files that take part."""
        return frozenset({self.main, *(name for include in self.includes for name in include.matched)})

    def absolute(self, path: str) -> str:
        """A path of ``include`` or ``ssl_certificate``: nginx takes it from the main file's directory."""
        base = posixpath.dirname(_absolute(self.main, self.directory))
        return posixpath.normpath(posixpath.join(base, path))

    def content(self, path: str) -> bytes | None:
        """What is known to stand at an absolute path; ``None``: nothing is."""
        return next((self.files[n] for n in _names_of(path, self.directory) if n in self.files), None)

    def lines(self, file: str) -> Sequence[str]:
        """The lines of a file, for people to see."""
        cached = self._lines.get(file)
        if cached is None:
            text = self.files.get(file, b"").decode("utf-8", "replace")
            cached = self._lines[file] = text.replace("\r\n", "\n").split("\n")
        return cached

    @cached_property
    def _lines(self) -> dict[str, Sequence[str]]:
        return {}


def parse(
    files: Mapping[str, bytes],
    main: str = "nginx.conf",
    *,
    directory: str = "/etc/nginx",
    unknown: Collection[str] = (),
) -> Config:
    """Read a configuration that is held in memory. Never fails: what cannot be read is among its problems.

    :param files: content by name. A name is relative to ``directory``, or absolute for a file beside it.
    :param main: name of the file that nginx would be started with.
    :param directory: the absolute path that the files stand at on a host; relative includes are looked for
        where the main file stands.
    :param unknown: names of files that are there with a content that is not known (a link out of the tree).
    """
    reader = _Reader(files, main, directory.rstrip("/") or "/", frozenset(unknown))
    directives = reader.file(main) if main in files else ()
    if main not in files:
        reader.problems.append(Problem("syntax", main, 1, "there is no such file"))
    return Config(
        main, directory, directives, files, tuple(reader.includes), tuple(reader.problems), frozenset(unknown)
    )


def files_of_dump(dump: str | bytes) -> tuple[str, dict[str, bytes]]:
    """What ``nginx -T`` printed, as name of the main file and content by (absolute) name.

    :raises ValueError: when it is not such a dump.
    """
    raw = dump.encode("utf-8", "surrogateescape") if isinstance(dump, str) else dump
    marks = list(_MARKER.finditer(raw))
    if not marks:
        raise ValueError("not the output of nginx -T: there is no '# configuration file' in it")
    files: dict[str, bytes] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        name = mark[1].decode("utf-8", "surrogateescape")
        body = raw[mark.end() + 1 : following.start() if following else len(raw)]
        files.setdefault(name, body.removesuffix(b"\n"))
    return marks[0][1].decode("utf-8", "surrogateescape"), files


def walk(directives: Sequence[Directive], *, tables: bool = True) -> Iterator[Place]:
    """Every directive below, in the order of the text; ``tables=False`` leaves out the entries of tables."""
    around: tuple[Directive, ...] = ()
    stack = [(iter(directives), around)]
    while stack:
        rest, around = stack[-1]
        for directive in rest:
            yield directive, around
            if directive.block and (tables or directive.name not in DATA):
                stack.append((iter(directive.block), (*around, directive)))
                break
        else:
            stack.pop()


def is_glob(pattern: str) -> bool:
    """Whether nginx takes it as a pattern."""
    return not frozenset("*?[").isdisjoint(pattern)


def glob_regex(pattern: str) -> re.Pattern[str]:
    """A pattern of glob(3) as a regular expression for whole paths."""
    out, at, size = [], 0, len(pattern)
    while at < size:
        char, at = pattern[at], at + 1
        if char in "*?[" and (at == 1 or pattern[at - 2] == "/"):
            out.append(r"(?!\.)")
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif (
            char == "[" and (end := pattern.find("]", at + 2 if pattern[at : at + 1] in "!^" else at + 1)) > 0
        ):
            body, at = pattern[at:end].replace("\\", "\\\\").replace("[", "\\["), end + 1
            out.append(f"[^/{body[1:]}]" if body[0] in "!^" else f"[{body}]")
        else:
            if char == "\\" and at < size:
                char, at = pattern[at], at + 1
            out.append(re.escape(char))
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error:  # [z-a] matches nothing, as in glob(3)
        return re.compile(r"(?!)")


class _Reader:
    """Files to directives; each file is read once, however often it is included."""

    def __init__(
        self, files: Mapping[str, bytes], main: str, directory: str, unknown: frozenset[str]
    ) -> None:
        self._files, self._directory = files, directory
        self._base = posixpath.dirname(_absolute(main, directory))
        self._names = {_absolute(name, directory): name for name in (*unknown, *files)}
        self._globs: dict[str, tuple[str, ...]] = {}
        self._done: dict[str, tuple[tuple[Directive, ...], int]] = {}
        self._open: list[str] = []
        self.includes: list[Include] = []
        self.problems: list[Problem] = []
        self._size = 0

    def file(self, name: str) -> tuple[Directive, ...]:
        """The directives of a file, its includes read."""
        self._open.append(name)
        tree = Tree(name)
        raw = self._files[name]
        try:
            tree.read(tokens(raw, name), self._include)
        except Wrong as wrong:
            doubtful = b"_by_lua" in raw
            self.problems.append(Problem("syntax", name, wrong.line, wrong.message, doubtful))
        self._open.pop()
        self._size += tree.count
        return tree.whole()

    def _include(self, directive: Directive) -> tuple[Directive, ...]:
        pattern = posixpath.normpath(posixpath.join(self._base, directive.args[0]))
        names = self._matching(pattern)
        matched = tuple(name for name in names if name in self._files)
        missing = len(matched) < len(names) or not (names or is_glob(pattern))
        self.includes.append(Include(directive, pattern, matched, missing))
        return tuple(d for name in matched for d in self._included(name, directive))

    def _included(self, name: str, by: Directive) -> tuple[Directive, ...]:
        if name in self._open or len(self._open) > MAX_DEPTH:
            chain = " → ".join([*self._open[-3:], name])
            self._complain("recursion", by, f"files include each other without end: {chain}")
            return ()
        if name not in self._done:
            before = self._size
            self._done[name] = self.file(name), 0
            self._done[name] = self._done[name][0], self._size - before
        else:
            self._size += self._done[name][1]
        if self._size > MAX_DIRECTIVES:
            self._complain("size", by, f"more than {MAX_DIRECTIVES:,} directives after all includes")
            return ()
        return self._done[name][0]

    def _complain(self, kind: str, by: Directive, message: str) -> None:
        problem = Problem(kind, by.file, by.line, message)
        if problem not in self.problems:
            self.problems.append(problem)

    def _matching(self, pattern: str) -> tuple[str, ...]:
        if not is_glob(pattern):
            return (self._names[pattern],) if pattern in self._names else ()
        found = self._globs.get(pattern)
        if found is None:
            regex = glob_regex(pattern)
            hits = sorted((path for path in self._names if regex.fullmatch(path)), key=_bytes)
            found = self._globs[pattern] = tuple(self._names[path] for path in hits)
        return found


def _absolute(name: str, directory: str) -> str:
    return posixpath.normpath(posixpath.join(directory, name))


def _names_of(path: str, directory: str) -> tuple[str, ...]:
    base = directory.rstrip("/") + "/"
    return (path, path.removeprefix(base)) if path.startswith(base) else (path,)


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
