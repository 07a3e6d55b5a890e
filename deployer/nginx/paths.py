"""A path as it is asked for, and as nginx reads it before it looks for a location. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote


def read_path(asked: str) -> str:
    """What ``$uri`` is at first: decoded, slashes merged, dots resolved, without the arguments."""
    text = unquote(asked.partition("?")[0], errors="surrogateescape")
    kept: list[str] = []
    parts = re.sub("/+", "/", text).split("/")
    for part in parts[1:]:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def is_natural(path: str) -> bool:
    """Whether a path is read as it is written, so that what is asked is what answers."""
    return read_path(path.replace("%", "%25").replace("?", "%3F")) == path
