"""Configurations beside the rules' own examples: broken in many ways, and sound ones that look suspicious.

They are in ``configurations/``, each after a line with the rule that has to fire (or its name) and what it
stands in.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.lint.findings import lint
from deployer.lint.rules.base import Severity
from deployer.lint.rules.subject import Subject
from deployer.nginx.configuration import parse

PACKAGE = ("fastcgi_params", "snippets/fastcgi-php.conf")
BEGINS = "#### "


def cases(name: str) -> list[tuple[str, str, str]]:
    """The title, context and text of each."""
    whole = Path(__file__).with_name("configurations").joinpath(f"{name}.nginx").read_text()
    found = []
    for part in whole.split(BEGINS)[1:]:
        head, _, text = part.partition("\n")
        title, _, context = head.partition(", ")
        found.append((title, context, text))
    return found


BROKEN, SOUND = cases("broken"), cases("sound")


def subject_of(text: str, context: str) -> Subject:
    """What stands in ``http``, or in a server with TLS beside a default one."""
    if context == "server":
        text = (
            "server { listen 80; listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key;"
            f" server_name shop.example.com www.shop.example.com; root /srv/www;\n{text}\n}}\n"
            "server { listen 80 default_server; listen 443 ssl default_server; server_name _;"
            " ssl_reject_handshake on; return 444; }"
        )
    app = "upstream app { server 10.0.0.1:8080; server 10.0.0.2:8080 backup; }"
    main = f"events {{}}\nhttp {{\ninclude mime.types;\n{app}\n{text}\n}}\n"
    files = {"nginx.conf": main.encode(), "mime.types": b"types { text/html html; }", "htpasswd": b"a:b"}
    return Subject(parse(files), preserve=PACKAGE)


@pytest.mark.parametrize(("rule", "context", "text"), BROKEN)
def test_what_breaks_users_is_an_error(rule: str, context: str, text: str) -> None:
    found = lint(subject_of(text, context))
    assert rule in {f.rule for f in found if f.severity is Severity.ERROR}


@pytest.mark.parametrize(("context", "text"), [c[1:] for c in SOUND], ids=[c[0] for c in SOUND])
def test_what_works_is_no_error(context: str, text: str) -> None:
    assert [f for f in lint(subject_of(text, context)) if f.severity is Severity.ERROR] == []
