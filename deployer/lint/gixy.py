"""The advice of gixy (a fork of it), which looks for security trouble; it never refuses anything.

Asked as a program: the forks install the same names, and none of them needs to be there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TIMEOUT_S = 120.0
_MOST = 200
"""Findings that are shown; gixy has many, and many of them are false."""


def advice(files: Mapping[str, bytes], main: str = "nginx.conf", directory: str = "/etc/nginx") -> list[str]:
    """What gixy says of a tree, one line each; or one line that says why it says nothing."""
    program = shutil.which("gixy")
    if program is None:
        return ["gixy is not installed (pip install gixy-ng), so nothing deeper was looked for"]
    with tempfile.TemporaryDirectory(prefix="deployer-gixy-") as scratch:
        _write(files, Path(scratch), directory)
        command = [program, "--format", "json", str(Path(scratch, main))]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return [f"gixy did not answer: {error}"]
        found = list(_lines(done.stdout, scratch))
    if not found:
        words = done.stderr.strip().splitlines()
        why = f": {words[-1]}" if words else "; it says the same of what it cannot read"
        return [f"gixy answered nothing (exit status {done.returncode}){why}"]
    return found[:_MOST]


def _write(files: Mapping[str, bytes], scratch: Path, directory: str) -> None:
    # Its includes are read from disk: absolute ones have to lead into the copy.
    inside = directory.rstrip("/").encode() + b"/"
    for name in files:
        if name.startswith("/") or ".." in name.split("/"):
            continue
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = files[name]
        path.write_bytes(content if b"\0" in content else content.replace(inside, f"{scratch}/".encode()))


def _lines(answer: str, scratch: str) -> Iterator[str]:
    try:
        document: Any = json.loads(answer or "[]")
    except ValueError:
        return
    for issue in document if isinstance(document, list) else ():
        if isinstance(issue, dict):
            plugin, severity = issue.get("plugin", "?"), str(issue.get("severity", "?")).lower()
            said = " ".join(str(issue.get("reason") or issue.get("summary") or "").split())
            where = str(issue.get("path") or issue.get("file") or "").replace(f"{scratch}/", "")
            place = f" ({where}:{issue['line']})" if issue.get("line") else f" ({where})" if where else ""
            yield f"gixy, {severity}: {plugin}: {said}{place}".replace(f"{scratch}/", "")
