"""Git's failures as sentences: what, where, what to do next. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

_NOISE = re.compile(
    r"Please make sure you have the correct access rights|and the repository exists\.|^hint:|^warning:"
    r"|^To add an exception|^\s*git config --global|^Could not read from remote repository\.?$|^$"
)
_ADVICE = (
    ("dubious ownership", "if you trust that repository: git config --global --add safe.directory PATH"),
    ("Host key verification failed", "connect once by hand with ssh and check the key"),
    ("Permission denied", "check the key and its rights on the repository"),
    ("terminal prompts disabled", "it wants credentials: configure a git credential helper or use ssh"),
    ("Authentication failed", "check the credentials"),
    ("does not appear to be a git repository", "check source.repo"),
    ("not found", "check source.repo and your rights on it"),
    ("Could not resolve host", "check the name and the network"),
    ("No space left", "make room in the cache directory"),
    ("couldn't find remote ref", "check the name"),
)
_MAX_REASON = 300


def reason(stderr: str) -> str:
    """Git's own words, without the boilerplate."""
    lines = [re.sub(r"^(fatal|error|remote): ", "", line.strip()) for line in stderr.splitlines()]
    telling = [line for line in lines if not _NOISE.search(line)]
    return "; ".join(telling)[:_MAX_REASON] or "git gave no reason"


def failure(stderr: str) -> str:
    """Git's own words with what to do next, where that is known."""
    advice = next((f" ({text})" for sign, text in _ADVICE if sign in stderr), "")
    return reason(stderr) + advice


def unknown(ref: str, base: str, names: Sequence[str], repo: str, *, offset: str) -> str:
    """The sentence for a ref that git does not know.

    :param names: branches and tags there are.
    :param offset: ``~1`` of ``main~1``.
    """
    if not names:
        return f"revision {ref!r} is unknown: {repo} has no branch and no tag"
    if offset and base in names:
        return f"{base!r} of {repo} has no {offset!r}: its history does not go that far"
    near = _near(base, names)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; push it, or check the spelling"
    return f"revision {ref!r} is no branch, tag or commit of {repo}{hint}"


def _near(base: str, names: Sequence[str]) -> list[str]:
    short = re.sub(r"^(refs/)?(remotes/)?(origin/|heads/|tags/)?", "", base)
    by_fold = {name.casefold(): name for name in names}
    if short.casefold() in by_fold:
        return [by_fold[short.casefold()]]
    found = difflib.get_close_matches(short.casefold(), list(by_fold), n=3, cutoff=0.6)
    found += [fold for fold in by_fold if fold.endswith(f"/{short.casefold()}") and fold not in found]
    return [by_fold[fold] for fold in found[:3]]
