"""The engine: what is ignored, what refuses, and that nothing makes it fail."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.lint import findings
from deployer.lint.findings import Finding, lint, refusing, worst
from deployer.lint.rules import RULES
from deployer.lint.rules.base import Hit, Severity
from deployer.lint.rules.page import updated
from deployer.lint.rules.subject import Subject
from deployer.lint.sarif import document
from deployer.nginx.configuration import Config, parse
from tests.unit.lint.certificates import pair

DOCS = Path(__file__).parents[3] / "docs"
NOW = datetime.datetime.now(datetime.UTC)
DOWN = "server { listen 80; server_name a.example.com; root /srv; location / {\n%s\nreturn 503; %s\n} }"


def found(
    http: str, *ignore: str, preserve: tuple[str, ...] | None = (), **files: str
) -> tuple[Finding, ...]:
    """What is found in an ``http`` block; ``__`` in a name of a file is a slash."""
    text = f"events {{}}\nhttp {{ types {{ text/html html; }}\n{http}\n}}\n"
    others = {name.replace("__", "/"): body.encode() for name, body in files.items()}
    return lint(Subject(parse({"nginx.conf": text.encode(), **others}), preserve=preserve, now=NOW), ignore)


def ids(findings: tuple[Finding, ...]) -> list[str]:
    return [f.rule for f in findings]


def test_a_finding_has_its_place_and_its_line() -> None:
    (one,) = found(DOWN % ("", ""))
    assert (one.file, one.line, one.source) == ("nginx.conf", 5, "return 503;")
    assert one.severity is Severity.ERROR
    assert str(one).startswith("nginx.conf:5: A whole site answers with an error: ")


@pytest.mark.parametrize(
    ("above", "behind"),
    [
        ("# deployer: ignore left-over-return moved to March", ""),
        ("#deployer:ignore left-over-return,no-root moved", ""),
        ("# deployer: ignore left-over-return moved\n# another comment", ""),
        ("", "# deployer: ignore left-over-return moved"),
    ],
)
def test_a_comment_with_a_reason_ignores(above: str, behind: str) -> None:
    assert found(DOWN % (above, behind)) == ()


@pytest.mark.parametrize(
    ("above", "rules"),
    [
        ("# deployer: ignore left-over-return", ["ignore-without-reason", "left-over-return"]),
        ("# deployer: ignore", ["ignore-without-reason", "left-over-return"]),
        ("# deployer: ignore left-over moved", ["ignore-unknown-rule", "left-over-return"]),
        ("# deployer: ignore no-root moved", ["left-over-return"]),
        ("# deployer: ignore left-over-return moved\nset $a 1;", ["left-over-return"]),
        ("# deployer: ignore ignore-without-reason,x y", ["ignore-unknown-rule", "left-over-return"]),
    ],
)
def test_another_comment_does_not(above: str, rules: list[str]) -> None:
    assert ids(found(DOWN % (above, ""))) == rules


def test_ignored_ids_are_not_asked() -> None:
    assert found(DOWN % ("", ""), "left-over-return") == ()


def test_a_file_that_is_included_often_is_told_once() -> None:
    server = "server { listen 80; server_name %s.example.com; include snippets/x; }"
    names = ids(found(server % "a" + server % "b", snippets__x="location / { return 503; }"))
    assert names.count("left-over-return") == 2  # it names the site
    assert (
        ids(found(server % "a" + server % "b", snippets__x="allow 1.1.1.1;")).count("allow-without-deny") == 1
    )


def test_what_refuses() -> None:
    errors = found(DOWN % ("", ""))
    warnings = found("server { listen 80; server_name a; allow 10.0.0.0/8; return 200; }")
    assert [worst(errors), worst(warnings), worst(())] == [Severity.ERROR, Severity.WARNING, None]
    assert refusing((*warnings, *errors), "error") == errors
    assert refusing((*warnings, *errors), "warning") == (*errors, *warnings)
    assert refusing(errors, "never") == ()


def test_what_the_terminal_would_obey_is_shown_as_text() -> None:
    (one,) = [
        f for f in found("server { listen 80; server_name a\x1b[2Jb; }") if f.rule == "server-name-malformed"
    ]
    assert "\x1b" not in one.says


@pytest.mark.parametrize(
    ("preserve", "files", "rules"),
    [
        ((), {}, ["include-empty", "no-server"]),
        (("sites/**",), {}, []),
        (("sites/*",), {}, []),
        (("**",), {}, []),
        ((), {"sites__a.conf": "server { listen 80; }"}, []),
        ((), {"sites__a": "server { listen 80; }"}, ["no-server", "include-lost"]),
        ((), {"site__a.conf": "server { listen 80; }"}, ["no-server", "include-lost"]),
        ((), {"sites__README": "server { }"}, ["include-empty", "no-server"]),
    ],
)
def test_includes_and_who_owns_the_files(
    preserve: tuple[str, ...], files: dict[str, str], rules: list[str]
) -> None:
    assert sorted(ids(found("include sites/*.conf;", preserve=preserve, **files))) == sorted(rules)


def test_what_stands_elsewhere_may_be_there() -> None:
    assert found("include /opt/sites/*.conf; include /opt/more.conf;") == ()


def of_pem(http: str, pem: bytes) -> tuple[Finding, ...]:
    """What is found beside a certificate."""
    main = f"events {{}}\nhttp {{ types {{ text/html html; }}\n{http}\n}}\n"
    files = {"nginx.conf": main.encode(), "ssl/a.pem": pem}
    return lint(Subject(parse(files), preserve=(), now=NOW))


def test_certificates_of_the_tree() -> None:
    server = (
        "server { listen 443 ssl; server_name %s; ssl_certificate ssl/a.pem; ssl_certificate_key ssl/a.key; }"
    )

    def of(name: str, days: float, *, own: bool = False) -> list[tuple[str, str]]:
        pem, _ = pair("shop.example.com", ends=NOW + datetime.timedelta(days=days), own=own)
        return [(f.rule, f.severity.value) for f in of_pem(server % name, pem)]

    assert of("shop.example.com", 90) == []
    assert of("_", 90) == []
    assert of("shop.example.com", 3) == [("certificate-expired", "warning")]
    assert of("shop.example.com", -1) == [("certificate-expired", "error")]
    assert of("other.example.com", 90) == [("certificate-wrong-name", "error")]
    assert of("other.example.com shop.example.com", 90) == [("certificate-wrong-name", "warning")]
    assert of("other.example.com", 90, own=True) == [("certificate-wrong-name", "warning")]


def test_a_fragment_is_judged_less() -> None:
    text = b"server { listen 443 ssl; server_name a; location / { proxy_pass http://$host; } include x; }"
    assert [f.rule for f in lint(Subject(parse({"a.conf": text}, "a.conf"), whole=False))] == []
    assert "left-over-return" in {
        f.rule
        for f in lint(Subject(parse({"a": b"server { server_name a; return 503; }"}, "a"), whole=False))
    }


WORDS = (
    "server location { } ; if ( ) ~ ^~ = / $1 $host return 503 301 listen 80 443 ssl server_name "
    "a.b _ proxy_pass http://x/ https://$y rewrite ^(.*)$ last try_files $uri @a deny allow all "
    "root alias /srv upstream down map default set include *.conf limit_req zone=a limit_req_zone "
    "limit_conn error_page add_header X internal '\"' \\ ssl_certificate ssl_protocols auth_basic "
    "off geo http events user proxy_cache proxy_cache_key [a-z* ( }"
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(WORDS.split()), max_size=40), st.booleans())
def test_no_text_makes_a_rule_fail(words: list[str], wrapped: bool) -> None:
    text = " ".join(words)
    whole = f"events {{}} http {{ server {{ {text} ; }} }}" if wrapped else text
    judged = lint(Subject(parse({"nginx.conf": whole.encode()}), preserve=(), now=NOW))
    assert [f for f in judged if "has a bug" in f.says] == []


def test_a_rule_with_a_bug_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(_: Subject) -> Iterator[Hit]:
        raise IndexError("out of range")

    broken = replace(RULES["no-root"], check=stumble)
    monkeypatch.setattr(findings, "RULES", {"no-root": broken})
    (one,) = found("server { listen 80; return 200; }")
    assert one.severity is Severity.WARNING
    assert "has a bug" in one.says


def test_sarif_is_what_code_review_reads() -> None:
    findings = found(DOWN % ("", "") + "server { listen 80; server_name b; allow 10.0.0.0/8; return 200; }")
    made = document(findings, "nginx/")
    (run,) = made["runs"]
    assert made["version"] == "2.1.0"
    assert "sarif-schema-2.1.0.json" in made["$schema"]
    rules = run["tool"]["driver"]["rules"]
    assert {"id", "shortDescription", "fullDescription", "help", "defaultConfiguration"} <= set(rules[0])
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (place,) = [one["physicalLocation"] for one in result["locations"]]
        assert place["artifactLocation"]["uri"] == "nginx/nginx.conf"
        assert place["region"]["startLine"] >= 1
    assert [r["level"] for r in run["results"]].count("error") == 1


def test_sarif_is_valid() -> None:
    import jsonschema

    text = {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string", "minLength": 1}},
    }
    level = {"enum": ["none", "note", "warning", "error"]}
    place: dict[str, Any] = {
        "type": "object",
        "required": ["artifactLocation", "region"],
        "properties": {
            "artifactLocation": {"properties": {"uri": {"type": "string", "format": "uri-reference"}}},
            "region": {
                "additionalProperties": False,
                "properties": {"startLine": {"type": "integer", "minimum": 1}, "snippet": text},
            },
        },
    }
    result = {
        "type": "object",
        "additionalProperties": False,
        "required": ["message"],
        "properties": {
            "ruleId": {"type": "string"},
            "ruleIndex": {"type": "integer", "minimum": 0},
            "level": level,
            "message": text,
            "locations": {
                "items": {"additionalProperties": False, "properties": {"physicalLocation": place}}
            },
        },
    }
    rule = {
        "type": "object",
        "additionalProperties": False,
        "required": ["id"],
        "properties": {
            "id": {"type": "string"},
            "shortDescription": text,
            "fullDescription": text,
            "help": text,
            "defaultConfiguration": {"properties": {"level": level}},
        },
    }
    driver = {"type": "object", "required": ["name"], "properties": {"rules": {"items": rule}}}
    run = {
        "additionalProperties": False,
        "required": ["tool", "results"],
        "properties": {
            "tool": {"properties": {"driver": driver}},
            "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            "results": {"items": result},
        },
    }
    schema = {
        "required": ["version", "runs"],
        "additionalProperties": False,
        "properties": {"$schema": {}, "version": {"const": "2.1.0"}, "runs": {"items": run}},
    }
    every = tuple(
        f
        for rule in RULES.values()
        for f in lint(Subject(parse(rule.example(rule.bad)), preserve=(), now=NOW))
    )
    jsonschema.Draft202012Validator(schema).validate(document(every))
    jsonschema.Draft202012Validator(schema).validate(document(()))


def test_the_page_is_what_the_rules_say() -> None:
    page = DOCS / "lint.md"
    assert page.read_text() == updated(page.read_text()), "python -m deployer.lint.rules.page docs/lint.md"


def many(sites: int) -> Config:
    """As many servers, each with some locations."""
    site = (
        "server {{ listen 80; server_name s{0}.example.com; root /srv/{0};"
        " location / {{ try_files $uri @app; }}"
        " location /api/ {{ proxy_pass http://app; }} location ~ \\.png$ {{ expires 1d; }}"
        " location @app {{ proxy_pass http://app; }} }}\n"
    )
    text = "".join(site.format(number) for number in range(sites))
    whole = f"events {{}} http {{ upstream app {{ server 10.0.0.1; }} include mime.types;\n{text}}}"
    return parse({"nginx.conf": whole.encode(), "mime.types": b""})


def test_the_work_grows_with_the_configuration_and_not_faster() -> None:
    """Four times the sites are at most about four times the work: no rule compares each with each."""

    def work(sites: int) -> int:
        subject, calls = Subject(many(sites), now=NOW), 0

        def count(*_: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        try:
            lint(subject)
        finally:
            sys.setprofile(None)
        return calls

    small, large = work(50), work(200)
    assert large < 4.5 * small


@pytest.mark.slow
def test_five_thousand_sites_do_not_take_minutes() -> None:
    began = time.monotonic()
    lint(Subject(many(5000), now=NOW))
    assert time.monotonic() - began < 60
