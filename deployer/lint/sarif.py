"""Findings as SARIF 2.1.0, the format in which code review systems take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from deployer.lint.findings import Finding
from deployer.lint.rules import RULES, Rule
from deployer.lint.rules.base import Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def document(findings: Sequence[Finding], prefix: str = "") -> dict[str, Any]:
    """One run of the tool ``deployer``; only rules that fired are described.

    :param prefix: where the tree is in its repository, with a slash at its end.
    """
    used = [rule for rule in RULES.values() if any(f.rule == rule.id for f in findings)]
    index = {rule.id: at for at, rule in enumerate(used)}
    driver = {"name": "deployer", "rules": [_rule(rule) for rule in used]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index, prefix) for finding in findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, index: dict[str, int], prefix: str) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": finding.line}
    if finding.source:
        region["snippet"] = {"text": finding.source}
    uri = quote(prefix + finding.file, errors="surrogateescape")
    location = {"artifactLocation": {"uri": uri}, "region": region}
    about = finding.about
    return {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{about.title}: {finding.says}. {about.why} {about.fix}"},
        "locations": [{"physicalLocation": location}],
    }
