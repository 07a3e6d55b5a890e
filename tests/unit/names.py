"""Names that somebody chose to hurt: what shells, git, YAML, nginx and terminals read as something else."""

from __future__ import annotations

import random
from collections.abc import Iterator

TRAP = "pwned"  #: the file that appears where one of the names was run
_PIECES = (
    f"$(touch {TRAP})", f"`touch {TRAP}`", f";touch {TRAP};", f"|touch {TRAP}", f"&touch {TRAP}&",
    f"\ntouch {TRAP}\n", "-", "--", "-rf", "--upload-pack=touch pwned", "-oProxyCommand=touch pwned", "..",
    ".", "~", "~root", "!", "@", "@{1}", "'", '"', "\\", "\\n", "$HOME", "${IFS}", "%s%n", "%h", "*", "?",
    "[a]", "[1:3]", "{a,b}", "#", "=", "a=b", ":", "::1", "\t", " ", "\n", "\r", "\x1b[2J", "\x7f", "\x01",
    "\u202e", "\u00fc\u00f1", "\U0001f4a5", "{{ 7 * 7 }}", "{% raw %}", "!!python/name:os.system",
    "&anchor", "*alias", "null", "true", "1e3", "0x10", "web1", "main", "HEAD", "refs/heads/main", "^",
    "~1", "a..b", "x.lock",
)  # fmt: skip


def odd_names(seed: str, count: int = 200) -> Iterator[str]:
    """Random ones, all different, some of them very long."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    seen: set[str] = set()
    while len(seen) < count:
        name = "".join(dice.choices(_PIECES, k=dice.choice((1, 1, 2, 2, 3, 5))))
        if dice.random() < 0.05:
            name *= 5_000 // len(name)
        if name not in seen:
            seen.add(name)
            yield name


def check_sentence(error: Exception, name: str) -> None:
    """It can be shown: nothing in it moves a terminal's cursor."""
    assert str(error).isprintable(), f"{name!r}: {error!s}"


def new_seed() -> str:
    """Another one every time; printed, so that a failure can be had again by writing it into the test."""
    seed = str(random.randrange(10**6))  # noqa: S311
    print(f"seed of the names: {seed}")
    return seed
