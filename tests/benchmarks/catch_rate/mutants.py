"""Slips that nobody thought of: one small fault in a working configuration, where and which by chance. Pure.

The changes of the catalogue were written by people who had an idea of what could go wrong; these were not.
Each operator is a slip of the hand or of a merge: a line lost, a word misspelt, a value of another place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s+ | \#[^\n]* | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | [{};]
      | (?:\\.|\$\{[^}]*\}|[^\s{};"'\\])(?:\\.|\$\{[^}]*\}|[^\s{};\\])*""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Word:
    """A word of a file and where it stands."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Directive:
    """A directive, simple or a block, and where it stands."""

    words: tuple[Word, ...]
    start: int
    end: int  #: past its ``;`` or ``}``
    body: tuple[int, int] | None = None  #: between the braces
    children: tuple[Directive, ...] = ()

    @property
    def name(self) -> str:
        return self.words[0].text

    @property
    def arguments(self) -> tuple[Word, ...]:
        return self.words[1:]


def read(text: str) -> tuple[Directive, ...]:
    """The directives of a file. :raises ValueError: it is none of nginx."""
    tokens = [Word(m.group(), m.start()) for m in _TOKEN.finditer(text)]
    if "".join(token.text for token in tokens) != text:
        raise ValueError("not read to its end")
    significant = [token for token in tokens if not token.text.isspace() and not token.text.startswith("#")]
    found, at = _level(significant, 0)
    if at != len(significant):
        raise ValueError("a brace too many")
    return tuple(found)


def _level(tokens: Sequence[Word], at: int) -> tuple[list[Directive], int]:
    found: list[Directive] = []
    words: list[Word] = []
    while at < len(tokens) and tokens[at].text != "}":
        token = tokens[at]
        at += 1
        if token.text == ";":
            found.append(Directive(tuple(words), words[0].start, token.end))
            words = []
        elif token.text == "{":
            children, at = _level(tokens, at)
            close = tokens[at]
            at += 1
            body = (token.end, close.start)
            found.append(Directive(tuple(words), words[0].start, close.end, body, tuple(children)))
            words = []
        else:
            words.append(token)
    if words:
        raise ValueError(f"{words[0].text} does not end")
    return found, at


@dataclass(frozen=True)
class Mutant:
    """One file of a base as a slip leaves it."""

    operator: str
    file: str
    line: int
    before: str
    after: str
    text: str = field(repr=False)  #: of the whole file

    @property
    def story(self) -> str:
        return f"{self.file}:{self.line}: {self.before!r} became {self.after!r}"


@dataclass(frozen=True)
class _Place:
    file: str
    directive: Directive
    parent: Directive | None


class Ground:
    """The files of a base and every directive in them."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.places = [
            place for name, text in sorted(files.items()) for place in _places(name, read(text), None)
        ]
        self.simple = [place for place in self.places if place.directive.body is None]
        self.blocks = [place for place in self.places if place.directive.body is not None]

    def edited(self, operator: str, place: _Place, start: int, end: int, new: str) -> Mutant | None:
        """The file with a stretch of it replaced; ``None`` when that changes nothing."""
        text = self.files[place.file]
        before = text[start:end]
        if before == new:
            return None
        line = text.count("\n", 0, start) + 1
        return Mutant(
            operator, place.file, line, _short(before), _short(new), text[:start] + new + text[end:]
        )

    def source(self, place: _Place) -> str:
        return self.files[place.file][place.directive.start : place.directive.end]


def _places(name: str, level: Sequence[Directive], parent: Directive | None) -> Iterator[_Place]:
    for directive in level:
        yield _Place(name, directive, parent)
        yield from _places(name, directive.children, directive)


def _short(text: str, most: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


Operator = Callable[[Ground, random.Random], Mutant | None]


def _whole(operator: str, ground: Ground, place: _Place, new: str) -> Mutant | None:
    return ground.edited(operator, place, place.directive.start, place.directive.end, new)


def _word(operator: str, ground: Ground, place: _Place, word: Word, new: str) -> Mutant | None:
    return ground.edited(operator, place, word.start, word.end, new)


def _any_word(ground: Ground, chance: random.Random, pattern: str) -> tuple[_Place, Word] | None:
    """A word after a name (in a table every word counts) that the pattern is found in."""
    found = [
        (place, word)
        for place in ground.places
        for word in (place.directive.words if _is_row(place) else place.directive.arguments)
        if re.search(pattern, word.text)
    ]
    return chance.choice(found) if found else None


def _is_row(place: _Place) -> bool:
    return place.parent is not None and place.parent.name in ("map", "geo", "types", "split_clients")


def lost_line(ground: Ground, chance: random.Random) -> Mutant | None:
    """A line is gone."""
    return _whole("line lost", ground, chance.choice(ground.simple), "")


def lost_block(ground: Ground, chance: random.Random) -> Mutant | None:
    """A block is gone."""
    inner = [place for place in ground.blocks if place.directive.name not in ("http", "events")]
    return _whole("block lost", ground, chance.choice(inner), "")


def lost_file(ground: Ground, chance: random.Random) -> Mutant | None:
    """A file has nothing in it any more."""
    places = [place for place in ground.places if place.parent is None and place.file != "nginx.conf"]
    name = chance.choice(sorted({place.file for place in places}))
    place = next(place for place in places if place.file == name)
    return ground.edited("file emptied", place, 0, len(ground.files[name]), "")


def lost_word(ground: Ground, chance: random.Random) -> Mutant | None:
    """One argument of several is gone."""
    places = [place for place in ground.places if len(place.directive.arguments) > 1]
    place = chance.choice(places)
    return _word("word lost", ground, place, chance.choice(place.directive.arguments), "")


def misspelt(ground: Ground, chance: random.Random) -> Mutant | None:
    """A letter is missing, doubled, or has changed places with its neighbour."""
    found = _any_word(ground, chance, r"[A-Za-z]{3}")
    if found is None:
        return None
    place, word = found
    inside = [
        i for i in range(1, len(word.text) - 1) if word.text[i].isalpha() and word.text[i + 1].isalpha()
    ]
    if not inside:
        return None
    at, text = chance.choice(inside), word.text
    ways = (
        text[:at] + text[at + 1 :],
        text[:at] + text[at] + text[at:],
        text[:at] + text[at + 1] + text[at] + text[at + 2 :],
    )
    return _word("misspelt", ground, place, word, chance.choice(ways))


def other_digit(ground: Ground, chance: random.Random) -> Mutant | None:
    """A digit is another one."""
    found = _any_word(ground, chance, r"\d")
    if found is None:
        return None
    place, word = found
    at = chance.choice([i for i, letter in enumerate(word.text) if letter.isdigit()])
    new = chance.choice([d for d in "0123456789" if d != word.text[at]])
    return _word("digit", ground, place, word, word.text[:at] + new + word.text[at + 1 :])


def slash(ground: Ground, chance: random.Random) -> Mutant | None:
    """A slash at the end comes or goes."""
    found = _any_word(ground, chance, r"^(/|https?://|\^~)\S*$")
    if found is None:
        return None
    place, word = found
    return _word(
        "slash",
        ground,
        place,
        word,
        word.text.removesuffix("/") if word.text.endswith("/") else word.text + "/",
    )


def other_modifier(ground: Ground, chance: random.Random) -> Mutant | None:
    """A location begins in another way."""
    places = [place for place in ground.blocks if place.directive.name == "location"]
    place = chance.choice(places)
    *modifier, path = place.directive.arguments
    if path.text.startswith("@"):
        return None
    new = chance.choice(["", "= ", "^~ ", "~ ", "~* "])
    start = modifier[0].start if modifier else path.start
    return ground.edited("modifier", place, start, path.end, new + path.text)


def borrowed(ground: Ground, chance: random.Random) -> Mutant | None:
    """The arguments are those of the same directive elsewhere."""
    place = chance.choice(
        [place for place in ground.places if place.directive.arguments and not _is_row(place)]
    )
    others = [other for other in ground.places if other.directive.name == place.directive.name]
    other = chance.choice(others).directive if others else place.directive
    if not other.arguments:
        return None
    first, last = place.directive.arguments[0], place.directive.arguments[-1]
    new = " ".join(word.text for word in other.arguments)
    return ground.edited("borrowed value", place, first.start, last.end, new)


def swapped_rows(ground: Ground, chance: random.Random) -> Mutant | None:
    """Two neighbours of one block have each other's last word."""
    blocks = [place for place in ground.blocks if len(_valued(place)) > 1]
    place = chance.choice(blocks)
    one, two = sorted(chance.sample(_valued(place), 2), key=lambda directive: directive.start)
    text = ground.files[place.file]
    first, second = one.words[-1], two.words[-1]
    new = second.text + text[first.end : second.start] + first.text
    return ground.edited("swapped values", place, first.start, second.end, new)


def _valued(place: _Place) -> list[Directive]:
    """Of the simple directives in a block, those that can be taken for one another."""
    simple = [child for child in place.directive.children if child.body is None and child.arguments]
    if place.directive.name in ("map", "geo", "types", "split_clients"):
        return simple
    names = [child.name for child in simple]
    return [child for child in simple if names.count(child.name) > 1]


def moved(ground: Ground, chance: random.Random) -> Mutant | None:
    """A line stands in another block of its file."""
    place = chance.choice(ground.simple)
    blocks = [b.directive for b in ground.blocks if b.file == place.file and b.directive is not place.parent]
    if not blocks:
        return None
    block, text, line = chance.choice(blocks), ground.files[place.file], place.directive
    assert block.body is not None
    at = block.body[0]
    moved = f"\n{ground.source(place)}"
    if at <= line.start:
        new = text[:at] + moved + text[at : line.start] + text[line.end :]
    else:
        new = text[: line.start] + text[line.end : at] + moved + text[at:]
    number = text.count("\n", 0, line.start) + 1
    into = " ".join(word.text for word in block.words)
    return Mutant("moved", place.file, number, _short(ground.source(place)), f"in {into}", new)


def pasted(ground: Ground, chance: random.Random) -> Mutant | None:
    """A block has the body of another one of its kind."""
    place = chance.choice(
        [p for p in ground.blocks if p.directive.name in ("location", "server", "upstream", "if")]
    )
    others = [b for b in ground.blocks if b.directive.name == place.directive.name]
    other = chance.choice(others)
    if place.directive.body is None or other.directive.body is None:
        return None
    start, end = other.directive.body
    return ground.edited("pasted body", place, *place.directive.body, ground.files[other.file][start:end])


def doubled(ground: Ground, chance: random.Random) -> Mutant | None:
    """A line of another block has been copied to the end of this one."""
    place, other = chance.choice(ground.blocks), chance.choice(ground.simple)
    if place.directive.body is None or _is_row(other):
        return None
    end = place.directive.body[1]
    return ground.edited("copied line", place, end, end, f"{ground.source(other)}\n")


def switched(ground: Ground, chance: random.Random) -> Mutant | None:
    """What was on is off."""
    found = _any_word(ground, chance, r"^(on|off)$")
    if found is None:
        return None
    place, word = found
    return _word("on and off", ground, place, word, "off" if word.text == "on" else "on")


OPERATORS: tuple[Operator, ...] = (
    lost_line, lost_block, lost_file, lost_word, misspelt, other_digit, slash, other_modifier, borrowed,
    swapped_rows, moved, pasted, doubled, switched,
)  # fmt: skip


def mutants(files: Mapping[str, str], seed: int) -> Iterator[Mutant]:
    """Mutants without end, no text twice; the same ones for the same seed.

    The operator is drawn first: a slip of which there are few is as likely as one of which there are many.
    """
    ground, chance = Ground(files), random.Random(seed)  # noqa: S311 - no secret
    seen: set[tuple[str, str]] = set()
    while True:
        mutant = chance.choice(OPERATORS)(ground, chance)
        if mutant is not None and (mutant.file, mutant.text) not in seen:
            seen.add((mutant.file, mutant.text))
            yield mutant
