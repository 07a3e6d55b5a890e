"""Executable inventories: run with ``--list``, they print Ansible's JSON."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.config.groups import Tree
from deployer.config.hints import did_you_mean
from deployer.config.opaque import Opaque, Verbatim
from deployer.config.reader import SECTIONS, check_name, kind, says, set_vars
from deployer.config.yamlfile import MAX_BYTES, Document
from deployer.errors import ConfigError

if TYPE_CHECKING:
    import subprocess

LIST_TIMEOUT_S = 60.0


def is_executable_inventory(path: Path) -> bool:
    """Whether the file is a program. A YAML file that merely has the executable bit is not."""
    if not (path.is_file() and os.access(path, os.X_OK)):
        return False
    with path.open("rb") as file:
        return file.read(4).startswith((b"#!", b"\x7fELF"))


def run_inventory(path: Path, *, timeout_s: float = LIST_TIMEOUT_S) -> Document:
    """What the program answers to ``--list``. Raises :class:`ConfigError` with the end of its stderr."""
    import json
    import subprocess

    try:
        process = subprocess.Popen(
            [str(path.absolute()), "--list"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that what it started ends with it
        )
    except OSError as error:
        raise ConfigError(f"cannot be run: {error.strerror}", file=str(path)) from None
    try:
        out, err = process.communicate(timeout=timeout_s)
    except BaseException as error:
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise ConfigError(f"did not answer --list within {timeout_s:g} s", file=str(path)) from None
        raise
    if process.returncode != 0:
        raise ConfigError(f"failed with status {process.returncode} on --list{_tail(err)}", file=str(path))
    if len(out) > MAX_BYTES:
        raise ConfigError(f"printed more than {MAX_BYTES // 1_000_000} MB", file=str(path))
    try:
        value = json.loads(out, object_hook=lambda found: _special(found, path))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"did not print JSON on --list ({error}){_tail(err)}", file=str(path)) from None
    return Document(str(path), value, {})


def _special(found: dict[str, Any], path: Path) -> Any:
    """How ``ansible-inventory --list`` prints what YAML tags as ``!vault`` and ``!unsafe``."""
    if found.keys() == {"__ansible_vault"}:
        return Opaque(f"it is encrypted with Ansible Vault ({path}), which is not read here")
    if found.keys() == {"__ansible_unsafe"}:
        return Verbatim(found["__ansible_unsafe"])
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    import signal

    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _tail(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()[-5:]
    return ": " + " | ".join(line.strip()[:200] for line in lines) if lines else ""


def read_dynamic(document: Document, tree: Tree) -> None:
    """Read the answer of ``--list`` into the tree. Raises :class:`ConfigError`."""
    top = document.value
    if not isinstance(top, Mapping):
        raise document.error((), f"printed {kind(top)}, but a JSON object of groups is expected")
    hostvars = top.get("_meta", {}).get("hostvars") if isinstance(top.get("_meta", {}), Mapping) else None
    if not isinstance(hostvars, Mapping):
        problem = "did not print _meta.hostvars; the old way, a call with --host for each host, is not made"
        raise document.error((), problem)
    for name, body in top.items():
        if name != "_meta":
            _group(document, tree, name, body)
    for name, variables in hostvars.items():
        if name in tree.hosts and isinstance(variables, Mapping):  # others are in no group: not hosts
            tree.hosts[name].update(says(document, variables, ("_meta", "hostvars", name)))


def _group(document: Document, tree: Tree, name: str, body: Any) -> None:
    group = tree.group(check_name(document, (name,), name, "group"))
    sections = {"hosts": body} if isinstance(body, list) else body
    if not isinstance(sections, Mapping):
        raise document.error((name,), f"is {kind(body)}, but hosts, children and vars are expected")
    for section, content in sections.items():
        loc = (name, section)
        if section not in SECTIONS:
            problem = f"a group has hosts, children and vars, not {section!r}"
            raise document.error(loc, problem + did_you_mean(section, SECTIONS))
        if section == "vars" and isinstance(content, dict):
            set_vars(document, group, content, loc)
            continue
        if section == "vars" or not isinstance(content, list):
            wanted = "an object" if section == "vars" else "a list of names"
            raise document.error(loc, f"is {kind(content)}, but {wanted} is expected")
        for entry in content:
            if section == "hosts":
                tree.host(check_name(document, loc, entry, "host"), name)
                continue
            try:
                tree.add_child(name, check_name(document, loc, entry, "group"))
            except ValueError as error:
                raise document.error(loc, str(error)) from None
