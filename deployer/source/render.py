"""Jinja2 over the files of one snapshot: sandboxed, strict, and the same bytes for the same variables.

A template sees the host's inventory variables, ``inventory_hostname``, ``inventory_hostname_short``,
``group_names``, ``groups`` and ``hostvars`` (of the whole inventory, whatever ``--limit`` says). It may
include or import any file under ``source.path`` and nothing else. ``trim_blocks`` is on, as in Ansible.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from jinja2 import meta

from deployer.errors import ConfigError
from deployer.source.changes import lines
from deployer.source.sandbox import LimitExceeded, make_environment
from deployer.source.template_errors import explain
from deployer.source.veil import Veil

if TYPE_CHECKING:
    from jinja2 import Template

    from deployer.model import Host

MAX_OUTPUT_BYTES = 5 << 20
MAX_ALL_BYTES = 256 << 20  # what all hosts' templates render to, kept in memory
TIMEOUT_S = 10.0
SUFFIX = ".j2"


class Renderer:
    """Renders templates of one snapshot for hosts of one inventory.

    :param read: the text of a file by its path; ``None`` when there is none.
    :param fleet: every host of the inventory, for ``groups`` and ``hostvars``.
    :param veil: knows which variables are secret; ``None``: none is.
    """

    def __init__(
        self, read: Callable[[str], bytes | None], fleet: Sequence[Host], veil: Veil | None = None
    ) -> None:
        self._read = read
        self._environment = make_environment(self._source)
        self._veil = veil = veil or Veil()
        self._shared = {"groups": _groups(fleet), "hostvars": {host.name: dict(host.vars) for host in fleet}}
        hidden = {host.name: veil.variables(host.vars) for host in fleet} if veil else {}
        self._masked = {**self._shared, "hostvars": hidden}
        self._used: dict[str, frozenset[str] | None] = {}
        self._size = 0
        self._done: dict[tuple[str, bool, tuple[tuple[str, str], ...]], bytes] = {}

    def render(self, path: str, host: Host) -> bytes:
        """What the template at ``path`` gives for ``host``.

        Hosts whose variables agree in all that the template uses share one rendering.

        :raises ConfigError: with file and line; no value of a variable is ever in the message.
        """
        try:
            return self._once(path, {**host.vars, **_facts(host)}, self._shared)
        except Exception as error:  # a template may raise anything; what it says may hold secrets
            raise self._explained(error, path, host.name) from None

    def masked(self, path: str, host: Host) -> bytes | None:
        """What may be shown of :meth:`render`: the same where no secret is used.

        It has as many lines; ``None`` where that cannot be had, for the template decides by a secret.
        """
        real = self.render(path, host)
        names = self._names(path)
        hidden = self._veil.variables(host.vars) if self._veil else {}
        used = hidden.keys() if names is None else names & hidden.keys()
        others = names is None or "hostvars" in names
        if not self._veil or not (others or any(repr(hidden[n]) != repr(host.vars[n]) for n in used)):
            return real
        try:
            shown = self._once(path, {**hidden, **_facts(host)}, self._masked)
        except Exception:  # it calculates with a secret, or looks it up in a table
            return None
        return shown if len(lines(shown)) == len(lines(real)) else None

    def _once(self, path: str, variables: Mapping[str, Any], shared: Mapping[str, Any]) -> bytes:
        names = self._names(path)
        seen = sorted(variables if names is None else names & variables.keys())
        key = path, shared is self._masked, tuple((name, repr(variables[name])) for name in seen)
        if key not in self._done:
            template = self._environment.get_template(path)
            self._done[key] = self._run(template, {**shared, **variables})
            self._size += len(self._done[key])
        if self._size > MAX_ALL_BYTES:
            raise LimitExceeded(f"all hosts together render to more than {MAX_ALL_BYTES >> 20} MiB")
        return self._done[key]

    def _run(self, template: Template, variables: Mapping[str, Any]) -> bytes:
        parts, size = [], 0
        with _deadline(TIMEOUT_S):
            for part in template.generate(variables):
                parts.append(part)
                size += len(part)
                if size > MAX_OUTPUT_BYTES:
                    raise LimitExceeded(f"it renders to more than {MAX_OUTPUT_BYTES >> 20} MiB")
        return "".join(parts).encode("utf-8")

    def _source(self, path: str) -> tuple[str, str] | None:
        content = self._read(path)
        return None if content is None else (content.decode("utf-8"), path)

    def _names(self, path: str) -> frozenset[str] | None:
        """Variables that a template and all it includes may look at; ``None``: cannot be known."""
        if path not in self._used:
            self._used[path] = self._find_names(path, set())
        return self._used[path]

    def _find_names(self, path: str, seen: set[str]) -> frozenset[str] | None:
        seen.add(path)
        source = self._source(path)
        if source is None:
            return frozenset()
        self._environment.get_template(path)  # a syntax error is found here, with its true place
        tree = self._environment.parse(source[0], name=path, filename=path)
        names = frozenset(meta.find_undeclared_variables(tree))
        for other in meta.find_referenced_templates(tree):
            if other is None:
                return None
            if other not in seen:
                more = self._find_names(other, seen)
                if more is None:
                    return None
                names |= more
        return names

    def _explained(self, error: Exception, path: str, host: str) -> ConfigError:
        problem, file, line = explain(error, path, self._text)
        return ConfigError(f"{problem} (host {host})", file=file, line=line)

    def _text(self, path: str) -> str:
        return (self._read(path) or b"").decode("utf-8", "replace")


def _facts(host: Host) -> dict[str, Any]:
    return {
        "inventory_hostname": host.name,
        "inventory_hostname_short": host.name.split(".")[0],
        "group_names": sorted(host.groups),
    }


def _groups(fleet: Sequence[Host]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {"all": [host.name for host in fleet]}
    for host in fleet:
        for group in host.groups:
            groups.setdefault(group, []).append(host.name)
    return groups


@contextmanager
def _deadline(timeout_s: float) -> Iterator[None]:
    """End the Python code of this thread after ``timeout_s`` seconds, loops that put out nothing too."""
    end = time.monotonic() + timeout_s

    def trace(_frame: FrameType, _event: str, _arg: object) -> Callable[..., Any]:
        if time.monotonic() > end:
            raise LimitExceeded(f"it takes longer than {timeout_s:g} s to render")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
