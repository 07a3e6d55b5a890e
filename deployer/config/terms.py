"""The small words of a playbook: durations, amounts, statuses, argv, paths. Each knows how it is written.

A term is an annotated type: a function that reads what YAML gave (and says what was expected when it cannot),
and the JSON Schema that lets an editor check the same.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from deployer.globs import to_ere
from deployer.model import Amount

MAX_DURATION_S = 30 * 86_400.0

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)", re.ASCII)
_MODE = re.compile(r"0[0-7]{3} [a-z_][a-z0-9_.-]{0,31}:[a-z_][a-z0-9_.-]{0,31}", re.ASCII)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Statuses:
    """HTTP statuses that are as expected: inclusive ranges."""

    ranges: tuple[tuple[int, int], ...]

    def __contains__(self, status: int) -> bool:
        return any(low <= status <= high for low, high in self.ranges)

    def __str__(self) -> str:
        return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ranges)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on the controller.

    :ivar text: as it is written; the same on every controller.
    :ivar base: the project directory, from which a relative path is meant wherever the command is run.
    """

    text: str
    base: Path = Path()

    @property
    def path(self) -> Path:
        """Where it is, absolute."""
        return self.base.absolute() / Path(self.text).expanduser()


@dataclass(frozen=True, slots=True)
class Whole:
    """Annotates an ``int``: a whole number between two others, both included."""

    low: int
    high: int

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def read(self, value: Any) -> int:
        """The number. Raises ``ValueError`` for anything else."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise ValueError(f"expected a whole number from {self.low} to {self.high}, not {_shown(value)}")
        return value


def duration(value: Any) -> float:
    """``350ms``, ``30s``, ``5m``, ``2h``, ``7d`` in seconds."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        hint = f"; did you mean {value}s?" if _is_number(value) and value >= 0 else ""
        raise ValueError(f"expected a duration such as 250ms, 30s, 5m or 7d, not {_shown(value)}{hint}")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > MAX_DURATION_S:
        raise ValueError(f"expected at most 30d, not {value}")
    return seconds


def amount(value: Any) -> Amount:
    """``3``, ``25%`` or ``all``."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000:
        return Amount(value)
    if value == "all":
        return Amount(100, percent=True)
    if isinstance(value, str) and re.fullmatch(r"\d{1,3}%", value, re.ASCII) and int(value[:-1]) <= 100:
        return Amount(int(value[:-1]), percent=True)
    raise ValueError(
        f"expected a number of hosts such as 3, or a percentage such as 25%, not {_shown(value)}"
    )


def statuses(value: Any) -> Statuses:
    """``200``, ``2xx``, ``200-299``, or a list of these."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError("expected at least one status")
    return Statuses(tuple(_status(item) for item in items))


def _status(item: Any) -> tuple[int, int]:
    text = str(item) if isinstance(item, int | str) and not isinstance(item, bool) else ""
    if match := re.fullmatch(r"([1-5])xx", text):
        return int(match[1]) * 100, int(match[1]) * 100 + 99
    match = re.fullmatch(r"([1-5]\d\d)(?:-([1-5]\d\d))?", text, re.ASCII)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"expected a status such as 200, 2xx, 200-299 or a list of them, not {_shown(item)}")
    return int(match[1]), int(match[2] or match[1])


def argv(value: Any) -> tuple[str, ...]:
    """A program and its arguments; never a shell's text."""
    if isinstance(value, str):
        words = ", ".join(value.split())
        raise ValueError(f"expected a list, because no shell reads it: [{words}]")
    if not isinstance(value, list) or not value:
        raise ValueError("expected a program and its arguments as a list, such as [nginx, -t]")
    for word in value:
        if not isinstance(word, str) or "\0" in word or "\n" in word:
            raise ValueError(f"expected text in every word of the list, not {_shown(word)}; quote it")
    if not value[0] or value[0].startswith("-"):
        raise ValueError(f"expected a program as the first word, not {_shown(value[0])}")
    return tuple(value)


def reload_argv(value: Any) -> tuple[str, ...] | None:
    """``auto`` (``None``) or an argv."""
    return None if value == "auto" else argv(value)


def auto_or_bool(value: Any) -> bool | None:
    """``auto`` (``None``), ``true`` or ``false``."""
    if value == "auto":
        return None
    if isinstance(value, bool):
        return value
    raise ValueError(f"expected auto, true or false, not {_shown(value)}")


def line(value: Any) -> str:
    """One line of text."""
    if not isinstance(value, str):
        raise ValueError(f"expected text, not {_shown(value)}; quote it")
    if not value or not value.isprintable():
        raise ValueError("expected one line of text that is not empty")
    return value


def local_file(value: Any, info: ValidationInfo) -> LocalFile:
    """A path on the controller; the project directory is the validation's context."""
    return LocalFile(line(value), info.context or Path())


def git_word(value: Any) -> str:
    """A URL or ref: one that git cannot take for an option."""
    text = line(value)
    if text.startswith("-"):
        raise ValueError(f"must not begin with a dash, because git would read {text!r} as an option")
    if text != text.strip():
        raise ValueError("must not begin or end with a space")
    return text


def subdirectory(value: Any) -> str:
    """A directory of the repository, normalised; ``.`` is its top."""
    text = line(value)
    path = posixpath.normpath(text)
    if path.startswith("/") or ".." in path.split("/") or ".git" in path.split("/"):
        raise ValueError(f"expected a directory inside the repository, not {text!r}")
    return path


def host_directory(value: Any) -> str:
    """An absolute, normalised directory that is not a system directory at the top."""
    text = line(value)
    if not text.startswith("/") or posixpath.normpath(text) != text or text.startswith("//"):
        hint = posixpath.normpath("/" + text.lstrip("/"))
        raise ValueError(f"expected an absolute path without . or .. or a slash at its end, such as {hint}")
    if text.count("/") < 2:
        raise ValueError(f"{text} is too much: expected a directory of its own, such as /etc/nginx")
    return text


def glob(value: Any) -> str:
    """A glob over relative paths (deployer.globs)."""
    text = line(value)
    try:
        re.compile(to_ere([text]))
    except (ValueError, re.error):
        problem = 'expected a glob over relative paths, such as "ssl/*.key" or "modules-enabled/**"'
        raise ValueError(f"{problem}, not {text!r}") from None
    return text


def globs(value: Any) -> tuple[str, ...]:
    """A list of globs."""
    if not isinstance(value, list):
        raise ValueError(f"expected a list of globs, not {_shown(value)}")
    return tuple(glob(item) for item in value)


def modes(value: Any) -> Mapping[str, str]:
    """``{"ssl/*.key": "0640 root:www-data"}``."""
    if not isinstance(value, dict):
        raise ValueError('expected a mapping such as {"ssl/*.key": "0640 root:www-data"}')
    for pattern, mode in value.items():
        glob(pattern)
        if not isinstance(mode, str) or not _MODE.fullmatch(mode):
            raise ValueError(f'expected "0640 user:group" for {pattern!r}, not {_shown(mode)}')
    return MappingProxyType(dict(value))


def url(value: Any) -> str:
    """An http or https URL with a host, which may be ``{host}``: the address of the host in question."""
    text = line(value)
    try:
        parts = urlsplit(text.replace("{host}", "192.0.2.1"))
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or " " in text or not text.isascii():
        raise ValueError(f"expected a URL such as http://127.0.0.1/health, not {text!r}")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password; send an Authorization header instead")
    return text


def headers(value: Any) -> Mapping[str, str]:
    """Request headers by name. Values are not repeated in errors, because they may be secret."""
    if not isinstance(value, dict):
        raise ValueError("expected a mapping such as {Host: shop.example.com}")
    for name, content in value.items():
        _header_name(name)
        if not isinstance(content, str) or not content.isprintable():
            raise ValueError(f"expected one line of text for the header {name}; quote it if it is a number")
    _once(value)
    return MappingProxyType(dict(value))


def header_patterns(value: Any) -> Mapping[str, str]:
    """Regular expressions by the name of a response header."""
    if not isinstance(value, dict):
        raise ValueError('expected a mapping such as {Content-Type: "^text/html"}')
    for name in value:
        _header_name(name)
    _once(value)
    return MappingProxyType({name: pattern(content) for name, content in value.items()})


def pattern(value: Any) -> str:
    """A regular expression of Python's re, known to compile."""
    if not isinstance(value, str):
        raise ValueError(f"expected a regular expression as text, not {_shown(value)}; quote it")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from None
    return value


def true_or_false(value: Any) -> bool:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, not {_shown(value)}")
    return value


def _header_name(name: Any) -> None:
    if not isinstance(name, str) or not _HEADER.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header")


def _once(value: Mapping[str, Any]) -> None:
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("a header is there twice, in two spellings")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A value as the operator wrote it, more or less, and never long."""
    if value is None or isinstance(value, dict | list):
        return "nothing" if value is None else "a list" if isinstance(value, list) else "a mapping"
    text = str(value).lower() if isinstance(value, bool) else str(value) if _is_number(value) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _text_schema(regex: str, *examples: str) -> WithJsonSchema:
    more = {"examples": list(examples)} if examples else {}
    return WithJsonSchema({"type": "string", "pattern": regex, **more})


_ARGV = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "pattern": r"^[^\n\u0000]*$"},
    "prefixItems": [{"type": "string", "pattern": r"^[^-\n\u0000][^\n\u0000]*$"}],
}
_STATUS = {
    "oneOf": [
        {"type": "integer", "minimum": 100, "maximum": 599},
        {"type": "string", "pattern": r"^([1-5]xx|[1-5][0-9]{2}(-[1-5][0-9]{2})?)$"},
    ]
}
_AMOUNT = {
    "oneOf": [
        {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        {"type": "string", "pattern": r"^(([0-9]|[0-9]{2}|0[0-9]{2}|100)%|all)$", "examples": ["25%"]},
    ]
}
_GLOB = {"type": "string", "minLength": 1, "pattern": r"^[^/\n]"}
_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"

Duration = Annotated[
    float,
    PlainValidator(duration),
    _text_schema(r"^[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h|d)$", "250ms", "30s", "7d"),
]
Share = Annotated[Amount, PlainValidator(amount), WithJsonSchema(_AMOUNT)]
ExpectedStatus = Annotated[
    Statuses,
    PlainValidator(statuses),
    WithJsonSchema({"oneOf": [*_STATUS["oneOf"], {"type": "array", "minItems": 1, "items": _STATUS}]}),
]
Argv = Annotated[tuple[str, ...], PlainValidator(argv), WithJsonSchema(_ARGV)]
ReloadArgv = Annotated[
    tuple[str, ...] | None,
    PlainValidator(reload_argv),
    WithJsonSchema({"oneOf": [{"const": "auto"}, _ARGV]}),
]
AutoOrBool = Annotated[
    bool | None, PlainValidator(auto_or_bool), WithJsonSchema({"enum": ["auto", True, False]})
]
TrueOrFalse = Annotated[bool, PlainValidator(true_or_false), WithJsonSchema({"type": "boolean"})]
Line = Annotated[str, PlainValidator(line), WithJsonSchema({"type": "string", "minLength": 1})]
GitWord = Annotated[str, PlainValidator(git_word), _text_schema(r"^[^-\s]")]
Subdirectory = Annotated[str, PlainValidator(subdirectory), _text_schema(r"^[^/]", ".", "nginx")]
HostDirectory = Annotated[
    str, PlainValidator(host_directory), _text_schema(r"^/[^/]+(/[^/]+)+$", "/etc/nginx")
]
Globs = Annotated[tuple[str, ...], PlainValidator(globs), WithJsonSchema({"type": "array", "items": _GLOB})]
Modes = Annotated[
    Mapping[str, str],
    PlainValidator(modes),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": _GLOB,
            "additionalProperties": {"type": "string", "pattern": f"^{_MODE.pattern}$"},
        }
    ),
]
Local = Annotated[LocalFile, PlainValidator(local_file), WithJsonSchema({"type": "string", "minLength": 1})]
Url = Annotated[
    str, PlainValidator(url), _text_schema(r"^https?://[^\s/@]+(/\S*|[?]\S*)?$", "http://127.0.0.1/")
]
Headers = Annotated[
    Mapping[str, str],
    PlainValidator(headers),
    WithJsonSchema(
        {"type": "object", "propertyNames": {"pattern": _NAME}, "additionalProperties": {"type": "string"}}
    ),
]
HeaderPatterns = Annotated[
    Mapping[str, str],
    PlainValidator(header_patterns),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {"type": "string", "format": "regex"},
        }
    ),
]
Regex = Annotated[str, PlainValidator(pattern), WithJsonSchema({"type": "string", "format": "regex"})]
