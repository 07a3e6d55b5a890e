"""The text of one nginx configuration file as a tree of directives.

The words come from ngxparse's lexer, so that quotes, comments, Lua and line numbers are as it sees them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_NESTING = 500
"""Blocks within blocks."""

_LUA = (
    "server_rewrite_by_lua_block",
    "exit_worker_by_lua_block",
    "ssl_client_hello_by_lua_block",
    "precontent_by_lua_block",
    "preread_by_lua_block",
    "proxy_ssl_certificate_by_lua_block",
    "proxy_ssl_verify_by_lua_block",
)
"""Blocks of Lua that ngxparse does not know to be such."""

_ODD_SPACE = re.compile(r"[^\S \t\r\n]")
_TO_PRIVATE = {code: 0xF0000 + code for code in range(0x3001) if _ODD_SPACE.match(chr(code))}
_FROM_PRIVATE = {private: code for code, private in _TO_PRIVATE.items()}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, eq=False)
class Directive:
    """One directive. Two are equal only when they are the same one.

    :ivar args: without quotes; of an ``if`` without its outer parentheses.
    :ivar file: the name of its file, as it was given; a file that is included twice has the same directives
        in both places.
    :ivar line: 1-based, of its name.
    :ivar block: what stands between its braces; ``None``: it has none.
    """

    name: str
    args: tuple[str, ...]
    file: str
    line: int
    block: tuple[Directive, ...] | None = None

    def all(self, *names: str) -> list[Directive]:
        """The directives of these names that stand right in its block."""
        return [d for d in self.block or () if d.name in names]

    def first(self, *names: str) -> Directive | None:
        """The first of them, or ``None``."""
        return next((d for d in self.block or () if d.name in names), None)


Place = tuple[Directive, tuple[Directive, ...]]
"""A directive and the blocks around it, outermost first."""


class Wrong(Exception):
    """The text is not a configuration, from this line (1-based) on."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message = line, message


class Tree:
    """Tokens to directives, without recursion: blocks may be nested as deep as somebody likes."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._words: list[str] = []
        self._line = 1
        self._blocks: list[tuple[str, tuple[str, ...], int]] = []
        self._lists: list[list[Directive]] = [[]]
        self.count = 0

    def take(self, token: str, line: int, quoted: bool) -> Directive | None:
        """Take the next token; give the directive that it ends, when that has no block."""
        if quoted or token not in ("{", "}", ";"):
            if quoted or not token.startswith("#"):
                if not self._words:
                    self._line = line
                self._words.append(token)
            return None
        if token == "}":  # noqa: S105 (no password)
            if self._words:
                raise Wrong(self._line, f'"{self._words[0]}" is not ended with ";"')
            if not self._blocks:
                raise Wrong(line, 'unexpected "}"')
            self._close()
            return None
        if not self._words:
            raise Wrong(line, f'unexpected "{token}"')
        name, args = self._words[0], tuple(self._words[1:])
        self._words = []
        if token == ";":  # noqa: S105
            directive = Directive(name, args, self._file, self._line)
            self._lists[-1].append(directive)
            self.count += 1
            return directive
        if len(self._blocks) >= MAX_NESTING:
            raise Wrong(line, f"more than {MAX_NESTING} blocks within each other")
        self._blocks.append((name, _condition(args) if name == "if" else args, self._line))
        self._lists.append([])
        return None

    def extend(self, directives: tuple[Directive, ...]) -> None:
        """What an include brought."""
        self._lists[-1].extend(directives)

    def end(self) -> None:
        """The file has ended."""
        if self._words:
            raise Wrong(self._line, f'the file ends before "{self._words[0]}" is ended with ";"')
        if self._blocks:
            name, _, line = self._blocks[-1]
            raise Wrong(line, f'the file ends before the block of "{name}" is closed with "}}"')

    def whole(self) -> tuple[Directive, ...]:
        """What was read; blocks that are still open end here."""
        while self._blocks:
            self._close()
        return tuple(self._lists[0])

    def _close(self) -> None:
        name, args, line = self._blocks.pop()
        block = tuple(self._lists.pop())
        self._lists[-1].append(Directive(name, args, self._file, line, block))
        self.count += 1


def tokens(raw: bytes, name: str) -> Iterator[tuple[str, int, bool]]:
    """The words of a file with their lines, and whether they were quoted.

    :raises Wrong: where they end in the middle of something.
    """
    from crossplane.errors import NgxParserBaseException

    if raw.startswith(_BOM):
        raise Wrong(
            1, "the file begins with a byte order mark, which nginx takes for a part of the first word"
        )
    text = raw.decode("utf-8", "surrogateescape")
    # nginx knows four kinds of space. A non-breaking one is part of a word, so the lexer may not see it.
    odd = _ODD_SPACE.search(text) is not None
    lexed = _lexer()(text.translate(_TO_PRIVATE) if odd else text, filename=name)
    try:
        if not odd:
            yield from lexed
            return
        for token, line, quoted in lexed:
            yield token.translate(_FROM_PRIVATE), line, quoted
    except NgxParserBaseException as error:
        if str(error.strerror).endswith('expecting "}"'):
            return  # the tree knows which block is open
        raise Wrong(error.lineno or 1, str(error.strerror)) from None


def _lexer() -> Callable[..., Iterator[tuple[str, int, bool]]]:
    import crossplane
    from crossplane.lexer import EXTERNAL_LEXERS, register_external_lexer

    if _LUA[0] not in EXTERNAL_LEXERS:
        register_external_lexer(_LUA, crossplane.LuaBlockPlugin().lex)
    lex: Callable[..., Iterator[tuple[str, int, bool]]] = crossplane.lex_string
    return lex


def _condition(args: tuple[str, ...]) -> tuple[str, ...]:
    """``($a = b)`` without its parentheses."""
    if not args or not args[0].startswith("(") or not args[-1].endswith(")"):
        return args
    words = [*args]
    words[0] = words[0][1:]
    words[-1] = words[-1][:-1]
    return tuple(word for word in words if word)
