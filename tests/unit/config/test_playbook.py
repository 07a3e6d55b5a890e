"""A playbook is read into values that fit together, or refused with line and key."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from deployer.config.playbook import (
    From,
    Health,
    OnFailure,
    Playbook,
    find_playbook,
    load_playbook,
)
from deployer.config.schema import playbook_schema
from deployer.config.terms import LocalFile, duration
from deployer.errors import ConfigError, UsageError
from deployer.model import Amount, Target

from .conftest import Write

LEAST = "source: {repo: /srv/nginx.git}\n"


def load(write: Write, text: str) -> Playbook:
    return load_playbook(write("playbooks/p.yml", text))


def test_the_least_playbook_is_all_defaults(write: Write) -> None:
    playbook = load(write, LEAST)
    assert playbook.name == "p"
    assert (playbook.source.ref, playbook.source.path, playbook.source.render) == ("main", ".", ("**/*.j2",))
    assert playbook.target_spec() == Target()
    assert playbook.checks == ()
    assert playbook.health == Health(deadline_s=30.0, interval_s=0.25, consecutive=3, bake_s=10.0)
    assert playbook.rollout.waves == (Amount(1), Amount(25, percent=True), Amount(100, percent=True))
    assert playbook.rollout.max_failures == Amount(0)
    assert (playbook.rollout.parallel, playbook.rollout.on_failure) == (32, OnFailure.ALL)
    assert playbook.rollout.confirm_within_s == 120.0


def test_everything_said_arrives(write: Write) -> None:
    text = """
        source: {repo: "git@git.example.com:ops/nginx.git", ref: v1.2, path: ./conf/nginx/, render: []}
        target:
          directory: /opt/openresty/conf
          preserve: ["ssl/**"]
          modes: {"ssl/*.key": "0640 root:www-data"}
          state: /opt/state/openresty
          keep: 2
          become: false
        validate: [openresty, -t]
        reload: [systemctl, reload, openresty]
        checks:
          - name: shop
            url: https://127.0.0.1:8443/x?y
            headers: {Host: shop.example.com}
            expect: {status: [200, 3xx, 410-419], body: "^ok", headers: {X-By: ".+"}, within: 1500ms}
            verify: false
            ca: /etc/ca.pem
            server_name: other.example.com
          - {name: smoke, from: command, command: [smoke, --fast]}
        health: {deadline: 1m, interval: 50ms, consecutive: 1, bake: 0s}
        rollout: {waves: [2, 50%, all], parallel: 4, max_failures: 10%, on_failure: wave}
    """
    playbook = load(write, text)
    assert playbook.source.path == "conf/nginx"
    assert playbook.target_spec() == Target(
        directory="/opt/openresty/conf",
        state="/opt/state/openresty",
        preserve=("ssl/**",),
        modes={"ssl/*.key": "0640 root:www-data"},
        keep=2,
        become=False,
        validate=("openresty", "-t"),
        reload=("systemctl", "reload", "openresty"),
    )
    shop, smoke = playbook.checks
    assert (shop.from_, shop.verify, shop.ca, shop.server_name) == (
        From.HOST, False, LocalFile("/etc/ca.pem"), "other.example.com",
    )  # fmt: skip
    assert [s for s in (199, 200, 201, 301, 399, 409, 410, 419, 420) if shop.expect.accepts(s)] == [
        200, 301, 399, 410, 419,
    ]  # fmt: skip
    assert (shop.expect.body, shop.expect.headers, shop.expect.within_s) == ("^ok", {"X-By": ".+"}, 1.5)
    assert (smoke.from_, smoke.command, smoke.url) == (From.COMMAND, ("smoke", "--fast"), None)
    assert playbook.health == Health(60.0, 0.05, 1, 0.0)
    assert playbook.rollout.waves == (Amount(2), Amount(50, percent=True), Amount(100, percent=True))
    assert playbook.rollout.max_failures == Amount(10, percent=True)
    assert playbook.rollout.on_failure == "wave"


def test_it_is_frozen(write: Write) -> None:
    playbook = load(write, LEAST)
    with pytest.raises(dataclasses.FrozenInstanceError):
        playbook.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        playbook.target.modes["x"] = "y"  # type: ignore[index]
    assert hash(playbook) == hash(load(write, LEAST))


CHECK = "checks: [{name: x, url: 'http://x/', "

BAD = [
    ("rehearse: maybe", "rehearse.mode", "expected auto, on or off"),
    ("rehearse: [auto]", "rehearse", "a mapping with mode, answers, not a list"),
    ("rehearse: {answers: some}", "rehearse.answers", "expected first_wave, all or off"),
    ("rehearse: {answer: all}", "rehearse.answer", 'did you mean "answers"'),
    ("source: {repo: x, rev: y}", "source.rev", 'did you mean "ref"'),
    ("source: {ref: main}", "source.repo", "is missing"),
    ("source: {repo: --upload-pack=x}", "source.repo", "option"),
    ("source: {repo: x, ref: -b}", "source.ref", "option"),
    ("source: {repo: x, ref: 5}", "source.ref", "quote it"),
    ("source: {repo: 'a\nb'}", None, ""),
    ('source: {repo: "a\\nb"}', "source.repo", "one line"),
    ("source: {repo: x, path: ../etc}", "source.path", "inside the repository"),
    ("source: {repo: x, path: /etc}", "source.path", "inside the repository"),
    ("source: {repo: x, path: .git/hooks}", "source.path", "inside the repository"),
    ("source: {repo: x, render: '*.j2'}", "source.render", "a list of globs"),
    ("source: {repo: x, render: ['../*']}", "source.render", "glob over relative paths"),
    ("source: {repo: x, render: [/etc/x]}", "source.render", "glob over relative paths"),
    ("source: {repo: x, render: ['[z-a]']}", "source.render", "glob over relative paths"),
    ("source: git@example.com:x", "source", "a mapping with repo, ref, path, signed_by, render, not text"),
    ("target: {directory: etc/nginx}", "target.directory", "such as /etc/nginx"),
    ("target: {directory: /etc/nginx/}", "target.directory", "such as /etc/nginx"),
    ("target: {directory: /etc/../nginx}", "target.directory", "such as /nginx"),
    ("target: {directory: /etc}", "target.directory", "too much"),
    ("target: {directory: //etc/nginx}", "target.directory", "absolute path"),
    ("target: {state: /}", "target.state", "too much"),
    ("target: {state: /etc/nginx}", "target.state", "inside the other"),
    ("target: {state: /etc/nginx/state}", "target.state", "inside the other"),
    ("target: {directory: /var/lib/deployer/nginx/live}", "target.state", "inside the other"),
    ("target: {preserve: [5]}", "target.preserve", "quote it"),
    ("target: {modes: {'*.key': 0640}}", "target.modes", '"0640 user:group"'),
    ("target: {modes: {'*.key': '640 root:root'}}", "target.modes", '"0640 user:group"'),
    ("target: {modes: {'*.key': '0640 root'}}", "target.modes", '"0640 user:group"'),
    ("target: {modes: {/abs: '0640 a:b'}}", "target.modes", "glob over relative"),
    ("target: {keep: 0}", "target.keep", "from 1 to 1000, not 0"),
    ("target: {keep: true}", "target.keep", "not true"),
    ("target: {keep: 5.0}", "target.keep", "not 5.0"),
    ("target: {become: sudo}", "target.become", "auto, true or false"),
    ("validate: nginx -t", "validate", "[nginx, -t]"),
    ("validate: []", "validate", "such as [nginx, -t]"),
    ("validate: [-t]", "validate", "a program as the first word"),
    ("validate: [nginx, 5]", "validate", "quote it"),
    ("reload: restart", "reload", "[restart]"),
    ("checks: {name: x}", "checks", "expected a list, not a mapping"),
    ("checks: [x]", "checks[0]", "expected a mapping with name, url, from"),
    ("checks: [{url: 'http://x/'}]", "checks[0].name", "is missing"),
    ("checks: [{name: x}]", "checks[0]", "needs a url"),
    ("checks: [{name: x, url: 'ftp://x/'}]", "checks[0].url", "a URL such as"),
    ("checks: [{name: x, url: 'http:///x'}]", "checks[0].url", "a URL such as"),
    ("checks: [{name: x, url: 'http://x:99999/'}]", "checks[0].url", "a URL such as"),
    ("checks: [{name: x, url: 'http://u:p@x/'}]", "checks[0].url", "user or password"),
    ("checks: [{name: x, url: 'http://x/ y'}]", "checks[0].url", "a URL such as"),
    (CHECK + "from: moon}]", "checks[0].from", "host, controller or command, not moon"),
    (CHECK + "headers: {A: 5}}]", "checks[0].headers", "quote it"),
    ('checks: [{name: x, url: "http://x/", headers: {A: "b\\r\\nC: d"}}]', "checks[0].headers", "one line"),
    (CHECK + "headers: {'A B': c}}]", "checks[0].headers", "not the name of a header"),
    (CHECK + "headers: {Host: a, host: b}}]", "checks[0].headers", "twice"),
    (CHECK + "expect: {status: 99}}]", "checks[0].expect.status", "a status such as"),
    (CHECK + "expect: {status: 299-200}}]", "checks[0].expect.status", "a status"),
    (CHECK + "expect: {status: []}}]", "checks[0].expect.status", "at least one"),
    (CHECK + "expect: {body: '('}}]", "checks[0].expect.body", "regular expression"),
    (CHECK + "expect: {headers: {A: '['}}}]", "checks[0].expect.headers", "regular"),
    (CHECK + "expect: {within: 0s}}]", "checks[0].expect.within", "more than 0s"),
    (CHECK + "ca: y}]", "checks[0].ca", "only with an https URL"),
    (CHECK + "verify: false}]", "checks[0].verify", "only with an https URL"),
    (CHECK + "command: [y]}]", "checks[0].command", "from: command"),
    ("checks: [{name: x, from: command}]", "checks[0]", "needs a command"),
    ("checks: [{name: x, from: command, command: [y], url: 'http://x/'}]", "checks[0].url", "not fetched"),
    ("checks: [{name: x, from: command, command: [y], expect: {status: 201}}]", "checks[0].expect.status", ""),  # noqa: E501
    ("health: {deadline: 30}", "health.deadline", "did you mean 30s"),
    ("health: {deadline: 30 s}", "health.deadline", "a duration such as"),
    ("health: {deadline: -1s}", "health.deadline", "a duration such as"),
    ("health: {deadline: 31d}", "health.deadline", "at most 30d"),
    ("health: {deadline: 0s}", "health.deadline", "more than 0s"),
    ("health: {interval: 0s}", "health.interval", "more than 0s"),
    ("health: {deadline: 1s, interval: 1s, consecutive: 9}", "health.deadline", "9 rounds take 8s"),
    ("rollout: {waves: []}", "rollout.waves", "at least one"),
    ("rollout: {waves: [0, 100%]}", "rollout.waves[0]", "at least one host"),
    ("rollout: {waves: [25%, 10%, 100%]}", "rollout.waves[1]", "larger than the one before"),
    ("rollout: {waves: [5, 5, 100%]}", "rollout.waves[1]", "larger than the one before"),
    ("rollout: {waves: [100%, 100%]}", "rollout.waves[1]", "larger than the one before"),
    ("rollout: {waves: [1, 25%]}", "rollout.waves", "[1, 25%, 100%]"),
    ("rollout: {waves: [1, 101%]}", "rollout.waves[1]", "a percentage such as 25%"),
    ("rollout: {waves: 1}", "rollout.waves", "expected a list, not a number"),
    ("rollout: {max_failures: -1}", "rollout.max_failures", "a number of hosts"),
    ("rollout: {max_failures: 1.5}", "rollout.max_failures", "a number of hosts"),
    ("rollout: {parallel: 0}", "rollout.parallel", "from 1 to 500"),
    ("rollout: {confirm_within: 1s}", "rollout.confirm_within", "expected 2s to 1h"),
    ("rollout: {confirm_within: 2h}", "rollout.confirm_within", "expected 2s to 1h"),
    ("validate_fallback: skip", "validate_fallback", "rewrite, not skip"),
    ("rollout: {wave_within: 10s}", "rollout.wave_within", "more than 10s"),
    ("rollout: {on_failure: none}", "rollout.on_failure", "host, wave or all, not none"),
    ("gates: {after: ../staging}", "gates.after", "the name of an inventory"),
    ("gates: {after: -x}", "gates.after", "the name of an inventory"),
    ("gates: {within: 0s}", "gates.within", "more than 0s"),
    ("gates: {before: staging}", "gates.before", "after, within, freeze"),
    ("gates: {freeze: [{from: fri 16:00, to: mon 06:00}]}", "gates.freeze[0].name", "is missing"),
    ("gates: {freeze: [{name: x, from: fri 16:00}]}", "gates.freeze[0].to", "is missing"),
    ("gates: {freeze: [{name: x, from: Friday, to: mon 06:00}]}", "gates.freeze[0].from", "fri 16:00"),
    ("gates: {freeze: [{name: x, from: 2026-02-30T10:00, to: 2026-03-01T10:00}]}", "gates.freeze[0].from", ""),  # noqa: E501
    ("gates: {freeze: [{name: x, from: fri 24:00, to: mon 06:00}]}", "gates.freeze[0].from", "fri 16:00"),
    ("gates: {freeze: [{name: x, from: 1440, to: '06:00'}]}", "gates.freeze[0].from", "22:00"),
    ("gates: {freeze: [{name: x, from: fri 16:00, to: '06:00'}]}", "gates.freeze[0].to", "the same form"),
    ("gates: {freeze: [{name: x, from: fri 16:00, to: fri 16:00}]}", "gates.freeze[0].to", "same moment"),
    ("gates: {freeze: [{name: x, from: 2026-11-27T00:00, to: 2026-11-26T00:00}]}", "gates.freeze[0].to", "before"),  # noqa: E501
    ("gates: {freeze: [{name: x, from: '1:00', to: '06:00'}]}", "gates.freeze[0].from", "22:00"),
    ("gates: {freeze: [{name: x, from: '01:00', to: '06:00', zone: CEST}]}", "gates.freeze[0].zone", "time zone"),  # noqa: E501
    ("source: {repo: x, signed_by: []}", "source.signed_by", "a file, or a list of files"),
    ("source: {repo: x, signed_by: [1]}", "source.signed_by", "expected text"),
    ("gate: {after: x}", "gate", 'did you mean "gates"'),
    ("staging: {upstreams: [app]}", "staging.upstreams", "upstreams by their address"),
    ("staging: {upstreams: {app.internal: 99}}", "staging.upstreams", "a status (200 to 599) or an address"),
    ("staging: {upstreams: {app.internal: staging.internal}}", "staging.upstreams", "an address with a port"),
    ("staging: {certificates: real}", "staging.certificates", "self-signed or copy, not real"),
    ("staging: {keys: copy}", "staging.keys", "upstreams, record, certificates"),
    ("reloaded: auto", "reloaded", 'did you mean "reload"'),
    ("on: x", "True", "quote it"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "problem"), BAD, ids=[text[:60] for text, _, _ in BAD])
def test_mistakes(write: Write, text: str, key: str | None, problem: str) -> None:
    if key is None:
        assert load(write, text + "\n").source.repo == "a b"  # YAML folds the newline
        return
    body = "---\n" + (text if text.startswith("source") else LEAST + text) + "\n"
    with pytest.raises(ConfigError) as caught:
        load(write, body)
    assert caught.value.key == key
    assert caught.value.line == (2 if text.startswith("source") else 3)
    assert problem in caught.value.problem
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(write: Write) -> None:
    text = "health:\n  deadline: 5\nsource:\n  rep: x\nchecks:\n  - name: a\n    url: x\n  - nme: b\n"
    with pytest.raises(ConfigError) as caught:
        load(write, text)
    lines = str(caught.value).splitlines()
    assert [line.rpartition("p.yml:")[2].partition(": ")[0] for line in lines] == [
        "2",
        "3",
        "4",
        "7",
        "8",
        "8",
    ]
    assert caught.value.line == 2


def test_a_hundred_mistakes_are_not_a_hundred_lines(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"… and 80 more"):
        load(write, "".join(f"bad{n}: 1\n" for n in range(99)))


def test_two_checks_of_one_name(write: Write) -> None:
    text = LEAST + "checks:\n  - {name: a, url: 'http://x/'}\n  - {name: a, url: 'http://y/'}\n"
    with pytest.raises(
        ConfigError, match=r"p\.yml:4: checks\[1\]\.name: 'a' is the name of checks\[0\] already"
    ):
        load(write, text)


@pytest.mark.parametrize("text", ["", "- a\n", "hello\n"])
def test_no_playbook_at_all(write: Write, text: str) -> None:
    with pytest.raises(ConfigError, match="a playbook is a mapping"):
        load(write, text)


def test_header_values_are_not_in_errors(write: Write) -> None:
    text = LEAST + 'checks: [{name: x, url: "http://x/", headers: {Authorization: "Bearer hunter2\\n"}}]\n'
    with pytest.raises(ConfigError) as caught:
        load(write, text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("0s", 0.0), ("1.5s", 1.5), ("5m", 300.0), ("2h", 7200.0), ("1d", 86400.0)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


# Finding the file


def test_the_only_playbook_needs_no_name(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="deployer init"):
        find_playbook(tmp_path, None)
    nginx = write("playbooks/nginx.yml", LEAST)
    write("playbooks/notes.txt", "")
    write("playbooks/.hidden.yml", "")
    assert find_playbook(tmp_path, None) == nginx
    edge = write("playbooks/edge.yaml", LEAST)
    assert find_playbook(tmp_path, "edge") == edge
    assert find_playbook(tmp_path, "edge.yaml") == edge
    assert find_playbook(tmp_path, str(nginx)) == nginx
    with pytest.raises(UsageError, match="choose with --playbook: edge, nginx"):
        find_playbook(tmp_path, None)
    with pytest.raises(UsageError, match='did you mean "nginx"'):
        find_playbook(tmp_path, "ngnix")


def test_the_documentation_says_every_key() -> None:
    """A key that is in no table of docs/playbook.md does not exist for an operator."""
    from deployer.config.schema import playbook_schema

    text = (Path(__file__).parents[3] / "docs" / "playbook.md").read_text()
    schema = playbook_schema()
    for name in schema["properties"]:
        assert f"`{name}" in text or f"## {name}" in text, name
    for owner in (
        "Source",
        "TargetSpec",
        "Check",
        "Expect",
        "Health",
        "Rollout",
        "Gates",
        "Freeze",
        "Rehearse",
        "Compare",
        "ExpectedChange",
        "Identity",
        "Recipient",
        "Staging",
    ):
        for name in schema["$defs"][owner]["properties"]:
            assert f"`{name}`" in text, f"{owner}.{name}"


def test_yaml_of_the_sample_uses_every_key() -> None:
    from deployer.config.init import sample
    from deployer.config.schema import playbook_schema

    content, schema = yaml.safe_load(sample("nginx.yml")), playbook_schema()
    assert set(content) == set(schema["properties"])
    for section, owner in (
        ("source", "Source"),
        ("target", "TargetSpec"),
        ("health", "Health"),
        ("rollout", "Rollout"),
        ("gates", "Gates"),
    ):
        assert set(content[section]) == set(schema["$defs"][owner]["properties"])
    keys = {key for one in content["checks"] for key in one}
    assert keys >= set(schema["$defs"]["Check"]["properties"]) - {"ca", "server_name"}


@pytest.mark.parametrize(
    ("text", "mode", "answers"),
    [
        ("", "auto", "first_wave"),
        ("rehearse: on", "on", "first_wave"),
        ("rehearse: off", "off", "first_wave"),
        ("rehearse: {answers: all}", "auto", "all"),
        ("rehearse: {mode: on, answers: off}", "on", "off"),
    ],
)
def test_a_rehearsal_is_asked_for_by_a_word_or_by_its_keys(
    write: Write, text: str, mode: str, answers: str
) -> None:
    rehearse = load(write, LEAST + text + "\n").rehearse
    assert (rehearse.mode, rehearse.answers) == (mode, answers)
    Draft202012Validator(playbook_schema()).validate(yaml.safe_load(LEAST + text))
