"""The text of one nginx configuration file as a tree of directives.

The words come from ngxparse's lexer, so that quotes, comments, Lua and line numbers are as it sees them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import crossplane
from crossplane.errors import NgxParserBaseException
from crossplane.lexer import EXTERNAL_LEXERS, register_external_lexer

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

Token = tuple[str, int, bool]
_FEW = 16
_SIGNS = frozenset("{};")
_ODD_SPACE = re.compile(r"[^\S \t\r\n]")
_TO_PRIVATE = {
    code: 0xF0000 + code for code in range(0x3001) if chr(code).isspace() and chr(code) not in " \t\r\n"
}
_FROM_PRIVATE = {private: code for code, private in _TO_PRIVATE.items()}
_BOM = b"\xef\xbb\xbf"

if _LUA[0] not in EXTERNAL_LEXERS:
    register_external_lexer(_LUA, crossplane.LuaBlockPlugin().lex)


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
    _by_name: dict[str, list[Directive]] | None = field(default=None, init=False, repr=False)

    def all(self, *names: str) -> list[Directive]:
        """The directives of these names that stand right in its block."""
        if not self.block:
            return []
        if len(self.block) <= _FEW:
            return [d for d in self.block if d.name in names]
        known = self._named()
        if len(names) == 1:
            return [*known.get(names[0], ())]
        return [d for d in self.block if d.name in names] if any(n in known for n in names) else []

    def first(self, *names: str) -> Directive | None:
        """The first of them, or ``None``."""
        return next(iter(self.all(*names)), None)

    def _named(self) -> dict[str, list[Directive]]:
        # An http block may hold thousands, and is asked by each of them.
        if self._by_name is None:
            found: dict[str, list[Directive]] = {}
            for directive in self.block or ():
                found.setdefault(directive.name, []).append(directive)
            object.__setattr__(self, "_by_name", found)
            return found
        return self._by_name


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

    def read(self, lexed: Iterable[Token], included: Callable[[Directive], Sequence[Directive]]) -> None:
        """Take all tokens, and after each ``include`` what it brings.

        :raises Wrong: where they are no configuration; what was read before is kept.
        """
        words = self._words
        try:
            # This is the loop that all the time goes into.
            for token, line, quoted in lexed:
                if quoted or token not in _SIGNS:
                    if quoted or token[0] != "#":
                        if not words:
                            self._line = line
                        words.append(token)
                elif token == ";" and words:  # noqa: S105 (no password)
                    directive = Directive(words[0], tuple(words[1:]), self._file, self._line)
                    self._lists[-1].append(directive)
                    words.clear()
                    self.count += 1
                    if directive.name == "include" and len(directive.args) == 1:
                        self._lists[-1].extend(included(directive))
                else:
                    self._brace(token, line)
        except NgxParserBaseException as error:
            if not str(error.strerror).endswith('expecting "}"'):  # the tree knows which block is open
                raise Wrong(error.lineno or 1, str(error.strerror)) from None
        self._end()

    def _brace(self, token: str, line: int) -> None:
        words = self._words
        if token == "}":  # noqa: S105
            if words:
                raise Wrong(self._line, f'"{words[0]}" is not ended with ";"')
            if not self._blocks:
                raise Wrong(line, 'unexpected "}"')
            self._close()
            return
        if not words:
            raise Wrong(line, f'unexpected "{token}"')
        if len(self._blocks) >= MAX_NESTING:
            raise Wrong(line, f"more than {MAX_NESTING} blocks within each other")
        name, args = words[0], tuple(words[1:])
        words.clear()
        self._blocks.append((name, _condition(args) if name == "if" else args, self._line))
        self._lists.append([])

    def _end(self) -> None:
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


def tokens(raw: bytes, name: str) -> Iterator[Token]:
    """The words of a file with their lines, and whether they were quoted.

    :raises Wrong: for a file that nginx cannot begin with.
    """
    if raw.startswith(_BOM):
        raise Wrong(1, "the file begins with a byte order mark, which nginx takes for a part of a word")
    text = raw.decode("utf-8", "surrogateescape")
    if _ODD_SPACE.search(text) is None:
        return iter(crossplane.lex_string(text, filename=name))
    # nginx knows four kinds of space. A non-breaking one is part of a word, so the lexer may not see it.
    lexed = crossplane.lex_string(text.translate(_TO_PRIVATE), filename=name)
    return ((token.translate(_FROM_PRIVATE), line, quoted) for token, line, quoted in lexed)


def _condition(args: tuple[str, ...]) -> tuple[str, ...]:
    """``($a = b)`` without its parentheses."""
    if not args or not args[0].startswith("(") or not args[-1].endswith(")"):
        return args
    words = [*args]
    words[0] = words[0][1:]
    words[-1] = words[-1][:-1]
    return tuple(word for word in words if word)
