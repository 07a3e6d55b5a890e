"""The JSON Schemas let through what the program reads, and stop what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from deployer.config.init import sample
from deployer.config.inventory import load_inventory
from deployer.config.playbook import load_playbook
from deployer.config.schema import inventory_schema, playbook_schema
from deployer.errors import ConfigError

from .test_playbook import BAD, LEAST

INVENTORIES = sorted((Path(__file__).parent / "inventories").rglob("*.y*ml"))

# How values fit together, and what is text only once it is compiled, is beyond a schema.
BEYOND = {
    "rollout: {confirm_within: 1s}",
    "rollout: {confirm_within: 2h}",
    "rollout: {wave_within: 10s}",
    "gates: {within: 0s}",
    "gates: {freeze: [{name: x, from: 2026-02-30T10:00, to: 2026-03-01T10:00}]}",
    "gates: {freeze: [{name: x, from: fri 16:00, to: '06:00'}]}",
    "gates: {freeze: [{name: x, from: fri 16:00, to: fri 16:00}]}",
    "gates: {freeze: [{name: x, from: 2026-11-27T00:00, to: 2026-11-26T00:00}]}",
    "gates: {freeze: [{name: x, from: '01:00', to: '06:00', zone: CEST}]}",
    'source: {repo: "a\\nb"}',
    "source: {repo: x, path: ../etc}",
    "source: {repo: x, path: .git/hooks}",
    "source: {repo: x, render: ['../*']}",
    "source: {repo: x, render: ['[z-a]']}",
    "target: {directory: /etc/../nginx}",
    "target: {state: /etc/nginx}",
    "target: {state: /etc/nginx/state}",
    "target: {directory: /var/lib/deployer/nginx/live}",
    "target: {keep: 5.0}",
    "checks: [{name: x}]",
    "checks: [{name: x, from: command}]",
    "checks: [{name: x, from: command, command: [y], url: 'http://x/'}]",
    "checks: [{name: x, from: command, command: [y], expect: {status: 201}}]",
    "health: {deadline: 31d}",
    "health: {deadline: 0s}",
    "health: {interval: 0s}",
    "health: {deadline: 1s, interval: 1s, consecutive: 9}",
    "rollout: {waves: [0, 100%]}",
    "rollout: {waves: [25%, 10%, 100%]}",
    "rollout: {waves: [5, 5, 100%]}",
    "rollout: {waves: [100%, 100%]}",
    "rollout: {waves: [1, 25%]}",
}
BEYOND |= {
    f"checks: [{{name: x, url: 'http://x/', {part}}}]"
    for part in (
        "headers: {Host: a, host: b}",
        "expect: {status: 299-200}",
        "expect: {body: '('}",
        "expect: {headers: {A: '['}}",
        "expect: {within: 0s}",
        "ca: y",
        "verify: false",
        "command: [y]",
    )
}
BEYOND |= {
    "checks: [{name: x, url: 'http://x:99999/'}]",
    'checks: [{name: x, url: "http://x/", headers: {A: "b\\r\\nC: d"}}]',
}


def playbook_validator() -> Draft202012Validator:
    return Draft202012Validator(playbook_schema())


def test_the_schemas_are_schemas_and_json() -> None:
    for schema in (playbook_schema(), inventory_schema()):
        Draft202012Validator.check_schema(schema)
        assert json.loads(json.dumps(schema)) == schema
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_key_is_described_and_defaults_are_as_one_writes_them() -> None:
    schema = playbook_schema()
    for owner in (schema, *schema["$defs"].values()):
        for name, body in owner.get("properties", {}).items():
            told = body if "description" in body else schema["$defs"][body["$ref"].rpartition("/")[2]]
            assert len(told["description"]) > 10, name
    defaults = {
        (owner, name): body["default"]
        for owner, content in schema["$defs"].items()
        for name, body in content.get("properties", {}).items()
        if "default" in body
    }
    assert defaults["Health", "interval"] == "250ms"
    assert defaults["Health", "bake"] == "10s"
    assert defaults["Rollout", "waves"] == [1, "25%", "100%"]
    assert defaults["Rollout", "max_failures"] == 0
    assert defaults["TargetSpec", "become"] == "auto"
    assert defaults["Expect", "status"] == "200-299"
    assert schema["properties"]["reload"]["default"] == "auto"
    # What the schema calls the default can be written.
    for (owner, name), default in defaults.items():
        part = {**schema["$defs"][owner], "$defs": schema["$defs"], "required": []}
        Draft202012Validator(part).validate({name: default})


def test_samples_are_good(tmp_path: Path) -> None:
    playbook_validator().validate(yaml.safe_load(sample("nginx.yml")))
    Draft202012Validator(inventory_schema()).validate(yaml.safe_load(sample("production.yml")))


@pytest.mark.parametrize(
    "text",
    [
        "health: {deadline: 1.5s, bake: 0s, interval: 350ms}",
        "rollout: {waves: [1, 5, 10%, all], max_failures: 20%}",
        "reload: [systemctl, reload, nginx]",
        "target: {become: true, modes: {'ssl/*.key': '0640 root:www-data'}}",
        "checks: [{name: a, url: 'http://{host}:8080/x?y', expect: {status: [200, 3xx, 410-419]}}]",
        "checks: [{name: a, url: 'https://[::1]/', expect: {status: 2xx}, ca: null}]",
        "checks: [{name: a, from: command, command: [test, -e, '']}]",
    ],
)
def test_good_playbooks(text: str, tmp_path: Path) -> None:
    body = LEAST + text + "\n"
    playbook_validator().validate(yaml.safe_load(body))
    path = tmp_path / "p.yml"
    path.write_text(body)
    load_playbook(path)


@pytest.mark.parametrize("text", [text for text, key, _ in BAD if key is not None])
def test_bad_playbooks(text: str) -> None:
    content: Any = yaml.safe_load(text if text.startswith("source") else LEAST + text)
    assert playbook_validator().is_valid(json.loads(json.dumps(content))) == (text in BEYOND)


@pytest.mark.parametrize("path", [p for p in INVENTORIES if "_vars" not in str(p)], ids=lambda p: str(p.name))
def test_good_inventories(path: Path) -> None:
    content = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
    content.pop("defaults", None)  # an anchor's shelf: a group to Ansible, that has only vars
    Draft202012Validator(inventory_schema()).validate(content)


@pytest.mark.parametrize(
    "text",
    [
        "all: {host: {a: }}",
        "all: {hosts: [a, b]}",
        "all: {hosts: {a: text}}",
        "all: {hosts: {a: {ansible_port: 70000}}}",
        "all: {hosts: {a: {ansible_host: 5}}}",
        "all: {children: {x: [a]}}",
        "all: {hosts: {'a b': }}",
        "all: {hosts: {'-x': }}",
        "[]",
        "{}",
    ],
)
def test_bad_inventories(text: str, tmp_path: Path) -> None:
    assert not Draft202012Validator(inventory_schema()).is_valid(yaml.safe_load(text))
    path = tmp_path / "i.yml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_inventory(path)
