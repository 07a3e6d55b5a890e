"""A configuration and the rules: what is found, less what somebody said is meant. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from deployer.lint.rules import RULES, Rule
from deployer.lint.rules.base import Hit, Severity
from deployer.lint.rules.comments import ignores
from deployer.lint.rules.subject import Subject, place

NEVER_IGNORED = frozenset({"ignore-without-reason", "ignore-unknown-rule"})
"""By a comment: who wants these gone corrects the comment."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a rule fired.

    :ivar file: as the tree names it.
    :ivar line: 1-based.
    :ivar source: that line, as it stands there.
    :ivar says: what is wrong here.
    """

    rule: str
    severity: Severity
    file: str
    line: int
    source: str
    says: str

    @property
    def about(self) -> Rule:
        """Why it hurts, and what to do."""
        return RULES[self.rule]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.about.title}: {self.says} [{self.rule}]"


def lint(subject: Subject, ignore: Collection[str] = ()) -> tuple[Finding, ...]:
    """What the rules find, by file and line, each place once.

    :param ignore: ids of rules that are not asked.
    """
    meant = _meant(subject)
    found: dict[tuple[str, str, int, str], Finding] = {}
    for rule in RULES.values():
        if rule.id in ignore or (rule.whole and not subject.whole):
            continue
        for finding in _of_rule(rule, subject):
            if (finding.file, finding.line, rule.id) not in meant or rule.id in NEVER_IGNORED:
                found.setdefault((rule.id, finding.file, finding.line, finding.says), finding)
    return tuple(sorted(found.values(), key=lambda f: (f.file, f.line, -f.severity.rank, f.rule)))


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The worst severity among them."""
    return max((f.severity for f in findings), key=lambda s: s.rank, default=None)


def refusing(findings: Iterable[Finding], fail_on: str) -> tuple[Finding, ...]:
    """Those that refuse a deployment.

    :param fail_on: ``error``, ``warning`` or ``never``.
    """
    if fail_on == "never":
        return ()
    rank = Severity(fail_on).rank
    return tuple(sorted((f for f in findings if f.severity.rank >= rank), key=lambda f: -f.severity.rank))


def counts(findings: Iterable[Finding]) -> Mapping[Severity, int]:
    """How many there are of each severity, the worst first."""
    out = dict.fromkeys((Severity.ERROR, Severity.WARNING, Severity.INFO), 0)
    for finding in findings:
        out[finding.severity] += 1
    return out


def _of_rule(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for hit in _hits(rule, subject):
        lines = subject.config.lines(hit.at.file)
        source = lines[hit.at.line - 1].strip() if 0 < hit.at.line <= len(lines) else ""
        yield Finding(
            rule.id, hit.severity or rule.severity, hit.at.file, hit.at.line, source, _shown(hit.says)
        )


def _hits(rule: Rule, subject: Subject) -> Iterator[Hit]:
    try:
        yield from rule.check(subject)
    except Exception as error:
        # A rule that stumbles over what somebody wrote may not keep a cure from being deployed.
        says = f"this rule has a bug and could not judge ({type(error).__name__}: {error}); please report it"
        yield Hit(place(subject.config.main, 1), says, Severity.WARNING)


def _shown(text: str) -> str:
    """Words of a file go to a terminal: it must not obey them."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _meant(subject: Subject) -> frozenset[tuple[str, int, str]]:
    return frozenset(
        (ignore.file, line, rule)
        for ignore in ignores(subject.config)
        if ignore.reason
        for line in ignore.lines
        for rule in ignore.rules
    )
