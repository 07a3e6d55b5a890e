"""A configuration that passes nginx's own test and breaks users is refused before one of them meets it."""

from __future__ import annotations

import json

import pytest

from deployer.lab import sample
from tests.lab.story import SHOP, Ran, Story, get

pytestmark = pytest.mark.lab

LIMITS = "conf.d/limits.conf"


def refused(story: Story, *options: str) -> Ran:
    """Deploy: refused; neither trees nor workers nor answers have changed."""
    before = story.trees()
    workers = {host.name: host.nginx_pids() for host in story.lab.hosts}
    ran = story.run("deploy", "lab", "--yes", "--json", *options)
    assert ran.code == 3, ran
    assert ran.document["outcome"] == "refused"
    assert story.trees() == before
    assert {host.name: host.nginx_pids() for host in story.lab.hosts} == workers
    assert {get(host)[0] for host in story.lab.hosts} == {200}
    return ran


@pytest.mark.deployed
def test_what_breaks_users_is_refused_with_the_routes_that_got_worse(story: Story) -> None:
    story.playbook(checks=[], rehearse={"answers": "first_wave"})
    broken = {
        "no server there has the name": sample.shop().replace("shop.example.com", "shpo.example.com"),
        "503 now": sample.shop().replace("proxy_pass http://shop_app;", "return 503;"),
        "502 now": sample.shop().replace("server 127.0.0.1:8081;", "server 127.0.0.1:8082;"),
        "default_server is lost": sample.shop().replace("listen 80;", "listen 127.0.0.1:80;"),
        "in a circle": sample.shop().replace(
            "proxy_pass http://shop_app;", "return 301 http://$host$request_uri;"
        ),
    }
    for why, text in broken.items():
        story.commit({SHOP: text})
        ran = refused(story)
        assert why in ran.document["reason"] + ran.err, ran
        assert "shop.example.com" in ran.err, ran
    story.shop("shop 2")
    story.deploy()
    story.assert_serving("shop 2")


def test_what_is_meant_is_accepted_with_its_reason_and_recorded(story: Story) -> None:
    story.playbook(rehearse={"answers": "first_wave"})
    story.add_site("old.example.com", "old")
    story.deploy()
    link = story.lab.repo / "sites-enabled/old.example.com"
    link.unlink()
    story.commit({"sites-available/old.example.com": None}, "The old site is closed")
    ran = refused(story)
    assert "old.example.com" in ran.document["reason"]
    assert "--accept-change 'old.example.com/'" in ran.document["reason"]
    done = story.deploy("--accept-change", "old.example.com", "--reason", "closed for good")
    (compared,) = done.ran.document["compared"].values()
    assert "old.example.com/" in {row["route"] for row in compared["changed"]}
    shown = json.loads(story.run("show", done.ran.document["id"], "--format", "json").out)
    assert shown["deployment"]["options"]["accept_change"] == [
        {"route": "old.example.com", "reason": "closed for good"}
    ]
    rehearsed = [
        e["detail"] for e in shown["events"] if e["step"] == "rehearse" and "compared" in e["detail"]
    ]
    assert any("closed for good" in str(row.get("why")) for row in rehearsed[0]["compared"]["changed"])
    story.assert_serving("shop 1")


@pytest.mark.deployed
def test_what_no_answer_shows_is_named(story: Story) -> None:
    story.playbook(rehearse={"answers": "first_wave"})
    passed = "proxy_pass http://shop_app;"
    story.commit({SHOP: sample.shop().replace(passed, f"proxy_read_timeout 50s;\n\t\t{passed}")})
    done = story.deploy()
    (compared,) = done.ran.document["compared"].values()
    assert "proxy_read_timeout 50s (in shop.example.com location /)" in compared["unshown"]
    assert f"warning: web1: {compared['unshown']}" in done.ran.err


def test_what_users_ask_for_is_asked_though_no_configuration_names_it(story: Story) -> None:
    story.playbook(rehearse={"answers": "first_wave"})
    static = "server { listen 80; server_name static.example.com; root /srv/static; }\n"
    for host in story.lab.hosts:
        host.run(["mkdir", "-p", "/srv/static/books"])
        host.write("/srv/static/books/one.html", "one\n")
    (story.lab.repo / "sites-enabled/static").symlink_to("/etc/nginx/sites-available/static")
    story.commit({"sites-available/static": static})
    story.deploy()
    for host in story.lab.hosts:
        assert get(host, "static.example.com", "/books/one.html?token=secret") == (200, "one\n")
    closed = static.replace("root /srv/static;", "root /srv/static; location ~ \\.html$ { root /srv/none; }")
    story.commit({"sites-available/static": closed})
    ran = refused(story)
    assert "static.example.com/books/one.html" in ran.document["reason"], ran
    assert "secret" not in ran.out + ran.err
    shown = story.run("show", ran.document["id"], "--format", "json").out
    assert "secret" not in shown


SHELF = """\
server { listen 80; server_name files.example.com; root /srv/shelf;
  location / { try_files $uri =404; }
  location /closed/ { auth_basic x; auth_basic_user_file /dev/null; root %s; }
  location /app/ { auth_basic x; auth_basic_user_file /dev/null; proxy_pass http://%s; }
  %s
}
"""
APP = "127.0.0.1:8081"


@pytest.mark.deployed
def test_what_a_host_has_is_looked_at_besides_what_it_answers(story: Story) -> None:
    """Files, directories, sockets and ports of the real host, of which no made-up question knows."""
    story.playbook(checks=[], rehearse={"answers": "first_wave"})
    for host in story.lab.hosts:
        ready = "mkdir -p /srv/shelf/closed; echo one >/srv/shelf/list.txt; rm -f /run/app.sock;"
        bind = "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/run/app.sock\")'"
        host.run(["sh", "-c", ready + bind])
    files = "conf.d/files.conf"
    for target in (APP, "unix:/run/app.sock"):
        story.commit({files: SHELF % ("/srv/shelf", target, "")})
        story.deploy()
        broken = {
            "/list.txt": ("/srv/shelf", target, "location ~ ^/[a-z]+[.]txt$ { root /srv/elsewhere; }"),
            "/srv/shlef/closed, which is not there": ("/srv/shlef", target, ""),
            "to 127.0.0.1:8099 now, where nobody listens": ("/srv/shelf", "127.0.0.1:8099", ""),
        }
        if target != APP:
            said = "to unix:/run/gone.sock now, where nobody listens"
            broken = {said: ("/srv/shelf", "unix:/run/gone.sock", "")}
        for why, pieces in broken.items():
            story.commit({files: SHELF % pieces})
            ran = refused(story)
            assert why in ran.document["reason"] + ran.err, ran
    # Who does not want the host's names looked at is not asked for its files.
    story.playbook(checks=[], rehearse={"answers": "first_wave"}, compare={"sample": 0})
    story.commit({files: SHELF % ("/srv/shelf", APP, "location ~ ^/[a-z]+[.]txt$ { root /srv/elsewhere; }")})
    story.deploy()
