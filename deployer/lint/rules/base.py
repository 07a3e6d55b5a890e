"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from deployer.lint.rules.subject import Subject
    from deployer.nginx.tree import Directive


class Severity(StrEnum):
    """How sure it is that users suffer."""

    ERROR = "error"  #: it surely breaks users, or it is certainly not meant
    WARNING = "warning"  #: it often does
    INFO = "info"  #: worth knowing when something else is looked for

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return ("info", "warning", "error").index(self)


class Hit(NamedTuple):
    """Where a rule fired, and what it says of that place.

    :ivar severity: other than the rule's own, where this one is less sure.
    """

    at: Directive
    says: str
    severity: Severity | None = None


@dataclass(frozen=True)
class Rule:
    """One thing that nginx accepts (mostly) and that breaks users.

    :ivar id: stable; what an ignore names.
    :ivar why: what users see.
    :ivar fix: what to do.
    :ivar bad: an example that fires; ``# file: NAME`` begins another file.
    :ivar good: one that does not.
    :ivar context: what the examples stand in: ``main``, ``http`` or ``server``.
    :ivar whole: needs a whole configuration, says nothing of a fragment.
    :ivar refused: nginx itself refuses the bad example.
    """

    id: str
    severity: Severity
    title: str
    why: str
    fix: str
    bad: str
    good: str
    check: Callable[[Subject], Iterable[Hit]]
    context: str = "http"
    whole: bool = False
    refused: bool = False
    theme: str = ""

    def example(self, text: str, main: str = "nginx.conf") -> Mapping[str, bytes]:
        """An example as files, the main file completed to what nginx starts with."""
        first, *others = text.strip("\n").split("# file: ")
        files = {name: body for name, _, body in (other.partition("\n") for other in others)}
        if self.context == "server":
            first = f"server {{\n    listen 8080;\n    server_name shop.example.com;\n{_indented(first)}}}\n"
        if self.context != "main":
            first = f"events {{}}\nhttp {{\n{_indented(first)}}}\n"
        return {main: first.encode()} | {name: body.encode() for name, body in files.items()}


Check = Callable[["Subject"], Iterable[Hit]]


class Theme:
    """The rules of one module, in the order they are written."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rules: list[Rule] = []

    def rule(
        self,
        id_: str,
        severity: Severity,
        title: str,
        *,
        why: str,
        fix: str,
        bad: str,
        good: str,
        context: str = "http",
        whole: bool = False,
        refused: bool = False,
    ) -> Callable[[Check], Check]:
        """Make a function that finds places a rule."""

        def made(check: Check) -> Check:
            self.rules.append(
                Rule(id_, severity, title, why, fix, bad, good, check, context, whole, refused, self.title)
            )
            return check

        return made


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.rstrip("\n").split("\n"))


ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def words(text: str) -> tuple[str, ...]:
    """A list of words that is easier to read without its quotes."""
    return tuple(text.split())
