"""What a template raised, as a sentence with file and line, without the value of any variable.

Jinja's and Python's own messages may quote values (``invalid literal for int(): 'secret'``), so a word of
them is shown only when it stands in the template's text, which git knows anyway.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable

from jinja2 import TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError

from deployer.errors import UsageError
from deployer.source.sandbox import LimitExceeded

_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (SecurityError, "it uses something that the sandbox does not allow"),
    (RecursionError, "it includes or calls itself without end"),
    (UnicodeEncodeError, "it renders to something that is not UTF-8 text"),
)
_QUOTED = re.compile(r"'([^']*)'")


def explain(error: Exception, path: str, text: Callable[[str], str]) -> tuple[str, str, int | None]:
    """The problem, the file and the line.

    :param path: the template that was to be rendered; the error may be in one that it includes.
    :param text: the text of a template, empty when there is none.
    """
    if isinstance(error, TemplateSyntaxError):
        return f"not a valid template: {error.message}", error.filename or path, error.lineno
    if isinstance(error, UnicodeDecodeError):
        return "this template is not UTF-8 text; leave it out of source.render", path, None
    file, line = _place(error, path, text)
    return _problem(error, text(file)), file, line


def _problem(error: Exception, source: str) -> str:
    if isinstance(error, UndefinedError):
        return _undefined(error, source)
    if isinstance(error, TemplateNotFound):
        return f"{_word(error.name, source)} is included but is no file under source.path"
    if isinstance(error, LimitExceeded | UsageError):  # UsageError: a variable that the inventory cannot give
        return str(error)
    if isinstance(error, OverflowError) and str(error).startswith("Range too big"):
        return "a range has more than 100000 items"
    for kind, sentence in _SENTENCES:
        if isinstance(error, kind):
            return sentence
    return f"it cannot be rendered: {type(error).__name__} in an expression"


def _undefined(error: UndefinedError, source: str) -> str:
    words = _QUOTED.findall(error.message or "")
    if words and words[-1] in source:
        return f"{words[-1]!r} is undefined; give it a value in the inventory, or use the default filter"
    return "something undefined is used; give it a value in the inventory, or use the default filter"


def _word(name: object, source: str) -> str:
    return (
        repr(name) if isinstance(name, str) and name and name in source else "a template named by a variable"
    )


def _place(error: Exception, path: str, text: Callable[[str], str]) -> tuple[str, int | None]:
    """The innermost template line. Jinja rewrites tracebacks so that they name template and line."""
    for frame in reversed(traceback.extract_tb(error.__traceback__, limit=200)):
        if frame.filename == path or (not frame.filename.startswith("/") and text(frame.filename)):
            return frame.filename, frame.lineno
    return path, None
