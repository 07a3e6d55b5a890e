"""The update of 12 June 2024 in several variants, as edits of the lab's sample repository.

Each passes ``nginx -t`` and takes the shop away from its users, at once or at the next restart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployer.lab import sample

STORY = "90 minutes, every request failed, and the first rollback had no effect"
_SHOP = "sites-available/shop.example.com"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way in which that update could go wrong.

    :ivar edit: changes the repository's working tree, in which the shop is sound.
    """

    name: str
    title: str
    edit: Callable[[Path], None]


def sound(repo: Path, text: str) -> None:
    """Put the working tree back to the first commit, with a shop that answers ``text``."""
    first = sample.git(repo, "rev-list", "--max-parents=0", "HEAD")
    sample.git(repo, "rm", "-r", "--quiet", "--force", ".")
    sample.git(repo, "clean", "--quiet", "-d", "--force")
    sample.git(repo, "checkout", "--quiet", first, "--", ".")
    (repo / _SHOP).write_text(sample.shop(text))


def _replace(file: str, pattern: str, by: str) -> Callable[[Path], None]:
    def edit(repo: Path) -> None:
        path = repo / file
        text, count = re.subn(pattern, by, path.read_text())
        if count != 1:
            raise ValueError(f"{pattern!r} is found {count} times in {file}, not once")
        path.write_text(text)

    return edit


def _port_of_another(repo: Path) -> None:
    path = repo / _SHOP
    path.write_text(path.read_text() + "\nserver {\n\tlisten 22;\n\tserver_name files.example.com;\n}\n")


def _one_limit_for_all(repo: Path) -> None:
    (repo / "conf.d/strict.conf").write_text("limit_req_zone $server_name zone=all:1m rate=1r/s;\n")
    _replace(_SHOP, r"zone=shop burst=5000 nodelay", "zone=all")(repo)


VARIANTS: tuple[Variant, ...] = (
    Variant(
        "return-503",
        "a left-over return 503",
        _replace(_SHOP, r"(?=\t\tlimit_req )", "\t\treturn 503;\n"),
    ),
    Variant(
        "upstream-down",
        "all servers of the upstream marked down",
        _replace(_SHOP, r"(?<=\tserver 127\.0\.0\.1:8081);", " down;"),
    ),
    Variant(
        "lost-include",
        "the include of the sites lost",
        _replace("nginx.conf", r"\n\tinclude /etc/nginx/sites-enabled/\*;", ""),
    ),
    Variant(
        "limit-key",
        "another limit_req key, which the running nginx refuses to load",
        _replace("conf.d/limits.conf", r"(?<=\nlimit_req_zone )\S+", "$server_name"),
    ),
    Variant("port-clash", "a port that another program has", _port_of_another),
    Variant(
        "server-name",
        "a wrong server name: another site answers",
        _replace(_SHOP, r"(?<=server_name )shop\.example\.com", "shop.exmaple.com"),
    ),
    Variant(
        "limit-for-all",
        "a limit that all customers share",
        _one_limit_for_all,
    ),
)


def variant(name: str) -> Variant:
    """The variant of that name. :raises KeyError: there is none."""
    return {each.name: each for each in VARIANTS}[name]
