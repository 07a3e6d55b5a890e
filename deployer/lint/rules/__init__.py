"""What breaks users although nginx accepts it: one function for each thing, with examples that are its tests.

docs/lint.md is written from them, and a test holds each example to its word: with real nginx too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from deployer.lint.rules import (
    access,
    answers,
    comments,
    flags,
    headers,
    limits,
    locations,
    loops,
    names,
    process,
    proxying,
    refusing,
    requests,
    rewriting,
    signed,
    structure,
    tables,
    tls,
)
from deployer.lint.rules.base import Rule

__all__ = ["RULES", "Rule"]

_THEMES = (
    structure,
    names,
    tls,
    refusing,
    flags,
    access,
    signed,
    requests,
    locations,
    rewriting,
    proxying,
    tables,
    loops,
    limits,
    headers,
    answers,
    process,
    comments,
)

RULES: Mapping[str, Rule] = MappingProxyType({r.id: r for m in _THEMES for r in m.theme.rules})
"""All rules by id, in the order of the documentation."""
