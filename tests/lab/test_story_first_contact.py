"""The first day: what was there before the tool came is looked at, taken over, and given back."""

from __future__ import annotations

import os
import stat
from typing import Any

import pytest

from deployer.lab.host import LabHost
from tests.lab.agent_sh import reload
from tests.lab.story import SHOP, Story, get, tree

pytestmark = pytest.mark.lab


def test_a_plan_leaves_nothing_behind(story: Story) -> None:
    story.shop("shop 2")
    before = {host.name: everything(host) for host in story.lab.hosts}
    for _ in range(2):
        plan = story.run("plan", "lab", "--json")
        assert plan.code == 0, plan
        assert plan.document["exit_code"] == 0
        assert {h["action"] for h in plan.document["hosts"].values()} == {"change"}
        assert {tuple(h["modified"]) for h in plan.document["hosts"].values()} == {(SHOP,)}
        (diff,) = plan.document["diffs"]
        assert diff["hosts"] == ["web1", "web2", "web3"]
        assert '+\t\treturn 200 "shop 2\\n";' in diff["files"][SHOP]
    text = story.run("plan", "lab")
    assert text.code == 0, text
    assert '+\t\treturn 200 "shop 2\\n";' in text.out
    assert "\x1b[" not in text.out
    assert {host.name: everything(host) for host in story.lab.hosts} == before
    story.deploy()
    before = {host.name: everything(host) for host in story.lab.hosts}
    story.shop("shop 3")
    assert story.run("plan", "lab").code == 0
    assert {host.name: everything(host) for host in story.lab.hosts} == before


def test_status_before_anything(story: Story) -> None:
    before = {host.name: everything(host) for host in story.lab.hosts}
    for seen in story.status().values():
        assert seen["adopted"] is False
        assert seen["live"] is None or seen["live"].startswith("baseline")
    assert {host.name: everything(host) for host in story.lab.hosts} == before


def test_deletions_of_the_first_deployment_are_asked_for(story: Story) -> None:
    host = story.lab.host("web2")
    host.run(["sh", "-c", "echo x:y >/etc/nginx/htpasswd"])
    reload(host)
    before = story.trees()
    story.shop("shop 2")
    refused = story.deploy(expect=3)
    assert refused.outcomes["web2"] == "refused"
    assert "htpasswd" in refused.reason
    assert "--accept-deletions" in refused.reason
    assert story.trees() == before
    story.deploy("--accept-deletions")
    assert not host.path("/etc/nginx/htpasswd").exists()
    story.assert_serving("shop 2")
    story.rollback()
    assert story.trees() == before
    # Still the first: a rollback to the baseline does not make deletions harmless.
    assert "--accept-deletions" in story.deploy(expect=3).reason


def test_adopt_and_undo(story: Story) -> None:
    before = story.trees()
    workers = {host.name: host.nginx_pids() for host in story.lab.hosts}
    story.adopt()
    assert story.trees() == before
    for seen in story.status().values():
        assert seen["adopted"] is True
        assert seen["live"] == seen["last_known_good"] == seen["memory"]
        assert seen["live"].startswith("baseline-")
        assert seen["owner"] is None
    story.adopt()
    assert {host.name: host.nginx_pids() for host in story.lab.hosts} == workers
    story.shop("shop 2")
    story.deploy()
    live = story.trees()
    story.adopt("--undo")
    for host in story.lab.hosts:
        assert not host.path("/etc/nginx").is_symlink()
        assert host.path("/etc/nginx").is_dir()
        assert get(host) == (200, "shop 2\n")
        host.nginx("-t")
        host.nginx("-s", "reload")
        host.reboot()
        assert get(host) == (200, "shop 2\n")
    after = story.trees()
    for name, host_tree in live.items():
        assert content(after[name]) == content(host_tree)
    for seen in story.status().values():
        assert seen["adopted"] is False
    story.shop("shop 3")
    story.deploy()
    story.assert_serving("shop 3")


def test_export_writes_what_is_live(story: Story) -> None:
    out = story.directory / "export"
    story.adopt("--export", str(out))
    assert (out / "nginx.conf").read_text() == story.lab.host("web1").read("/etc/nginx/nginx.conf")
    assert (out / "sites-enabled/default").is_symlink()
    names = {str(p.relative_to(out)) for p in out.rglob("*") if not p.is_dir() or p.is_symlink()}
    assert names == {n for n, f in tree(story.lab.host("web1")).items() if not f[0].startswith("0o4")}
    again = story.run("adopt", "lab", "--export", str(out))
    assert again.code == 2, again
    assert "not empty" in again.err
    # One that differs: a directory for each host.
    story.lab.host("web3").write("/etc/nginx/conf.d/extra.conf", "# extra\n")
    apart = story.directory / "apart"
    ran = story.run("adopt", "lab", "--export", str(apart))
    assert ran.code in (0, 3), ran
    assert (apart / "web3/conf.d/extra.conf").read_text() == "# extra\n"
    assert not (apart / "web1/conf.d/extra.conf").exists()


def test_what_was_never_loaded_is_not_called_a_baseline(story: Story) -> None:
    host = story.lab.host("web2")
    host.write("/etc/nginx/conf.d/later.conf", "# newer than the workers\n")
    refused = story.adopt(expect=3)
    assert refused.outcomes["web2"] == "refused"
    assert "--accept-unproven" in refused.hosts["web2"]["reason"]
    story.adopt("--accept-unproven")


def test_what_does_not_validate_is_not_called_a_baseline(story: Story) -> None:
    host = story.lab.host("web2")
    host.write("/etc/outside.conf", "# not below /etc/nginx\n")
    host.write("/etc/nginx/conf.d/later.conf", "include /etc/outside.conf;\n")
    reload(host)
    host.run(["rm", "/etc/outside.conf"])
    refused = story.adopt(expect=3)
    assert refused.outcomes == {"web1": "prepared", "web2": "refused", "web3": "prepared"}
    assert "later.conf" in refused.hosts["web2"]["reason"]


def test_a_mount_point_is_refused(story: Story) -> None:
    host = story.lab.host("web1")
    host.run(["mount", "--bind", "/etc/nginx", "/etc/nginx"])
    refused = story.deploy(expect=3)
    assert refused.outcomes["web1"] == "refused"
    assert "mount point" in refused.hosts["web1"]["reason"]


def everything(host: LabHost) -> dict[str, tuple[object, ...]]:
    """All that a command could leave on a host; whoever writes into a file changes its times."""
    found: dict[str, tuple[object, ...]] = {}
    for place in ("/etc", "/var/lib", "/run", "/tmp", "/root", "/usr/local"):
        for directory, folders, files in os.walk(host.path(place, follow=True)):
            for name in (*folders, *files):
                path = f"{directory}/{name}"
                seen = os.lstat(path)
                times = (
                    () if stat.S_ISDIR(seen.st_mode) else (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
                )
                found[path] = (seen.st_mode, seen.st_uid, seen.st_gid, *times)
    return found


def content(found: dict[str, Any]) -> dict[str, Any]:
    """Names, links and file contents, without the identity line's file and the directories' own facts."""
    return {
        name: facts
        for name, facts in found.items()
        if name not in ("nginx.conf", ".") and not facts[0].startswith("0o4")
    }
