"""The pages that people read, taken apart: blocks, commands, links and anchors.

What a fenced block means in them (docs/contributing.md): in the tutorial, the how-tos and the runbooks a
``console`` block is *executed*, line by line, and what it shows is compared with what comes; a block with
``title="FILE"`` is that file. All other blocks are illustration, and yet every ``deployer …`` line in any of
them has to be a command that exists.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)```(\w*)(.*)$")
TITLE = re.compile(r'title="([^"]+)"')
PROMPT = re.compile(r"^[$#] (.+)$")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} (.+?)(?: #+)?$")
CODE = re.compile(r"`+[^`]*`+")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    :ivar line: of its first line of content, 1-based.
    """

    page: Path
    line: int
    language: str
    title: str | None
    text: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass
class Step:
    """One command of a ``console`` block, and what the page shows of its output."""

    line: int
    command: str
    shown: list[str] = field(default_factory=list)


@cache
def pages() -> tuple[Path, ...]:
    """Everything in Markdown that a reader meets."""
    return (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")))


def name(page: Path) -> str:
    """How a test calls a page."""
    return str(page.relative_to(ROOT))


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """The fenced blocks of a page, in order."""
    found, inside, opened = [], None, 0
    lines: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if fence and inside is None:
            inside, opened, lines = fence, number + 1, []
        elif fence and inside is not None and not fence[2]:
            title = TITLE.search(inside[3])
            text = "\n".join(each.removeprefix(inside[1]) for each in lines) + "\n"
            found.append(Block(page, opened, inside[2], title[1] if title else None, text))
            inside = None
        else:
            lines.append(line)
    assert inside is None, f"{name(page)}:{opened}: this block never ends"
    return tuple(found)


@cache
def prose(page: Path) -> str:
    """A page without its fenced blocks; its lines keep their numbers."""
    text, inside = [], False
    for line in page.read_text().splitlines():
        fence = FENCE.match(line)
        text.append("" if inside or fence else line)
        inside = inside != bool(fence)
    return "\n".join(text)


def steps(block: Block) -> list[Step]:
    """The commands of a ``console`` block. A line that ends in a backslash goes on in the next one."""
    found: list[Step] = []
    more = False
    for number, line in enumerate(block.text.splitlines(), block.line):
        if more:
            found[-1].command += "\n" + line.removeprefix("> ")
        elif prompt := PROMPT.match(line):
            found.append(Step(number, prompt[1]))
        else:
            assert found, f"{block.where}: output before any command"
            found[-1].shown.append(line)
        more = line.endswith("\\") and (more or bool(PROMPT.match(line)))
    return found


def calls(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Every ``deployer …`` in the fenced blocks of a page: its line, and its arguments."""
    for block in blocks(page):
        for number, line in enumerate(block.text.splitlines(), block.line):
            prompt = PROMPT.match(line)
            typed = prompt[1] if prompt else line.strip()
            if block.language in ("", "sh", "console") and (
                prompt or typed.removeprefix("sudo ").startswith("deployer ")
            ):
                yield from ((number, words) for words in _called(typed))


def inline_calls(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Every `` `deployer …` `` in running text that is a command as it is typed, not a synopsis."""
    for number, line in enumerate(prose(page).splitlines(), 1):
        for code in CODE.findall(line):
            typed = code.strip("`").strip()
            if typed.startswith("deployer ") and not re.search(r"[\[\]|…]|\.\.\.", typed):
                yield from ((number, words) for words in _called(typed))


def _called(line: str) -> Iterator[list[str]]:
    """The calls of the program in a line of shell, without pipes, redirections and comments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            while words and (words[0] in ("sudo", "time") or re.match(r"[A-Z_]+=", words[0])):
                words.pop(0)
            if words and words[0] == "deployer":
                yield words[1:]
            words = []
        else:
            words.append(word)


def links(page: Path) -> Iterator[tuple[int, str]]:
    """The relative links of a page, with their lines."""
    for number, line in enumerate(prose(page).splitlines(), 1):
        for target in LINK.findall(CODE.sub("", line)):
            if not re.match(r"[a-z]+:", target):
                yield number, target


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub gives the headings of a page, and those that it names itself."""
    found: list[str] = []
    for line in prose(page).splitlines():
        if heading := HEADING.match(line):
            slug = slug_of(heading[1])
            again = sum(1 for each in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", each))
            found.append(f"{slug}-{again}" if slug in found else slug)
    return frozenset(found)


def slug_of(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
