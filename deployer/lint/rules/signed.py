"""Links that carry a signature (``secure_link``), and what becomes of those whose signature is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, Hit, Theme
from deployer.lint.rules.subject import Around, Subject
from deployer.nginx.configuration import walk
from deployer.nginx.sites import effective
from deployer.nginx.tree import Directive
from deployer.nginx.variables import names

theme = Theme("Signed links")

_WHOLE = frozenset(("request_uri", "args", "query_string", "request"))
"""Variables that have the arguments in them, and with them the signature."""

_SIGNED = 'secure_link $arg_md5,$arg_expires;\nsecure_link_md5 "$secure_link_expires$uri secret";\n'
_UNSIGNED = 'if ($secure_link = "") {\n    return 403;\n}\n'
_EXPIRED = 'if ($secure_link = "0") {\n    return 410;\n}\n'


@theme.rule(
    "secure-link-signs-itself",
    ERROR,
    "A signature over an address that holds the signature",
    why="What is signed holds the arguments, and one of them is the signature: no link can ever be right, "
    "and every one is refused.",
    fix="Sign $uri, which has no arguments, and name the arguments that count.",
    bad='secure_link $arg_md5;\nsecure_link_md5 "$request_uri secret";\n' + _UNSIGNED,
    good='secure_link $arg_md5;\nsecure_link_md5 "$uri secret";\n' + _UNSIGNED,
    context="server",
)
def signs_itself(subject: Subject) -> Iterator[Hit]:
    """The signature comes as an argument, and what is signed has all of them."""
    for directive, around in subject.config.find("secure_link_md5"):
        taken = effective((*around,), "secure_link")[-1:]
        comes = {n for d in taken for a in d.args for n in names(a)}
        held = sorted(_WHOLE & {n for a in directive.args for n in names(a)})
        if held and any(name.startswith("arg_") for name in comes):
            yield Hit(directive, f"${held[0]} has the signature in it")


@theme.rule(
    "secure-link-unchecked",
    ERROR,
    "A signature that nobody looks at, or not at its time",
    why='secure_link only sets a variable: "" when the signature is wrong, "0" when the link has run out. '
    "What is not tested for is let in.",
    fix='Answer both: if ($secure_link = "") { return 403; } if ($secure_link = "0") { return 410; }',
    bad=_SIGNED + _UNSIGNED,
    good=_SIGNED + _UNSIGNED + _EXPIRED,
    context="server",
)
def unchecked(subject: Subject) -> Iterator[Hit]:
    """In the blocks around it, by ``if``; a table over the variable may do anything."""
    tabled = any("secure_link" in names(d.args[0]) for d, _ in subject.config.find("map") if d.args)
    for directive, around in subject.config.find("secure_link"):
        if tabled or not directive.args:
            continue
        tests = list(_tests(around))
        if not tests:
            yield Hit(directive, "$secure_link is not looked at: every link is good")
        elif "," in directive.args[0] and not any(_sees_age(test) for test in tests):
            yield Hit(directive, 'nothing is done about "0": links that have run out are good for ever')


def _tests(around: Around) -> Iterator[Directive]:
    for block in around:
        if block.name in ("server", "location"):
            inner = [d for d in block.block or () if d.name != "location"]
            yield from (d for d, _ in walk(inner) if "secure_link" in names(" ".join(d.args[:1])))


def _sees_age(test: Directive) -> bool:
    """Whether it tells "0" from "1"; an empty operand is no word in what was read."""
    if test.name != "if" or len(test.args) == 1:
        return True
    return len(test.args) > 2 and (test.args[2] in ("0", "1") or "~" in test.args[1])
