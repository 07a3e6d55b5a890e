"""What an operator gets wrong in an inventory is said with file, line and key; connections are read right."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

import pytest

from deployer.config.inventory import find_inventory, load_inventory
from deployer.errors import ConfigError, UsageError
from deployer.model import Host

from .conftest import Write


def only(path: Path) -> Host:
    (host,) = load_inventory(path).hosts
    return host


def test_a_plain_host_leaves_everything_to_the_ssh_config(write: Write) -> None:
    host = only(write("i.yml", "all: {hosts: {web1.example.com: }}"))
    assert (host.name, host.address) == ("web1.example.com", "web1.example.com")
    assert (host.port, host.user, host.key_file, host.become) == (None, None, None, None)
    assert host.groups == ("ungrouped",)


def test_every_connection_variable(write: Write) -> None:
    text = """
        web:
          vars: {ansible_user: deploy, ansible_become: "yes"}
          hosts:
            web1: {ansible_host: "[2001:db8::1]", ansible_port: "2222", ansible_ssh_private_key_file: ~/k}
    """
    host = only(write("i.yml", text))
    assert host.address == "2001:db8::1"
    assert (host.port, host.user, host.become) == (2222, "deploy", True)
    assert host.key_file == str(Path.home() / "k")
    assert host.vars["group_names"] == ["web"]


def test_old_spellings(write: Write) -> None:
    text = "all: {hosts: {a: {ansible_ssh_host: 192.0.2.1, ansible_ssh_port: 23, ansible_ssh_user: root}}}"
    host = only(write("i.yml", text))
    assert (host.address, host.port, host.user) == ("192.0.2.1", 23, "root")


def test_of_two_spellings_the_one_that_ansible_takes(write: Write) -> None:
    host = only(write("i.yml", "all: {hosts: {a: {ansible_ssh_host: 192.0.2.1, ansible_host: 192.0.2.2}}}"))
    assert host.address == "192.0.2.1"


def test_backups_and_hidden_files_are_no_var_files(write: Write) -> None:
    path = write("hosts.yml", "web: {hosts: {a: }}")
    write("group_vars/web/old~", "x: old")
    write("group_vars/web/.swap", "x: hidden")
    write("group_vars/web/now", "x: now")
    assert only(path).vars["x"] == "now"


@pytest.mark.parametrize(
    ("body", "line", "key", "problem"),
    [
        ("all:\n  hosts:\n    a:\n      ansible_port: ssh\n", 4, "all.hosts.a.ansible_port", "not a port"),
        ("all:\n  hosts:\n    a: {ansible_port: 70000}\n", 3, "all.hosts.a.ansible_port", "not a port"),
        ("all:\n  hosts:\n    a: {ansible_port: true}\n", 3, "all.hosts.a.ansible_port", "not a port"),
        ("all:\n  hosts:\n    a: {ansible_host: -oProxy}\n", 3, "all.hosts.a.ansible_host", "cannot be"),
        ("all:\n  hosts:\n    a: {ansible_host: 1:2:3:4:5:6:7:8}\n", 3, "all.hosts.a.ansible_host", "quote"),
        ("all:\n  hosts:\n    a: {ansible_user: 'x y'}\n", 3, "all.hosts.a.ansible_user", "cannot be used"),
        ("all:\n  hosts:\n    a: {ansible_become: perhaps}\n", 3, "all.hosts.a.ansible_become", "neither"),
        ("a:\n  hosts: {x: {ansible_private_key_file: [k]}}\n", 2, "a.hosts.x.ansible_private_key_file", ""),
        ("all:\n  host:\n    a:\n", 2, "all.host", 'did you mean "hosts"'),
        ("all:\n  hosts: [a, b]\n", 2, "all.hosts", 'write each as a key, "a:"'),
        ("all:\n  hosts: 5\n", 2, "all.hosts", "a number, but a mapping"),
        ("all:\n  hosts:\n    5:\n", 3, "all.hosts.5", "quote it"),
        ("all:\n  children:\n    no:\n      hosts: {a: }\n", 3, "all.children.False", "quote it"),
        ("all:\n  hosts:\n    a: text\n", 3, "all.hosts.a", "is text"),
        ("all:\n  hosts:\n    a/b:\n", 3, "all.hosts.a/b", "no spaces, slashes"),
        ("all:\n  hosts:\n    ../x:\n", 3, "all.hosts.../x", "cannot be the name"),
        ("all:\n  hosts:\n    web[1:3:\n", 3, "all.hosts.web[1:3", "not closed"),
        ("all:\n  hosts:\n    web[3:1]:\n", 3, "all.hosts.web[3:1]", "ends before it begins"),
        ("all:\n  hosts:\n    web[01:3]:\n", 3, "all.hosts.web[01:3]", "same number of digits"),
        ("all:\n  hosts:\n    web[1:a]:\n", 3, "all.hosts.web[1:a]", "two numbers or two letters"),
        ("all:\n  hosts:\n    web[1]:\n", 3, "all.hosts.web[1]", "first:last"),
        ("all:\n  hosts:\n    web[1:9:0]:\n", 3, "all.hosts.web[1:9:0]", "step"),
        ("all:\n  hosts:\n    w[1:999][1:999]:\n", 3, "all.hosts.w[1:999][1:999]", "more than 20000"),
        ("all:\n  hosts:\n    w[1:999999999]:\n", 3, "all.hosts.w[1:999999999]", "more than 20000"),
        ("a:\n  vars:\n    ansible_group_priority: high\n", 3, "a.vars.ansible_group_priority", "whole"),
        ("a: {children: {b: {children: {a: }}}}\n", 1, "a.children.b", "same or above"),
        ("a:\n  children:\n    all:\n", 3, "a.children.all", "above every other"),
        ("all:\n  vars:\n    5: x\n  hosts: {a: }\n", 3, "all.vars.5", "quote it"),
        ("plugin: amazon.aws.aws_ec2\n", 1, "plugin", "ansible-inventory --list"),
    ],
)  # fmt: skip
def test_mistakes(write: Write, body: str, line: int, key: str, problem: str) -> None:
    path = write("i.yml", body)
    with pytest.raises(ConfigError) as caught:
        load_inventory(path)
    assert (caught.value.line, caught.value.key) == (line, key)
    assert problem in caught.value.problem
    assert str(caught.value).startswith(f"{path}:{line}: {key}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("hosts", "[web]\nweb1 ansible_host=192.0.2.1\n"),
        ("hosts", "# ours\nweb1 ansible_host=192.0.2.1\n[db]\n"),
        ("hosts.ini", "web1\n"),
        ("hosts", "web1 ansible_port=22:\n"),
    ],
)
def test_ini_is_recognised(write: Write, name: str, body: str) -> None:
    with pytest.raises(ConfigError, match=r"INI inventory.*ansible-inventory -i .* --list --yaml --export"):
        load_inventory(write(name, body))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "a list"),
        ("all: {hosts: }", "has no hosts"),
        ("all: {hosts: {a: }\n", "not valid YAML"),
    ],
)
def test_no_inventory_at_all(write: Write, body: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_inventory(write("i.yml", body))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_inventory(tmp_path / "none.yml")


def test_what_is_not_honoured_warns_once(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    text = """
        all:
          vars:
            ansible_ssh_common_args: -o ProxyJump=bastion
            ansible_connection: ssh
            ansible_become_method: doas
          hosts: {"w[1:5]": , db: {ansible_password: hunter2}}
    """
    with caplog.at_level(logging.WARNING, logger="deployer"):
        load_inventory(write("i.yml", text))
    common, method, password = caplog.messages
    assert (
        common
        == "ansible_ssh_common_args is not honoured (w1, w2, w3 and 3 more): put it into the ssh config"
    )
    assert method.startswith("ansible_become_method: doas is not honoured")
    assert password.startswith("ansible_password is not honoured (db)")
    assert "hunter2" not in caplog.text


def test_var_files_are_read_beside_the_name_that_was_given(write: Write, tmp_path: Path) -> None:
    real = write("ops/hosts.yml", "all: {hosts: {a: }}")
    write("ops/group_vars/all.yml", "ansible_user: ops")
    link = tmp_path / "link.yml"
    link.symlink_to(real)
    assert only(real).user == "ops"
    assert only(link).user is None


def test_mistakes_in_var_files_name_the_file(write: Write) -> None:
    path = write("hosts.yml", "web: {hosts: {a: }}")
    bad = write("group_vars/web.yml", "x: 1\nansible_port: none\n")
    with pytest.raises(ConfigError) as caught:
        load_inventory(path)
    assert (caught.value.file, caught.value.line, caught.value.key) == (str(bad), 2, "ansible_port")
    bad.write_text("- x\n")
    with pytest.raises(ConfigError, match="a mapping of variables is expected"):
        load_inventory(path)


# Dynamic inventories


def script(write: Write, body: str, name: str = "dynamic") -> Path:
    path = write(name, "#!/bin/sh\n" + body)
    path.chmod(0o755)
    return path


def test_a_script_that_fails_shows_its_last_words(write: Write) -> None:
    path = script(write, "echo 'token expired' >&2; exit 3\n")
    with pytest.raises(ConfigError, match=r"failed with status 3 on --list: token expired"):
        load_inventory(path)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("echo no json\n", "did not print JSON"),
        ("echo '[]'\n", "a JSON object of groups"),
        ("""echo '{"web": {"hosts": ["a"]}}'\n""", "_meta.hostvars"),
        ("""echo '{"_meta": {"hostvars": {}}, "web": {"host": ["a"]}}'\n""", 'did you mean "hosts"'),
        ("""echo '{"_meta": {"hostvars": {}}, "web": {"hosts": {"a": {}}}}'\n""", "a list of names"),
        ("""echo '{"_meta": {"hostvars": {}}, "web": {"hosts": [5]}}'\n""", "quote it"),
        ("""echo '{"_meta": {"hostvars": {}}, "web": {"children": ["web"]}}'\n""", "same or above"),
        ("""echo '{"_meta": {"hostvars": {}}}'\n""", "has no hosts"),
    ],
)  # fmt: skip
def test_answers_that_are_no_inventory(write: Write, body: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_inventory(script(write, body))
    assert problem in str(caught.value)


def test_a_script_that_hangs_is_ended_with_its_children(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deployer.config import dynamic

    path = script(write, f"sleep 600 & echo $! > {tmp_path}/child; wait\n")
    started = time.monotonic()
    with pytest.raises(ConfigError, match=r"did not answer --list within 0\.5 s"):
        dynamic.run_inventory(path, timeout_s=0.5)
    assert time.monotonic() - started < 10
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_yaml_file_with_the_executable_bit_is_yaml(write: Write) -> None:
    path = write("i.yml", "all: {hosts: {a: }}")
    path.chmod(0o755)
    assert only(path).name == "a"


# Finding the file


def test_names_and_paths(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production = write("inventories/production.yml", "all: {hosts: {a: }}")
    staging = write("inventories/staging/hosts.yml", "all: {hosts: {a: }}")
    cloud = write("inventories/cloud", "#!/bin/sh\n")
    assert find_inventory(tmp_path, "production") == production
    assert find_inventory(tmp_path, "staging") == staging
    assert find_inventory(tmp_path, "cloud") == cloud
    assert find_inventory(tmp_path, str(production)) == production
    monkeypatch.chdir(tmp_path.parent)
    assert find_inventory(tmp_path, "inventories/production.yml") == production
    monkeypatch.chdir(tmp_path / "inventories")
    assert find_inventory(tmp_path, "./production.yml").samefile(production)
    assert load_inventory(staging).name == "staging"
    assert load_inventory(production).name == "production"


def test_a_name_that_is_not_there(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="deployer init"):
        find_inventory(tmp_path, "production")
    write("inventories/production.yml", "")
    write("inventories/staging.yaml", "")
    with pytest.raises(UsageError, match='did you mean "production"'):
        find_inventory(tmp_path, "prodution")
    with pytest.raises(UsageError, match="there are: production, staging"):
        find_inventory(tmp_path, "x")
    with pytest.raises(UsageError):
        find_inventory(tmp_path, "")


def test_only_readable_files(write: Write, tmp_path: Path) -> None:
    path = write("i.yml", "")
    path.write_bytes(b"all:\n  hosts:\n    caf\xe9:\n")
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        load_inventory(path)
    assert caught.value.line == 3
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="not a file"):
        load_inventory(tmp_path / "fifo")


def test_ansibles_own_json_for_vault_and_unsafe(write: Write) -> None:
    answer = {
        "_meta": {
            "hostvars": {
                "a": {"key": {"__ansible_vault": "$ANSIBLE"}, "raw": {"__ansible_unsafe": "{{ x }}"}}
            }
        },
        "web": {"hosts": ["a"]},
    }
    host = only(script(write, f"cat <<'JSON'\n{json.dumps(answer)}\nJSON\n"))
    assert host.vars["raw"] == "{{ x }}"
    with pytest.raises(UsageError, match="the variable key cannot be used: it is encrypted"):
        str(host.vars["key"])
