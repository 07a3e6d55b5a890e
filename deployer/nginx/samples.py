"""A string that a regular expression matches, made from its parts. Pure.

nginx speaks PCRE, this reads what Python's ``re`` understands of it: nearly all that configurations hold.
What cannot be read or built is left out; every string is tried before it is given, so none is wrong.
"""

from __future__ import annotations

import re
import string
import warnings
from collections.abc import Iterable
from functools import lru_cache

from deployer.nginx.paths import is_natural

_parser = re._parser  # type: ignore[attr-defined]  # the one way to the parts of an expression
_PREFERRED = string.ascii_lowercase + string.digits + string.ascii_uppercase + "-_./" + string.printable
_POSIX = {
    "[:alnum:]": "a-zA-Z0-9",
    "[:alpha:]": "a-zA-Z",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:space:]": r"\s",
    "[:word:]": r"\w",
    "[:xdigit:]": "0-9a-fA-F",
}
_MAX_LENGTH = 300
_WORD = "probe"


@lru_cache(maxsize=2048)
def samples(pattern: str, *, ignore_case: bool = False, begin: str = "", limit: int = 2) -> tuple[str, ...]:
    """Up to ``limit`` different strings that the expression is found in, the plainest first.

    :param begin: what each has to begin with ("/" for a path); put before it where the expression allows.
    """
    compiled = _compile(pattern, ignore_case=ignore_case)
    if compiled is None:
        return ()
    found: list[str] = []
    for choice in range(4):
        try:
            text = _Builder(choice).build(_parse(pattern, ignore_case=ignore_case))
        except _Impossible:
            continue
        for candidate in _fitted(text, begin):
            if candidate not in found and len(candidate) <= _MAX_LENGTH and compiled.search(candidate):
                found.append(candidate)
                break
    return tuple(found[:limit])


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool | None:
    """Whether the expression is found in a text; ``None`` when it cannot be read here."""
    compiled = _compile(pattern, ignore_case=ignore_case)
    return None if compiled is None else compiled.search(text) is not None


def groups(pattern: str, text: str, *, ignore_case: bool = False) -> dict[str, str] | None:
    """What its groups hold, by number and by name, when it is found."""
    compiled = _compile(pattern, ignore_case=ignore_case)
    found = compiled.search(text) if compiled is not None else None
    if found is None:
        return None
    held = {str(n): value or "" for n, value in enumerate(found.groups(), 1)}
    return held | {name: value or "" for name, value in found.groupdict().items()}


def _fitted(text: str, begin: str) -> Iterable[str]:
    """Ways to have it begin so; of paths those that somebody asks for: no ``//``, no ``/.``."""
    for way in _begun(text, begin):
        if not begin.startswith("/") or is_natural(way):
            yield way
        elif is_natural(way + _WORD):
            yield way + _WORD


def _begun(text: str, begin: str) -> Iterable[str]:
    if begin and text.startswith("."):  # "/probe.css" rather than a hidden file
        yield begin + _WORD + text
    if text.startswith(begin):
        yield text
    else:
        yield begin.rstrip("/") + text if text.startswith("/") else begin + text
        yield begin + _WORD + text
        yield begin + _WORD + "/" + text


def _python(pattern: str) -> str:
    """PCRE's spellings as Python's."""
    text = re.sub(r"\(\?(?:<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')", lambda m: f"(?P<{m[1] or m[2]}>", pattern)
    text = re.sub(r"\\h(?![A-Za-z])", r"[ \\t]", text)
    text = text.replace(r"\z", r"\Z").replace(r"\K", "")
    text = re.sub(r"\\x\{([0-9A-Fa-f]{1,4})\}", lambda m: re.escape(chr(int(m[1], 16))), text)
    for name, inner in _POSIX.items():
        text = text.replace(name, inner)
    flags = re.search(r"^(.+?)(\(\?[aimsx]+\))", text)  # Python wants them in front
    if flags:
        text = flags[2] + text.replace(flags[2], "", 1)
    return text


@lru_cache(maxsize=2048)
def _compile(pattern: str, *, ignore_case: bool) -> re.Pattern[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(_python(pattern), re.ASCII | (re.IGNORECASE if ignore_case else 0))
    except (re.error, RecursionError, OverflowError, ValueError):
        return None


def _parse(pattern: str, *, ignore_case: bool) -> Iterable[tuple[object, object]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flags = re.ASCII | (re.IGNORECASE if ignore_case else 0)
        return _parser.parse(_python(pattern), flags)  # type: ignore[no-any-return]


class _Impossible(Exception):
    """Nothing can be built from this part, or not by this way of choosing."""


class _Builder:
    """Builds one string; ``choice`` turns the alternatives and repetitions that are taken."""

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._groups: dict[int, str] = {}

    def build(self, tree: Iterable[tuple[object, object]]) -> str:
        """The parts one after the other."""
        return "".join(self._part(str(op), argument) for op, argument in tree)

    def _part(self, op: str, argument: object) -> str:
        makers = {
            "LITERAL": self._literal,
            "NOT_LITERAL": lambda a: self._other(f"[^{re.escape(chr(a))}]"),
            "ANY": lambda _: "x",
            "IN": self._any_of,
            "BRANCH": self._branch,
            "SUBPATTERN": self._group,
            "MAX_REPEAT": self._repeat,
            "MIN_REPEAT": self._repeat,
            "POSSESSIVE_REPEAT": self._repeat,
            "ATOMIC_GROUP": self.build,
            "GROUPREF": lambda a: self._groups.get(a, ""),
            "AT": lambda _: "",
            "ASSERT": self._ahead,
            "ASSERT_NOT": lambda _: "",
            "GROUPREF_EXISTS": lambda a: self.build(a[1] if a[0] in self._groups else a[2] or []),
            "CATEGORY": lambda a: self._any_of([("CATEGORY", a)]),
        }
        maker = makers.get(op)
        if maker is None:
            raise _Impossible(op)
        return maker(argument)  # type: ignore[operator, no-any-return]

    def _literal(self, code: int) -> str:
        return chr(code)

    def _ahead(self, argument: tuple[int, Iterable[tuple[object, object]]]) -> str:
        # What a look-ahead wants comes again behind it, mostly; what a look-behind wants has to be there.
        direction, tree = argument
        return self.build(tree) if direction < 0 or self._choice % 2 else ""

    def _branch(self, argument: tuple[object, list[Iterable[tuple[object, object]]]]) -> str:
        ways = argument[1]
        return self.build(ways[self._choice % len(ways)])

    def _group(self, argument: tuple[int | None, int, int, Iterable[tuple[object, object]]]) -> str:
        text = self.build(argument[3])
        if argument[0] is not None:
            self._groups[argument[0]] = text
        return text

    def _repeat(self, argument: tuple[int, int, Iterable[tuple[object, object]]]) -> str:
        least, most, tree = argument
        parts = list(tree)
        wide = len(parts) == 1 and str(parts[0][0]) in ("ANY", "IN", "NOT_LITERAL")
        # ".*" and "[a-z]+" look best as a word; what is optional is left out first, then put in.
        wanted = len(_WORD) if wide and most > 1 else 1
        times = max(least, min(int(most), wanted if self._choice < 2 or least else 0))
        if least == 0 and not wide and self._choice == 0:
            times = 0
        if least == 0 and wide and most == 1:
            times = 0 if self._choice == 0 else 1
        if times > 64:
            raise _Impossible("repeated too often")
        if wide and times > 1 and self._fits_word(parts[0]):
            return (_WORD * (times // len(_WORD) + 1))[:times]
        return "".join(self.build(parts) for _ in range(times))

    def _fits_word(self, part: tuple[object, object]) -> bool:
        op, argument = part
        if str(op) == "ANY":
            return True
        allowed = self._allowed(argument if str(op) == "IN" else [("NEGATE", None), ("LITERAL", argument)])
        return all(c in allowed for c in _WORD)

    def _other(self, cls: str) -> str:
        return next(c for c in _PREFERRED if re.match(cls, c))

    def _any_of(self, items: object) -> str:
        allowed = self._allowed(items)
        if not allowed:
            raise _Impossible("no character fits")
        return allowed[0]

    def _allowed(self, items: object) -> str:
        """The characters of a class, those one likes in a path first."""
        negate, held = False, set()
        for op, argument in items:  # type: ignore[attr-defined]
            kind = str(op)
            if kind == "NEGATE":
                negate = True
            elif kind == "LITERAL":
                held.add(argument)
            elif kind == "RANGE":
                held.update(range(argument[0], min(argument[1], 255) + 1))
            elif kind == "CATEGORY":
                held.update(o for o in range(128) if _in_category(str(argument), chr(o)))
        if negate:
            return "".join(c for c in _PREFERRED if ord(c) not in held)
        liked = [c for c in _PREFERRED if ord(c) in held]
        return "".join(liked) or "".join(map(chr, sorted(held)))


def _in_category(name: str, char: str) -> bool:
    letter = {"DIGIT": "d", "WORD": "w", "SPACE": "s"}[name.rpartition("_")[2]]
    return re.match(f"\\{letter.upper() if '_NOT_' in name else letter}", char, re.ASCII) is not None
