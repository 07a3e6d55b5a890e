"""YAML that remembers its lines, read without trusting it.

PyYAML's node graph is turned into plain Python values, and every key and item keeps its line, so that an
error found later still points into the file. Duplicate keys are errors (YAML forbids them, PyYAML takes the
last one); anchors and merge keys work; depth, size and expansion are bounded.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployer.config.opaque import Opaque, Verbatim
from deployer.errors import ConfigError

Loc = tuple[str | int, ...]
"""Where a value stands: the keys and indexes that lead to it."""

MAX_BYTES = 10_000_000
MAX_DEPTH = 60
MAX_ERRORS = 20
MAX_VALUES = 1_000_000  #: values after anchors are expanded: the answer to an alias bomb

# The C parser is ten times faster, and PyYAML is sometimes built without it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Document:
    """A YAML file as plain values, with the line of each key and item."""

    file: str
    value: Any
    lines: Mapping[Loc, int]

    def line(self, loc: Loc) -> int | None:
        """The line of the value at ``loc``, or of the nearest value around it that has one."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc)

    def error(self, loc: Loc, problem: str) -> ConfigError:
        """An error about the value at ``loc``."""
        return ConfigError(problem, file=self.file, line=self.line(loc), key=dotted(loc))

    def errors(self, problems: Sequence[tuple[Loc, str]]) -> ConfigError:
        """One error that lists all problems, in the order of the file."""
        shown = sorted(problems, key=lambda item: self.line(item[0]) or 0)
        first, *others = [self.error(loc, problem) for loc, problem in shown[:MAX_ERRORS]]
        lines = [first.problem, *map(str, others)]
        if len(shown) > MAX_ERRORS:
            lines.append(f"… and {len(shown) - MAX_ERRORS} more")
        return ConfigError("\n".join(lines), file=first.file, line=first.line, key=first.key)


def dotted(loc: Loc) -> str | None:
    """``checks[0].url``, or ``None`` for the whole document."""
    out = ""
    for part in loc:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out or None


def read_text(path: Path, *, limit: int = MAX_BYTES) -> str:
    """The text of a file the operator wrote. Raises :class:`ConfigError`."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a fifo would be waited for, a device never ends
            raise ConfigError("is not a file", file=str(path))
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from None
    if len(raw) > limit:
        raise ConfigError(f"is larger than {limit // 1000} kB", file=str(path))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8 text", file=str(path), line=line) from None


def read_yaml(path: Path, *, limit: int = MAX_BYTES) -> Document:
    """Read one YAML document. An empty file is ``None``. Raises :class:`ConfigError`."""
    return parse_yaml(read_text(path, limit=limit), str(path))


def parse_yaml(text: str, file: str) -> Document:
    """Read one YAML document from text. Raises :class:`ConfigError`."""
    try:
        _check_depth(text, file)
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise ConfigError(
            f"is not valid YAML: {what}", file=file, line=mark.line + 1 if mark else None
        ) from None
    except yaml.YAMLError as error:
        what = str(error).splitlines()[0]
        raise ConfigError(f"is not valid YAML: {what}", file=file) from None
    builder = _Builder(file)
    value = None if node is None else builder.build(node, ())
    return Document(file, value, builder.lines)


def _check_depth(text: str, file: str) -> None:
    # Composing is recursive in C: 100,000 brackets end the interpreter, no exception. Events are not.
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else None
            raise ConfigError(f"is nested more than {MAX_DEPTH} levels deep", file=file, line=line)


class _Builder:
    """Nodes to values. Keeps the lines, counts what it makes, and knows the way down (for cycles)."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Loc, int] = {}
        self._constructor = yaml.constructor.SafeConstructor()
        self._made = 0
        self._above: list[yaml.Node] = []

    def fail(self, node: yaml.Node, problem: str, loc: Loc = ()) -> ConfigError:
        return ConfigError(problem, file=self.file, line=node.start_mark.line + 1, key=dotted(loc))

    def build(self, node: yaml.Node, loc: Loc) -> Any:
        self._made += 1
        if self._made > MAX_VALUES:
            raise self.fail(node, f"holds more than {MAX_VALUES} values once its aliases are expanded")
        self.lines.setdefault(loc, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc)
        if any(node is above for above in self._above):
            raise self.fail(node, "contains itself through an alias", loc)
        self._above.append(node)
        try:
            return self._collection(node, loc)
        finally:
            self._above.pop()

    def _collection(self, node: yaml.Node, loc: Loc) -> Any:
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.build(item, (*loc, at)) for at, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            out = {}
            for key, (key_node, value_node) in self._pairs(node, loc).items():
                below = (*loc, key if isinstance(key, str) else str(key))
                self.lines[below] = key_node.start_mark.line + 1
                out[key] = self.build(value_node, below)
            return out
        raise self.fail(node, f"the tag {node.tag!r} is not understood", loc)

    def _pairs(self, node: yaml.MappingNode, loc: Loc) -> dict[Any, tuple[yaml.Node, yaml.Node]]:
        """Keys in the order of the file, merged ones first where the mapping has not its own."""
        merged: dict[Any, tuple[yaml.Node, yaml.Node]] = {}
        own: dict[Any, tuple[yaml.Node, yaml.Node]] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                for source in self._merge_sources(value_node, loc):
                    for key, pair in source.items():
                        merged.setdefault(key, pair)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.fail(key_node, "a key has to be plain text", loc)
            key = self._scalar(key_node, loc)
            if key in own:
                first = own[key][0].start_mark.line + 1
                raise self.fail(key_node, f"the key {key!r} is there twice, first in line {first}", loc)
            own[key] = (key_node, value_node)
        return {**merged, **own}

    def _merge_sources(self, node: yaml.Node, loc: Loc) -> list[dict[Any, tuple[yaml.Node, yaml.Node]]]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        out = []
        for source in nodes:
            self._made += 1
            if self._made > MAX_VALUES:
                raise self.fail(node, f"holds more than {MAX_VALUES} values once its aliases are expanded")
            if not isinstance(source, yaml.MappingNode) or any(source is above for above in self._above):
                raise self.fail(node, "only another mapping, or a list of them, can be merged with <<", loc)
            self._above.append(source)
            out.append(self._pairs(source, loc))
            self._above.pop()
        return out

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        if node.tag in ("!vault", "!vault-encrypted"):
            line = node.start_mark.line + 1
            return Opaque(f"it is encrypted with Ansible Vault ({self.file}:{line}), which is not read here")
        if node.tag == "!unsafe":
            return Verbatim(node.value)
        if node.tag == "tag:yaml.org,2002:value":  # a lone "="
            return node.value
        make: Callable[..., Any] | None = yaml.constructor.SafeConstructor.yaml_constructors.get(node.tag)
        if make is None or not node.tag.startswith("tag:yaml.org,2002:"):
            raise self.fail(node, f"the tag {node.tag!r} is not understood", loc)
        try:
            return make(self._constructor, node)
        except (ValueError, OverflowError, yaml.YAMLError):
            kind = node.tag.rpartition(":")[2]
            problem = f"{node.value!r} is not a valid {kind}; quote it if text is meant"
            raise self.fail(node, problem, loc) from None
