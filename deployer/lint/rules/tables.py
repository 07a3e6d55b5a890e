"""Tables (``map``, ``geo``, ``types``): rows that are none, and rows that are missing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme
from deployer.lint.rules.proxying import passes, target_of
from deployer.lint.rules.subject import Subject
from deployer.nginx.variables import names

theme = Theme("Tables")


@theme.rule(
    "map-without-default",
    WARNING,
    "A map without a default decides where requests go",
    why="For what is not in the map the variable is empty, and users get 500.",
    fix="Give the map a default.",
    bad="upstream a { server 127.0.0.1:9000; }\nmap $host $backend {\n    a.example.com a;\n}\n"
    "server { listen 8080; location / { proxy_pass http://$backend; } }",
    good="upstream a { server 127.0.0.1:9000; }\nmap $host $backend {\n    default a;\n}\n"
    "server { listen 8080; location / { proxy_pass http://$backend; } }",
)
def map_without_default(subject: Subject) -> Iterator[Hit]:
    """Of a variable in a ``..._pass``."""
    used = {f"${v}" for d, _ in passes(subject) for v in names(target_of(d).scheme + target_of(d).host)}
    for table, _ in subject.config.find("map"):
        if (
            table.args
            and table.args[-1] in used
            and not any(d.name in ("default", "include") for d in table.block or ())
        ):
            yield Hit(table, f"{table.args[-1]} is empty for everything else")


@theme.rule(
    "table-word-misspelt",
    ERROR,
    "A row of a table is a misspelt word of nginx",
    why="In a table every unknown word is a key like any other: what was to be included is not there, "
    "what was to be the default is none.",
    fix="Write include, or default, as nginx knows it (in small letters).",
    bad="map $uri $moved {\n    inculde moved.map;\n}\nserver {\n    listen 8080;\n    "
    "location / { add_header X-Moved $moved; }\n}\n# file: moved.map\n/old /new;\n",
    good="map $uri $moved {\n    include moved.map;\n}\nserver {\n    listen 8080;\n    "
    "location / { add_header X-Moved $moved; }\n}\n# file: moved.map\n/old /new;\n",
)
def word_misspelt(subject: Subject) -> Iterator[Hit]:
    """``include`` of what looks like a file, ``default`` where there is none."""
    for table, _ in subject.config.find("map", "geo", "types", "split_clients"):
        rows = [d for d in table.block or () if d.args]
        known = {d.name for d in rows}
        for row in rows:
            if _slip(row.name, "include") and _FILE.search(row.args[0]):
                yield Hit(row, f"{row.name} is a row of the table; {row.args[0]} is not included")
            elif _slip(row.name, "default") and "default" not in known and table.name in ("map", "geo"):
                yield Hit(row, f"{row.name} is a row of the table, which has no default")


_FILE = re.compile(r"/|\*|\.(conf|map|inc|txt|types|list|geo)$")


def _slip(word: str, meant: str) -> bool:
    """Whether one slip of the hand makes it: a letter lost, added or another one, or two swapped."""
    given = word.lower()
    if word == meant or abs(len(given) - len(meant)) > 1:
        return False
    short, long = sorted((given, meant), key=len)
    if len(short) < len(long):
        return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
    odd = [i for i, (one, two) in enumerate(zip(given, meant, strict=True)) if one != two]
    if len(odd) != 2:
        return len(odd) <= 1
    one, two = odd
    return two == one + 1 and (given[one], given[two]) == (meant[two], meant[one])
