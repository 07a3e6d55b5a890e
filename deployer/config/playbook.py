"""The playbook: what is deployed, where to, how it is tested, judged and rolled out.

The nouns are plain frozen dataclasses; pydantic reads YAML into them, and each field carries what the JSON
Schema and docs/playbook.md say of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from deployer.config import terms
from deployer.config.compare import COMPARED, Compare
from deployer.config.gates import Gates, Signers
from deployer.config.lint import Lint
from deployer.config.locate import find_playbook
from deployer.config.notify import Recipient
from deployer.config.rehearse import BY_DEFAULT, RehearseSection
from deployer.config.staging import Staging
from deployer.model import Amount, Target

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Check", "Expect", "From", "Health", "OnFailure", "Playbook", "Rollout", "Source", "TargetSpec"]
__all__ += ["find_playbook", "load_playbook"]

NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
MAX_BYTES = 1_000_000
WAVE_S = 1800.0  #: beside its bake, a wave may take so long
_EXACT = ConfigDict(extra="forbid")  # an unknown key is an error, never ignored
_SUCCESS = terms.Statuses(((200, 299),))
_OPEN = Gates()
_EVERYBODY, _NOBODY = Amount(100, percent=True), Amount(0)


def _none() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration comes from."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    repo: Annotated[terms.GitWord, Field(description="Repository: any URL or path that git can fetch from.")]
    ref: Annotated[
        terms.GitWord, Field(description="Branch, tag or commit that is deployed when no --rev is given.")
    ] = "main"
    path: Annotated[
        terms.Subdirectory, Field(description="Directory of the repository that becomes target.directory.")
    ] = "."
    signed_by: Annotated[
        Signers,
        Field(
            description="Files with the keys (ssh allowed signers, OpenPGP) of which one must have signed."
        ),
    ] = None
    render: Annotated[
        terms.Globs,
        Field(description="Files of it that are Jinja2 templates; the suffix .j2 is dropped."),
    ] = ("**/*.j2",)


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """Where the configuration lives on a host."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    directory: Annotated[
        terms.HostDirectory, Field(description="The directory on the host that a release stands at.")
    ] = "/etc/nginx"
    preserve: Annotated[
        terms.Globs, Field(description="Paths under it that the repository does not own: never touched.")
    ] = ()
    modes: Annotated[
        terms.Modes,
        Field(description='Mode and owner of new files by glob: {"ssl/*.key": "0640 root:www-data"}.'),
    ] = field(default_factory=_none, hash=False)
    state: Annotated[terms.HostDirectory, Field(description="Releases, pointers and log on the host.")] = (
        "/var/lib/deployer/nginx"
    )
    keep: Annotated[
        int,
        terms.Whole(1, 1000),
        Field(description="Good releases kept on the host; live, from and last known good always are."),
    ] = 5
    become: Annotated[
        terms.AutoOrBool,
        Field(
            description="sudo -n: auto (unless the user is root), true or false. ansible_become outranks it."
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Expect:
    """What a good answer looks like."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    status: Annotated[terms.ExpectedStatus, Field(description="200, 2xx, 200-299, or a list of these.")] = (
        _SUCCESS
    )
    body: Annotated[
        terms.Regex | None, Field(description="A regular expression that the body has to contain.")
    ] = None
    headers: Annotated[
        terms.HeaderPatterns, Field(description="Regular expressions that response headers have to contain.")
    ] = field(default_factory=_none, hash=False)
    within_s: Annotated[
        terms.Duration, Field(alias="within", description="How long one answer may take.")
    ] = 2.0

    def accepts(self, status: int) -> bool:
        """Whether an HTTP status is as expected."""
        return status in self.status


class From(StrEnum):
    """Who asks a check's question."""

    HOST = "host"  #: the host itself, through its SSH connection
    CONTROLLER = "controller"
    COMMAND = "command"  #: a command on the host


class Fallback(StrEnum):
    """How a candidate is tested on a host that gives no private namespaces."""

    REWRITE = "rewrite"


class OnFailure(StrEnum):
    """Which hosts go back when the budget is spent."""

    HOST = "host"
    WAVE = "wave"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Check:
    """A question that a healthy host answers as expected."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    name: Annotated[terms.Line, Field(description="How the check is called in reports; unique.")]
    url: Annotated[
        terms.Url | None,
        Field(description="What is fetched, as the one who asks sees it; {host} is the host's address."),
    ] = None
    from_: Annotated[
        From,
        Field(
            alias="from",
            description="Who asks: the host through its SSH connection, the controller, or a command on it.",
        ),
    ] = From.HOST
    command: Annotated[
        terms.Argv | None,
        Field(description="With from: command: program and arguments; exit status 0 is healthy."),
    ] = None
    headers: Annotated[
        terms.Headers, Field(description="Request headers; Host also names the site in TLS.")
    ] = field(default_factory=_none, hash=False)
    expect: Annotated[Expect, Field(description="What a good answer looks like.")] = Expect()
    verify: Annotated[
        terms.TrueOrFalse, Field(description="Whether the certificate of an https URL has to be valid.")
    ] = True
    ca: Annotated[
        terms.Local | None,
        Field(description="PEM file with the authorities to believe, relative to the project directory."),
    ] = None
    server_name: Annotated[
        terms.Line | None, Field(description="Name in TLS; otherwise the Host header's, otherwise the URL's.")
    ] = None

    @property
    def digest(self) -> str:
        """The meaning of the check, as a host remembers it: 16 hex digits, the same for the same question.

        The name is not part of it: a check that is only renamed is not a new one.
        """
        meaning = {
            "url": self.url,
            "from": self.from_.value,
            "command": self.command,
            "headers": sorted((name.lower(), value) for name, value in self.headers.items()),
            "status": self.expect.status.ranges,
            "body": self.expect.body,
            "expect": sorted((name.lower(), value) for name, value in self.expect.headers.items()),
            "within": round(self.expect.within_s * 1000),
            "tls": [self.verify, self.ca and self.ca.text, self.server_name],
        }
        text = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Health:
    """How checks are repeated until a host counts as healthy."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    deadline_s: Annotated[
        terms.Duration, Field(alias="deadline", description="How long a host has to become healthy.")
    ] = 30.0
    interval_s: Annotated[
        terms.Duration, Field(alias="interval", description="From the beginning of one round to the next.")
    ] = 0.25
    consecutive: Annotated[
        int, terms.Whole(1, 100), Field(description="Rounds in a row in which every check has to pass.")
    ] = 3
    bake_s: Annotated[
        terms.Duration,
        Field(alias="bake", description="How long it then has to stay healthy; 0s for not at all."),
    ] = 10.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a release spreads over the hosts that change."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    waves: Annotated[
        tuple[terms.Share, ...],
        Field(
            min_length=1,
            description="Cumulative counts or percentages of the hosts that change; the last is 100%.",
        ),
    ] = (Amount(1), Amount(25, percent=True), _EVERYBODY)
    parallel: Annotated[
        int, terms.Whole(1, 500), Field(description="Hosts that are worked on at the same time.")
    ] = 32
    max_failures: Annotated[
        terms.Share, Field(description="Hosts that may fail or be unreachable, as a count or a percentage.")
    ] = _NOBODY
    on_failure: Annotated[
        OnFailure,
        Field(description="Who goes back when more fail: that host, its wave, or all changed hosts."),
    ] = OnFailure.ALL
    confirm_within_s: Annotated[
        terms.Duration,
        Field(
            alias="confirm_within",
            description="Unless confirmed within that time a host goes back by itself; renewed in its wave.",
        ),
    ] = 120.0
    wave_within_s: Annotated[
        terms.Duration | None,
        Field(alias="wave_within", description="How long a wave may take; null: 30 minutes and the bake."),
    ] = None


@dataclass(frozen=True, slots=True)
class PlaybookFile:
    """What a playbook's YAML may hold."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    source: Annotated[Source, Field(description="Where the configuration comes from.")]
    target: Annotated[TargetSpec, Field(description="Where it lives on a host.")] = TargetSpec()
    validate: Annotated[
        terms.Argv,
        Field(description="Tests a candidate, which stands at target.directory while it runs; 0 is valid."),
    ] = ("nginx", "-t")
    validate_fallback: Annotated[
        Fallback | None,
        Field(
            description="rewrite: where no private namespaces can be had, test a copy with rewritten paths."
        ),
    ] = None
    reload: Annotated[
        terms.ReloadArgv,
        Field(description="auto (systemctl reload nginx, or nginx -s reload without systemd) or an argv."),
    ] = None
    rehearse: Annotated[RehearseSection, Field(description="auto, on, off; or with answers.")] = BY_DEFAULT
    compare: Annotated[Compare, Field(description="How live's and its answers are compared.")] = COMPARED
    checks: Annotated[
        tuple[Check, ...],
        Field(
            description="Questions that a healthy host answers; none: sites are compared before and after."
        ),
    ] = ()
    health: Annotated[Health, Field(description="How checks are repeated.")] = Health()
    rollout: Annotated[Rollout, Field(description="How a release spreads over the hosts.")] = Rollout()
    gates: Annotated[Gates, Field(description="What has to be true before any deployment.")] = _OPEN
    lint: Annotated[Lint, Field(description="Which findings of deployer check refuse.")] = field(
        default_factory=Lint
    )
    notify: Annotated[tuple[Recipient, ...], Field(description="Who is told of what happens.")] = ()
    staging: Annotated[Staging, Field(description="What a staging fleet has in production's place.")] = field(
        default_factory=Staging
    )


@dataclass(frozen=True, slots=True)
class Playbook(PlaybookFile):
    """A playbook that was read: every value is valid, and they fit together."""

    name: str = ""
    path: Path = field(default=Path(), compare=False)

    @property
    def wave_within_s(self) -> float:
        """How long a wave may take until it is decided."""
        within_s = self.rollout.wave_within_s
        return self.health.bake_s + WAVE_S if within_s is None else within_s

    def target_spec(self) -> Target:
        """What the host side needs to know, as one noun."""
        target = self.target
        return Target(
            directory=target.directory,
            state=target.state,
            preserve=target.preserve,
            modes=target.modes,
            keep=target.keep,
            become=target.become,
            validate=self.validate,
            reload=self.reload,
            fallback=self.validate_fallback and self.validate_fallback.value,
        )


def load_playbook(path: Path, project: Path | None = None) -> Playbook:
    """Read a playbook.

    :param project: the project directory, if it is not the current one.
    :raises ConfigError: with file, line and key of what is wrong, and what was expected.
    """
    from pydantic import ValidationError

    from deployer.config.complaints import complain, misfits, odd_keys
    from deployer.config.yamlfile import read_yaml

    document = read_yaml(path, limit=MAX_BYTES)
    if not isinstance(document.value, dict):
        raise document.error((), "a playbook is a mapping that begins with source:, target: or checks:")
    if odd := odd_keys(document.value):
        raise document.errors(odd)
    try:
        content: PlaybookFile = adapter().validate_python(document.value, context=project)
    except ValidationError as error:
        raise complain(document, error) from None
    wrong = misfits(content)
    if wrong:
        raise document.errors(wrong)
    values: dict[str, Any] = {f.name: getattr(content, f.name) for f in fields(content)}
    return Playbook(**values, name=path.stem, path=path)


def adapter() -> TypeAdapter[PlaybookFile]:
    """Pydantic's reader of the YAML's content; also the source of the JSON Schema."""
    from pydantic import TypeAdapter

    # Else pydantic looks for plugins in all that is installed; none has a say in what a playbook is.
    before = os.environ.get(NO_PLUGINS)
    os.environ[NO_PLUGINS] = "1"
    try:
        return TypeAdapter(PlaybookFile)
    finally:
        if before is None:
            del os.environ[NO_PLUGINS]
        else:
            os.environ[NO_PLUGINS] = before
