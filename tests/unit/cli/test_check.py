"""``deployer check``: what it looks at, how it tells it, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.conftest import Call
from tests.unit.project import Project

MAIN = "events {}\nhttp { types { text/html html; } include conf.d/*.conf; }\n"
GOOD = "server { listen 80; server_name a.example.com; root /srv; location / { try_files $uri =404; } }\n"
BAD = GOOD.replace("try_files $uri =404", "return 503")
WARN = GOOD.replace("try_files", "allow 10.0.0.0/8; try_files")


def tree(path: Path, site: str, **more: str) -> Path:
    (path / "conf.d").mkdir(parents=True)
    (path / "nginx.conf").write_text(MAIN)
    (path / "conf.d/a.conf").write_text(site)
    for name, text in more.items():
        (path / name.replace("__", "/").replace("_DOT_", ".")).write_text(text)
    return path


@pytest.mark.parametrize(("site", "code"), [(GOOD, 0), (WARN, 0), (BAD, 3)])
def test_the_exit_code(call: Call, tmp_path: Path, site: str, code: int) -> None:
    assert call("check", "--tree", str(tree(tmp_path / "t", site))).code == code


def test_the_text_names_place_line_rule_and_what_to_do(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path / "nginx", BAD)
    monkeypatch.chdir(tmp_path)
    ran = call("check", "--tree", "nginx")
    assert ran.out.splitlines()[0].startswith("nginx/conf.d/a.conf:1: error: ")
    assert "[left-over-return]" in ran.out.splitlines()[0]
    assert "return 503;" in ran.out.splitlines()[1]
    assert ran.out.splitlines()[-1] == "1 error; a deployment would be refused"
    assert [ran.err, ran.code] == ["", 3]


def test_the_current_directory(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree(tmp_path / "t", GOOD))
    assert call("check").out.startswith("nothing found (")
    monkeypatch.chdir(tmp_path)
    assert call("check").code == 2


def test_json(call: Call, tmp_path: Path) -> None:
    ran = call("check", "--tree", str(tree(tmp_path / "t", BAD, nginx_DOT_conf_DOT_j2="x")), "--json")
    document = json.loads(ran.out)
    assert [document["errors"], document["refused"], document["exit_code"]] == [1, True, 3]
    (found,) = document["findings"]
    assert {"rule", "severity", "file", "line", "source", "title", "says", "why", "fix", "hosts"} == set(
        found
    )
    assert "template" in document["notes"][0]
    assert document["advice"] is None


def test_sarif(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path / "nginx", BAD)
    monkeypatch.chdir(tmp_path)
    ran = call("check", "--tree", "nginx", "--format", "sarif")
    (result,) = json.loads(ran.out)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "nginx/conf.d/a.conf"
    assert ran.code == 3


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--tree", "no-such"], "no-such"),
        (["--rev", "x"], "inventory"),
        (["lab", "--rev", "x", "--tree", "."], "--tree"),
        (["lab", "--rev", ""], "--rev is empty"),
        (["--format", "xml"], "xml"),
        (["nowhere"], "nowhere"),
    ],
)
def test_wrong_use(call: Call, project: Project, argv: list[str], words: str) -> None:
    ran = call("check", *argv, "--project", str(project.path))
    assert ran.code == 2
    assert words in ran.err
    assert ran.out == ""


def commit(project: Project, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = project.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    project.git("add", ".")
    project.git("commit", "--quiet", "--message", "A change")


def test_a_revision_for_each_host(call: Call, project: Project) -> None:
    site = GOOD.replace("a.example.com", "{{ name }}{{ port }}.example.com")
    commit(project, {"nginx.conf": MAIN, "conf.d/a.conf.j2": site})
    project.write(
        "inventories/lab.yml",
        "web:\n  hosts: {web1: {port: ''}, web2: {port: ':80'}, web3: {port: ''}}\n  vars: {name: shop}\n",
    )
    ran = call("check", "lab", "--project", str(project.path), "--json")
    assert ran.code == 3, ran
    (found,) = json.loads(ran.out)["findings"]
    assert (found["rule"], found["hosts"], found["file"]) == (
        "server-name-malformed",
        ["web2"],
        "conf.d/a.conf",
    )
    assert call("check", "lab", "--project", str(project.path), "--limit", "web1").code == 0
    assert call("check", "lab", "--project", str(project.path), "--rev", "main~1").code == 0


def test_a_directory_rendered_for_an_inventory(call: Call, project: Project, tmp_path: Path) -> None:
    where = tree(
        tmp_path / "t",
        GOOD,
        conf_DOT_d__b_DOT_conf_DOT_j2="server { listen 81; server_name {{ inventory_hostname }}:81; }",
    )
    ran = call("check", "lab", "--tree", str(where), "--project", str(project.path), "--json")
    document = json.loads(ran.out)
    assert [f["hosts"] for f in document["findings"] if f["severity"] == "error"] == [["web1"], ["web2"]]
    assert document["notes"] == []


def test_the_playbook_decides(call: Call, project: Project) -> None:
    commit(project, {"nginx.conf": MAIN, "conf.d/a.conf": BAD})
    arguments = ("check", "lab", "--project", str(project.path))
    assert call(*arguments).code == 3
    project.playbook("nginx", lint={"ignore": ["left-over-return"]})
    assert call(*arguments).code == 0
    project.playbook("nginx", lint={"fail_on": "never"})
    ran = call(*arguments)
    assert ran.code == 0
    assert "left-over-return" in ran.out
    commit(project, {"conf.d/a.conf": WARN})
    project.playbook("nginx", lint={"fail_on": "warning"})
    assert call(*arguments).code == 3
    project.playbook("nginx", lint={"ignore": ["left-over"]})
    ran = call(*arguments)
    assert ran.code == 2
    assert "lint.ignore[0]" in ran.err
    project.playbook("nginx", validate=["haproxy", "-c"])
    assert call(*arguments).code == 2


def test_secrets_are_veiled(call: Call, project: Project) -> None:
    site = GOOD.replace("a.example.com", "{{ api_token }}:80")
    commit(project, {"nginx.conf": MAIN, "conf.d/a.conf.j2": site})
    project.write("inventories/lab.yml", "web:\n  hosts: {web1: {}}\n  vars: {api_token: hunter2hunter2}\n")
    for form in ("text", "json", "sarif"):
        ran = call("check", "lab", "--project", str(project.path), "--format", form)
        assert ran.code == 3
        assert "hunter2" not in ran.out + ran.err


def test_deep_without_gixy_says_so(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = tree(tmp_path / "t", GOOD)
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = call("check", "--tree", str(where), "--deep")
    assert ran.code == 0
    assert "gixy is not installed" in ran.out


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('[{"plugin": "p", "severity": "HIGH", "reason": "r", "path": "x"}]', "advice: gixy, high: p: r (x)"),
        ("[]", "gixy answered nothing (exit status 0)"),
        ("boom", "gixy answered nothing (exit status 0)"),
    ],
)
def test_what_gixy_advises_never_refuses(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, says: str
) -> None:
    """A program that answers as gixy does; the forks are not among the dependencies."""
    where = tree(tmp_path / "t", GOOD)
    program = tmp_path / "gixy"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    ran = call("check", "--tree", str(where), "--deep")
    assert ran.code == 0
    assert says in ran.out


def test_the_hook_for_pre_commit_is_this_command() -> None:
    (hook,) = yaml.safe_load((Path(__file__).parents[3] / ".pre-commit-hooks.yaml").read_text())
    assert (hook["id"], hook["entry"]) == ("deployer-check", "deployer check")
    assert hook["pass_filenames"] is False
