"""A good revision reaches every host, is served there, and is known to be."""

from __future__ import annotations

import pytest

from deployer.lab import sample
from tests.lab.agent_sh import reload
from tests.lab.story import SHOP_CHECK, Story, get, tree

pytestmark = pytest.mark.lab


def test_a_good_deploy_and_a_second_one(story: Story) -> None:
    commit = story.shop("shop 2")
    done = story.deploy()
    assert done.outcome == "deployed"
    assert done.ran.document["revision"] == commit
    assert set(done.outcomes.values()) == {"deployed"}
    assert [len(w["hosts"]) for w in done.ran.document["waves"]] == [1, 2]
    assert {w["decision"] for w in done.ran.document["waves"]} == {"passed"}
    for host in done.hosts.values():
        assert host["release"].startswith(commit[:12])
        assert host["previous"].startswith("baseline-")
    story.assert_serving("shop 2")

    before = story.trees()
    workers = {h.name: h.nginx_pids() for h in story.lab.hosts}
    again = story.deploy()
    assert again.outcome == "unchanged"
    assert set(again.outcomes.values()) == {"unchanged"}
    assert {h.name: h.nginx_pids() for h in story.lab.hosts} == workers, "nginx was reloaded for nothing"
    assert story.trees() == before


@pytest.mark.deployed
def test_a_new_site_comes_with_its_check(story: Story) -> None:
    story.add_site("blog.example.com", "blog 1")
    blog = {"name": "blog", "url": "http://127.0.0.1/", "headers": {"Host": "blog.example.com"}}
    story.playbook(checks=[SHOP_CHECK, blog])
    assert story.deploy().outcome == "deployed"
    for host in story.lab.hosts:
        assert get(host, "blog.example.com") == (200, "blog 1\n")
    # Once it is taken back its check does not stand in the way of the next one.
    assert story.run("rollback", "lab", "--yes").code == 0
    assert get(story.lab.hosts[0], "blog.example.com") != (200, "blog 1\n")
    story.shop("shop 2")
    assert story.deploy().outcome == "deployed"
    for host in story.lab.hosts:
        assert get(host, "blog.example.com") == (200, "blog 1\n")


def test_a_check_that_passed_and_does_not_any_more_refuses(story: Story) -> None:
    paid = {"name": "licence", "from": "command", "command": ["test", "-e", "/etc/licence"]}
    for host in story.lab.hosts:
        host.write("/etc/licence", "paid\n")
    story.playbook(checks=[SHOP_CHECK, paid])
    story.deploy()
    before = story.trees()
    story.lab.host("web2").run(["rm", "/etc/licence"])
    story.shop("shop 2")
    refused = story.deploy(expect=3)
    assert "web2" in refused.reason
    assert "licence" in refused.reason
    assert set(refused.outcomes.values()) <= {"refused", "untouched"}
    assert refused.outcomes["web2"] == "refused"
    assert story.trees() == before


def test_without_checks_the_sites_are_compared(story: Story) -> None:
    story.playbook(checks=[])
    story.shop("shop 2")
    assert story.deploy().outcome == "deployed"
    before = story.trees()
    story.shop("out of order", 503)
    failed = story.deploy(expect=4)
    assert "503" in failed.reason
    assert sorted(failed.outcomes.values()) == ["rolled_back", "untouched", "untouched"]
    assert story.trees() == before
    story.assert_serving("shop 2")


def test_templates_are_each_hosts_own(story: Story) -> None:
    story.commit(
        {
            "conf.d/who.conf.j2": "server { listen 8090; location / "
            '{ return 200 "{{ inventory_hostname }} of {{ groups["web"] | length }}\\n"; } }\n'
        }
    )
    done = story.deploy()
    for host in story.lab.hosts:
        assert get(host, port=8090) == (200, f"{host.name} of 3\n")
        assert "who.conf.j2" not in "".join(tree(host))
    assert len({h["release"] for h in done.hosts.values()}) == 3
    assert story.deploy().outcome == "unchanged"


def test_a_template_with_an_unknown_variable_is_wrong_use(story: Story) -> None:
    before = story.trees()
    story.commit({"conf.d/who.conf.j2": "# line one\n# {{ nobody_set_this }}\n"})
    ran = story.run("deploy", "lab", "--yes")
    assert ran.code == 2, ran
    assert "conf.d/who.conf.j2" in ran.err
    assert "nobody_set_this" in ran.err
    assert story.trees() == before


def test_a_directory_that_cannot_be_renamed(story: Story) -> None:
    host = story.lab.host("web1")
    host.reset(nginx="layered")
    before = tree(host)
    story.shop("shop 2")
    story.deploy()
    story.assert_serving("shop 2")
    story.rollback()
    assert tree(host) == before
    story.assert_serving("shop 1")


def test_odd_names(story: Story) -> None:
    before = story.trees()
    odd = [
        "snippets/with space.conf",
        "snippets/ünïcödé 日本.conf",
        "snippets/qu'o\"te.conf",
        "snippets/$(id).conf",
    ]
    story.commit({name: f"# {name}\n" for name in odd})
    (story.lab.repo / "snippets/a link").symlink_to("with space.conf")
    (story.lab.repo / "snippets/empty").touch()
    story.commit({})
    story.deploy()
    for host in story.lab.hosts:
        for name in odd:
            assert host.read(f"/etc/nginx/{name}") == f"# {name}\n"
        assert str(host.path("/etc/nginx/snippets/a link").readlink()) == "with space.conf"
    assert story.deploy().outcome == "unchanged"
    story.rollback()
    assert story.trees() == before


def test_new_files_get_the_modes_that_were_asked_for(story: Story) -> None:
    story.playbook(target={"modes": {"ssl/*.key": "0640 root:www-data"}})
    story.commit({"ssl/shop.key": "secret\n", "ssl/shop.pem": "public\n", "bin/run": "#!/bin/sh\n"})
    (story.lab.repo / "bin/run").chmod(0o755)
    story.commit({})
    story.deploy()
    for host in story.lab.hosts:
        key, public, program = (
            host.path(f"/etc/nginx/{name}").stat() for name in ("ssl/shop.key", "ssl/shop.pem", "bin/run")
        )
        assert (oct(key.st_mode & 0o7777), key.st_uid, key.st_gid) == ("0o640", 0, 33)
        assert (oct(public.st_mode & 0o7777), public.st_uid, public.st_gid) == ("0o644", 0, 0)
        assert oct(program.st_mode & 0o7777) == "0o755"


def test_preserved_paths_belong_to_the_host(story: Story) -> None:
    story.playbook(target={"preserve": ["modules-enabled/**", "ssl/**"]})
    for host in story.lab.hosts:
        host.run(["sh", "-c", "mkdir -m 700 /etc/nginx/ssl; umask 077; echo first >/etc/nginx/ssl/live.pem"])
        reload(host)
    story.shop("shop 2")
    story.deploy()
    for host in story.lab.hosts:
        assert host.read("/etc/nginx/ssl/live.pem") == "first\n"
        host.write("/etc/nginx/ssl/live.pem", f"renewed on {host.name}\n")
        host.run(["sh", "-c", "echo new >/etc/nginx/ssl/another.pem"])
    assert story.deploy().outcome == "unchanged"
    story.rollback("--no-quarantine")
    story.assert_serving("shop 1")
    for host in story.lab.hosts:
        assert host.read("/etc/nginx/ssl/live.pem") == f"renewed on {host.name}\n"
        assert host.read("/etc/nginx/ssl/another.pem") == "new\n"
        assert oct(host.path("/etc/nginx/ssl/live.pem").stat().st_mode & 0o7777) == "0o600"
        assert oct(host.path("/etc/nginx/ssl").stat().st_mode & 0o7777) == "0o700"
    story.deploy()
    for host in story.lab.hosts:
        assert host.read("/etc/nginx/ssl/live.pem") == f"renewed on {host.name}\n"


def test_prepare_only_changes_nobody(story: Story) -> None:
    before = story.trees()
    commit = story.shop("shop 2")
    done = story.deploy("--prepare-only")
    assert set(done.outcomes.values()) == {"prepared"}
    assert story.trees() == before
    for host in story.lab.hosts:
        assert get(host) == (200, "shop 1\n")
        assert host.path(f"/var/lib/deployer/nginx/releases/{done.hosts[host.name]['release']}").is_dir()
    assert story.deploy().ran.document["revision"] == commit
    story.assert_serving("shop 2")


def test_limit_and_rev(story: Story) -> None:
    two = story.shop("shop 2")
    story.shop("shop 3")
    done = story.deploy("--rev", two, "--limit", "web:!web3")
    assert set(done.hosts) == {"web1", "web2"}
    story.assert_serving("shop 2", story.lab.hosts[:2])
    assert get(story.lab.host("web3")) == (200, "shop 1\n")
    sample.git(story.lab.repo, "tag", "v2", two)
    assert story.deploy("--rev", "v2").outcomes == {
        "web1": "unchanged",
        "web2": "unchanged",
        "web3": "deployed",
    }
    story.deploy("--rev", "main")
    story.assert_serving("shop 3")
