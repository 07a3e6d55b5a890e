"""Configurations for the tests of this room."""

from __future__ import annotations

from deployer.comparison.asked import Question
from deployer.nginx.configuration import parse
from deployer.nginx.sites import Sites, read
from deployer.staging.recording import Recorded


def sites(http: str, main: str = "", **files: str) -> Sites:
    """The servers of a configuration with this in its ``http`` block."""
    text = {"nginx.conf": f"{main}\nevents {{}}\nhttp {{\n{http}\n}}\n", **files}
    return read(parse({name: content.encode() for name, content in text.items()}))


def said(name: str, path: str, status: int, body: bytes | None = None) -> Recorded:
    """An answer of production, on port 80."""
    return Recorded(Question("127.0.0.1", 80, name, path), status, body=body)
