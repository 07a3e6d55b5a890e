"""A staging fleet in production's image: its answers, its evidence, its end."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.lab import state as states
from deployer.lab.fleet import Lab
from deployer.staging.certificates import Authority
from tests.lab.story import Story

pytestmark = pytest.mark.lab

SITE = """\
upstream app {{ server app.internal:8082; }}
server {{
	listen 80;
	listen 203.0.113.7:8080;
	server_name {name} www.example.com;
	location / {{ proxy_pass http://app; }}
	location /local {{ proxy_pass http://127.0.0.1:9000; }}
	location /php {{ fastcgi_pass unix:/run/php/app.sock; include fastcgi_params; }}
	location /static/ {{ root /srv/shop; }}
}}
server {{
	listen 443 ssl;
	server_name {name} www.example.com;
	ssl_certificate /etc/ssl/shop/fullchain.pem;
	ssl_certificate_key /etc/ssl/shop/shop.secret;
	location / {{ proxy_pass http://app; }}
}}
"""
APP = """\
server { listen 8082; location / { return 200 "shop app $host\\n"; }
	location /old { return 301 https://$host/new; } }
"""
NAMES = {"web1": "shop.example.com", "web2": "shop.example.com", "web3": "api.example.com"}
KEY = "/etc/ssl/shop/shop.secret"
PATHS = ("/", "/old", "/local", "/php", "/static/", "/static/logo.txt", "/nowhere")


@pytest.fixture(autouse=True)
def _taken_down(story: Story) -> Iterator[None]:
    """A fleet outlives whoever made it, also a test that failed."""
    yield
    for state in fleets(story):
        Lab(state).down()


def test_a_fleet_in_productions_image_opens_the_gate_and_leaves_nothing(story: Story) -> None:
    production(story)
    told = story.run("deploy", "lab", "--yes", "--accept-deletions", "--accept-unproven")
    assert told.code == 0, told
    usual = {host.name: statuses(host.address, NAMES[host.name]) for host in story.lab.hosts}
    assert usual["web3"] == [200, 301, 502, 502, 403, 200, 200]
    before = story.trees()
    story.playbook(**BOOK, gates={"after": "staging"})
    good = site(story, "location = /new-page { return 204; }")
    assert story.deploy(expect=3).ran.document["gates"][0]["gate"] == "after"

    up = story.run("staging", "up", "lab", "--json")
    assert up.code == 0, up
    made = up.document
    assert sorted(host["name"] for host in made["hosts"]) == ["web1", "web3"]
    assert [host["match"]["other"] for host in made["hosts"]] == [[], []], up
    staged = {host["name"]: host["address"] for host in made["hosts"]}
    for name, address in staged.items():
        assert statuses(address, NAMES[name]) == usual[name]
    # Nothing was written in production, and no key came from there.
    assert story.trees() == before
    (fleet,) = fleets(story)
    for staging in Lab(fleet).hosts[:2]:
        real = story.lab.host(staging.name)
        assert staging.read(KEY) not in {"", real.read(KEY)}
        assert staging.read("/etc/nginx/conf.d/site.conf") == real.read("/etc/nginx/conf.d/site.conf")
    again = story.run("staging", "up", "lab")
    assert (again.code, "is up already" in again.err) == (2, True), again

    # What production would have refused is refused here, and what is good is not.
    site(story, "location /typo { proxy_pass http://app.internul:8082; }")
    refused = story.run("deploy", "staging", "--yes", "--json")
    assert (refused.code, "app.internul" in refused.document["reason"]) == (3, True), refused
    assert story.deploy("--rev", good, expect=3).ran.document["gates"][0]["gate"] == "after"
    first = story.run("deploy", "staging", "--yes", "--json", "--rev", good)
    assert (first.code, first.document["outcome"]) == (0, "deployed"), first
    assert statuses(staged["web3"], NAMES["web3"], ("/new-page",)) == [204]
    assert story.deploy("--rev", good).outcome == "deployed"

    assert len(traces(story, fleet)) > 6
    down = story.run("staging", "down", "lab")
    assert (down.code, traces(story, fleet)) == (0, []), down
    assert story.run("staging", "status").out.startswith("no staging fleet is up")


BOOK: dict[str, Any] = {
    "checks": [
        {
            "name": "shop",
            "url": "http://127.0.0.1/",
            "headers": {"Host": "www.example.com"},
            "expect": {"body": "^shop app"},
        },
        {
            "name": "over TLS",
            "url": "https://127.0.0.1/",
            "headers": {"Host": "www.example.com"},
            "ca": "ca.pem",  # in staging another authority signs, and the fleet's inventory says which
        },
    ],
    "rollout": {"waves": ["100%"]},
}


def test_what_goes_wrong_is_one_sentence_and_leaves_nothing(story: Story) -> None:
    own = story.project / "inventories/staging.yml"
    own.write_text("all: {hosts: {stage1: {}}}\n")
    taken = story.run("staging", "up", "lab", "--limit", "web1")
    assert (taken.code, taken.err.count("\n"), own.exists()) == (2, 1, True), taken
    assert "is an inventory of your own" in taken.err
    own.unlink()

    story.lab.host("web2").cut()
    cut = story.run("staging", "up", "lab", "--limit", "web2", "--quiet")
    assert (cut.code, cut.err.count("\n")) == (3, 2), cut
    assert "web2 does not give its configuration, and staging needs it" in cut.err
    assert "--limit 'all:!web2'" in cut.err
    assert cut.err.splitlines()[-1] == "Help: docs/runbooks/refused.md"

    enabled = "/etc/nginx/modules-enabled/50.conf"
    story.lab.host("web3").write(enabled, "load_module modules/ngx_x_module.so;\n")
    module = story.run("staging", "up", "lab", "--limit", "web3", "--quiet")
    assert (module.code, module.err.count("\n")) == (3, 2), module
    assert (
        "it loads the nginx module ngx_x_module.so (/etc/nginx/modules-enabled/50.conf:1), which"
        in module.err
    )
    assert "nothing was left behind" in module.err
    story.lab.host("web3").run(["rm", enabled])

    story.lab.host("web3").write("/etc/nginx/conf.d/broken.conf", "include /srv/gone.conf;\n")
    broken = story.run("staging", "up", "lab", "--limit", "web3", "--quiet")
    assert (broken.code, broken.err.count("\n")) == (3, 2), broken
    assert "the live configuration of web3 does not validate in staging: open() " in broken.err
    assert fleets(story) == []

    for last, signal_, code in (("starting 1 host", signal.SIGTERM, 130), ("comparing", signal.SIGKILL, -9)):
        process = story.start("staging", "up", "lab", "--limit", "web1")
        story.until_said(process, last)
        process.send_signal(signal_)
        assert story.end(process).code == code
        assert not own.exists()
    (killed,) = fleets(story)
    assert killed.abandoned
    stand_ins = {"search.internal:9200": 503, "[2001:db8::9]:8099": 204}
    story.playbook(staging={"upstreams": stand_ins, "record": False})
    up = story.run("staging", "up", "lab", "--limit", "web1")
    assert (up.code, "not compared with production" in up.out) == (0, True), up
    story.commit({"conf.d/search.conf": SEARCH}, "Search")
    assert story.run("deploy", "staging", "--yes").code == 0
    (fleet,) = fleets(story)
    address = Lab(fleet).host("web1").address
    assert statuses(address, "search.example.com", ("/", "/six")) == [503, 204]
    assert story.run("staging", "down", "staging").code == 0
    assert [*traces(story, killed), *traces(story, fleet)] == []


def test_of_two_that_find_nothing_in_their_way_the_one_that_is_late_says_so(story: Story) -> None:
    """Both have looked before either has begun: labs are made under a lock, which is held here meanwhile."""
    story.playbook(staging={"record": False})
    with states.registry():
        both = [story.start("staging", "up", "lab", "--limit", "web1") for _ in range(2)]
        for process in both:
            story.until_said(process, "starting 1 host")
    late, up = sorted(map(story.end, both), key=lambda ran: -ran.code)
    assert (up.code, late.code) == (0, 2), (up, late)
    told = "the staging fleet staging is being made at this moment; wait for it: deployer staging status"
    assert late.err.splitlines()[-1] == f"deployer: {told}"
    assert [fleet.abandoned for fleet in fleets(story)] == [False]
    assert story.run("staging", "down", "staging").code == 0


def test_in_rehearsals_the_fleets_own_authority_is_believed_and_no_other(story: Story) -> None:
    """Production's keys stay there, so every certificate of a fleet is signed by an authority of its own."""
    production(story)
    story.playbook(**BOOK, staging={"record": False})
    accept = ("--accept-deletions", "--accept-unproven")
    first = story.run("deploy", "lab", "--limit", "web1", "--yes", *accept)
    assert first.code == 0, first
    two = [story.start("staging", "up", "lab", "--limit", "web1") for _ in range(2)]
    ups = [story.end(process) for process in two]  # said twice at the same moment
    assert sorted(up.code for up in ups) == [0, 2], ups
    assert (story.project / "inventories/staging.yml").exists(), ups
    over_tls = {**BOOK, "checks": BOOK["checks"][1:]}
    story.playbook(**over_tls, rehearse={"answers": "all"}, staging={"record": False})
    site(story, "location = /new-page { return 204; }")
    good = story.run("deploy", "staging", "--yes", "--json")
    assert (good.code, good.document["outcome"]) == (0, "deployed"), good
    compared = good.document["compared"]["web1"]
    assert compared["asked"] > 0, good
    assert (compared["worse"], compared["unproved"]) == ([], 0), good

    certificate, key = Authority("somebody else").pair(["www.example.com", NAMES["web1"]])
    story.commit({"tls/other.pem": certificate.decode(), "tls/other.key": key.decode()}, "Another pair")
    (fleet,) = fleets(story)
    before = Lab(fleet).host("web1").nginx_pids()
    text = (story.lab.repo / "conf.d/site.conf.j2").read_text()
    foreign = text.replace("/etc/ssl/shop/fullchain.pem", "/etc/nginx/tls/other.pem")
    foreign = foreign.replace("/etc/ssl/shop/shop.secret", "/etc/nginx/tls/other.key")
    assert foreign != text
    story.commit({"conf.d/site.conf.j2": foreign}, "A certificate of nobody whom users know")
    refused = story.run("deploy", "staging", "--yes", "--json")
    assert refused.code == 3, refused
    assert "good before; now the certificate is not accepted: self-signed" in refused.document["reason"]
    assert Lab(fleet).host("web1").nginx_pids() == before, "no user met it"
    assert story.run("staging", "down", "staging").code == 0


SEARCH = """\
server {
	listen 80; server_name search.example.com;
	location / { proxy_pass http://search.internal:9200; }
	location /six { proxy_pass http://[2001:db8::9]:8099; }
}
"""


def production(story: Story) -> None:
    """Two groups with sites of their own, TLS, and an application that has a name."""
    for name, files in {"web": "shop.example.com", "api": "api.example.com"}.items():
        (story.project / "inventories/group_vars").mkdir(exist_ok=True)
        (story.project / f"inventories/group_vars/{name}.yml").write_text(f"site: {files}\n")
    hosts = {host.name: {"ansible_host": host.address} for host in story.lab.hosts}
    groups = {"web": ["web1", "web2"], "api": ["web3"]}
    tree = {g: {"hosts": {h: hosts[h] for h in held}} for g, held in groups.items()}
    story.inventory(yaml.safe_dump({"all": {"vars": {"ansible_user": "root"}, "children": tree}}))
    authority = Authority("production")
    (story.project / "ca.pem").write_bytes(authority.pem)
    for host in story.lab.hosts:
        certificate, key = authority.pair(["www.example.com", *sorted(set(NAMES.values()))])
        host.run(["mkdir", "-p", "/etc/ssl/shop", "/srv/shop/static", "/run/php"])
        host.write("/etc/ssl/shop/fullchain.pem", certificate.decode())
        host.write("/etc/ssl/shop/shop.secret", key.decode())
        host.write("/srv/shop/static/logo.txt", "a logo\n")
        host.write("/etc/hosts", host.read("/etc/hosts") + f"{host.address} app.internal\n")
        host.run(["ip", "address", "add", "203.0.113.7/32", "dev", "lo"])
    story.playbook(**BOOK)
    (story.lab.repo / "sites-enabled/shop.example.com").unlink()
    story.commit({"sites-available/shop.example.com": None, "conf.d/app.conf": APP})
    site(story, "")


def site(story: Story, more: str) -> str:
    """Commit the site of each group with one more location; the commit."""
    text = SITE.format(name="{{ site }}").replace("location /local", f"{more}\n\tlocation /local")
    return story.commit({"conf.d/site.conf.j2": text}, f"The sites {more}")


def statuses(address: str, name: str, paths: tuple[str, ...] = PATHS) -> list[int]:
    """What a user gets there: over HTTP, and the first page over TLS."""
    found = []
    for path in paths:
        connection = http.client.HTTPConnection(address, 80, timeout=10)
        connection.request("GET", path, headers={"Host": name})
        found.append(connection.getresponse().status)
        connection.close()
    return found


def fleets(story: Story) -> list[states.LabState]:
    """The labs of this test's own that are up."""
    known = [state for _, state in states.known() if state is not None]
    return [state for state in known if state.directory.is_relative_to(story.directory)]


def traces(story: Story, fleet: states.LabState) -> list[str]:
    """What is left of a fleet on this machine: links, mounts, processes, files."""
    links = [p.name for p in Path("/sys/class/net").iterdir() if p.name.startswith(f"dlab{fleet.index}h")]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [*links, *(line for line in mounts if f"{fleet.runtime}/" in line)]
    now = states.LabState.load(fleet.runtime)
    if now is not None and now.token != fleet.token:
        found = []  # its number is another lab's by now
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if str(story.directory).encode() in line and b"staging.stub" in line:
                found.append(f"process {entry.name}")
    return [*found, *map(str, story.project.glob("inventories/staging*")), *map(str, left(fleet.directory))]


def left(directory: Path) -> list[Path]:
    """A directory, while it is there."""
    return [directory] if directory.exists() else []
