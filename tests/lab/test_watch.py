"""What goes wrong on a host is told once, by its name, and so is its end; whatever happens around it.

One watch looks at one fleet for all of these stories; each leaves the fleet as it was. The last ends it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.lab import sample
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from tests.lab.conftest import anew
from tests.lab.story import SHOP, Story, get, wait_for
from tests.lab.test_agent_inspect import make_certificate
from tests.lab.watching import ServiceManager, Watching, watching

pytestmark = pytest.mark.lab

PEM = "/etc/ssl/shop.pem"
LIVE = "/var/lib/deployer/nginx/live"
SITES = {
    "conf.d/failing.conf": 'server { listen 80; server_name broken.test; return 503 "no"; }\n',
    "conf.d/tls.conf": f"server {{ listen 9443 ssl; ssl_certificate {PEM}; ssl_certificate_key {PEM}; }}\n",
    "conf.d/upstream.conf": "upstream u { server backend.test; }\n",
    "conf.d/zone.conf": "limit_req_zone $binary_remote_addr zone=z:1m rate=9r/s;\n",
}


@pytest.fixture(scope="module")
def deployed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Every host serves what was deployed: a shop, one that fails, a certificate, an upstream with a name."""
    directory = tmp_path_factory.mktemp("watched")
    story = anew(lab, directory)
    pem = make_certificate(directory, days=90)
    for host in lab.hosts:
        host.write(PEM, pem)
        host.path("/etc/hosts", follow=True).open("a").write("192.0.2.7 backend.test\n")
    story.commit(SITES)
    story.deploy()
    return story


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> ServiceManager:
    """Who started the watch, as far as it knows."""
    return ServiceManager(tmp_path_factory.mktemp("manager") / "notify")


@pytest.fixture(scope="module")
def running(deployed: Story, manager: ServiceManager) -> Iterator[Watching]:
    """The watch of all these stories."""
    with watching(deployed, **manager.environment) as watch:
        watch.until_all_up()
        yield watch


@pytest.fixture
def watch(running: Watching) -> Watching:
    """The watch, with nothing to tell."""
    running.until_all_well()
    return running


@pytest.fixture
def web1(deployed: Story) -> LabHost:
    return deployed.lab.host("web1")


@pytest.fixture
def web2(deployed: Story) -> LabHost:
    return deployed.lab.host("web2")


@pytest.fixture
def web3(deployed: Story) -> LabHost:
    return deployed.lab.host("web3")


def rename(host: LabHost, old: str, new: str) -> None:
    host.write("/etc/hosts", host.read("/etc/hosts").replace(old, new))


def test_each_thing_that_goes_wrong_is_told_once_and_so_is_its_end(
    watch: Watching, web1: LabHost, web2: LabHost, web3: LabHost
) -> None:
    # nginx is gone; somebody edits by hand; a name stops resolving while everything still serves.
    web1.stop_nginx()
    web2.write("/etc/nginx/conf.d/by-hand.conf", "# who wrote this?\n")
    web2.run(["chown", "www-data", "/etc/nginx/conf.d/by-hand.conf"])
    rename(web3, "backend.test", "gone.test")
    drift = watch.until("web2: drift:")
    assert "conf.d/by-hand.conf" in drift
    assert "of www-data" in drift
    watch.until("web1: down: nginx is not running")
    watch.until("web1: checks: shop:")
    assert "host not found in upstream" in watch.until("web3: invalid: what is live would not start again")
    assert get(web3) == (200, "shop 1\n")
    watch.until_looked("web1", "web2", "web3")
    assert watch.holds("web1", "down")
    assert watch.holds("web2", "drift")
    assert not watch.holds("web1", "drift")
    assert not watch.holds("web3", "checks")
    assert watch.value("deployer_host_drifted_files", 'host="web2"') == 1
    assert watch.value("deployer_host_checks_failing", 'host="web1"') == 1
    web1.start_nginx()
    web2.run(["rm", "/etc/nginx/conf.d/by-hand.conf"])
    rename(web3, "gone.test", "backend.test")
    for told in ("web1: down", "web1: checks", "web2: drift", "web3: invalid"):
        watch.until(f"+ {told} is over")
        assert len(watch.said(f"! {told}:")) == len(watch.said(f"+ {told} ")) == 1, "\n".join(watch.lines)


def test_a_reload_that_nginx_refuses_is_told(deployed: Story, watch: Watching, web2: LabHost) -> None:
    # Valid, and it cannot be loaded beside what runs: the zone has another key there.
    deployed.commit({"conf.d/zone.conf": "limit_req_zone $uri zone=z:1m rate=9r/s;\n"})
    deployed.playbook(rehearse="off")
    prepared = deployed.deploy("--prepare-only").hosts["web2"]["release"]
    held = web2.run(["readlink", LIVE]).stdout.strip()
    watch.until_looked("web2")
    assert watch.lines == [], "what is prepared is no news"
    # Somebody goes past the tool.
    web2.run(["ln", "-sfn", f"releases/{prepared}", LIVE])
    web2.nginx("-s", "reload")
    told = watch.until("web2: not loaded:")
    assert f"{prepared} is on disk, but memory holds {held.removeprefix('releases/')}" in told
    web2.run(["ln", "-sfn", held, LIVE])
    watch.until("web2: not loaded is over")


def test_a_certificate_that_ends_soon_is_told_by_name(
    deployed: Story, watch: Watching, web3: LabHost, tmp_path: Path
) -> None:
    far = watch.value("deployer_host_certificate_expiry_timestamp_seconds", 'host="web3"')
    assert far is not None
    assert far > time.time() + 80 * 86_400
    pem = web3.read(PEM)
    web3.write(PEM, make_certificate(tmp_path, days=2))
    watch.reread()  # or ten minutes later
    told = watch.until("web3: certificate:")
    assert "shop.example.com expires in 2 days" in told
    assert PEM in told
    assert " ! " in told, "it is loud"
    seen = deployed.status("--limit", "web1:web3", expect=6)
    assert seen["web3"]["certificates"][0]["path"] == PEM
    assert seen["web1"]["troubles"] == []
    web3.write(PEM, pem)
    watch.reread()
    watch.until("web3: certificate is over")


def test_answers_are_counted_over_rotation_truncation_and_a_restart(deployed: Story, web1: LabHost) -> None:
    """By a watch of a part of the fleet, which keeps its own offsets beside the other's."""
    log = "/var/log/nginx/access.log"

    def fail(times: int) -> None:
        for _ in range(times):
            assert get(web1, "broken.test")[0] == 503

    def until_counted(watch: Watching, count: int, why: str) -> None:
        failed = ("deployer_host_answers_total", 'host="web1"', 'class="5xx"')
        wait_for(lambda: watch.value(*failed) == count, f"{why}: {watch.value(*failed)} of {count}")

    with watching(deployed, "--limit", "web1") as watch:
        watch.until_all_up(1)
        fail(30)
        until_counted(watch, 30, "they are not counted")
        assert "5xx" in watch.until("web1: errors:")
        fail(5)
        web1.run(["mv", log, f"{log}.1"])
        web1.nginx("-s", "reopen")
        wait_for(lambda: web1.path(log).exists(), "a new log")
        fail(7)
        until_counted(watch, 42, "the rotation loses some")
        web1.run(["truncate", "-s", "0", log])
        fail(3)
        until_counted(watch, 45, "the truncation loses some")
        watch.until("web1: errors is over")
        assert watch.stop() == 0
    fail(4)
    with watching(deployed, "--limit", "web1") as watch:
        until_counted(watch, 4, "the restart loses some")
        web1.path("/var/log/nginx/error.log").open("a").write("2024/06/12 14:15:00 [emerg] 7#7: bind()\n")
        lines = ("deployer_host_log_lines_total", 'host="web1"', 'level="emerg"')
        wait_for(lambda: watch.value(*lines) == 1, "[emerg] is not counted")
        watch.until("web1: emergencies: nginx wrote 1 [emerg]")


def test_hosts_go_and_come_back_and_hold_nobody_up(watch: Watching, web1: LabHost, web2: LabHost) -> None:
    web1.cut()
    try:
        watch.until("web1: unreachable: cannot be asked:")
        web2.kill()
        watch.until("web2: unreachable: cannot be asked:")
        watch.until_looked("web3")
    finally:
        web1.mend()
        web2.start()
    watch.until("web1: unreachable is over", within_s=60)
    watch.until("web2: unreachable is over", within_s=60)
    watch.until_looked("web1", "web2", "web3")
    for gone in ("web1", "web2"):
        assert len(watch.said(f"{gone}: unreachable")) == 2, watch.lines
    assert not [*watch.said("web3"), *watch.said("checks")], watch.lines


def test_a_guard_left_armed_by_a_dead_controller_is_told(
    deployed: Story, watch: Watching, web1: LabHost
) -> None:
    deployed.playbook(
        rollout={"waves": [1, "100%"], "confirm_within": "9s"},
        health={"deadline": "60s", "interval": "50ms", "consecutive": 2, "bake": "60s"},
    )
    watch.reread()
    deployed.commit({**SITES, SHOP: sample.shop("shop 2")})
    controller = deployed.start("deploy", "lab", "--yes")
    deployed.until_served(web1, "shop 2")
    watch.until_looked("web1", "web2")
    assert watch.lines == [], "a deployment at work is no news"
    os.killpg(controller.pid, signal.SIGKILL)
    controller.wait(10)
    assert "was left armed" in watch.until("web1: guard: the guard of deployment")
    assert "deployer recover lab" in watch.until("! unfinished:")
    watch.until("web1: reverted: its guard took")
    watch.until("web1: guard is over")
    deployed.until_served(web1, "shop 1")
    assert deployed.run("recover", "lab", "--yes").code == 0
    watch.until("+ unfinished is over")
    watch.until("web1: reverted is over")
    assert len(watch.said("! unfinished:")) == 1, watch.lines
    deployed.playbook()


def test_files_are_read_again_and_a_broken_one_changes_nothing(
    deployed: Story, watch: Watching, manager: ServiceManager
) -> None:
    inventory = deployed.project / "inventories/lab.yml"
    whole = inventory.read_text()
    manager.heard("READY=1")
    manager.heard("WATCHDOG=1")
    inventory.write_text("web: [broken\n")
    watch.reread()
    assert "inventories/lab.yml" in watch.until("! files: the files were not read again")
    manager.heard("RELOADING=1\nMONOTONIC_USEC=")
    manager.heard("READY=1")
    watch.until_looked("web1")
    inventory.write_text("".join(line for line in whole.splitlines(keepends=True) if "web3" not in line))
    watch.reread()
    watch.until("+ files is over")
    manager.heard("STATUS=2 hosts, all well")
    watch.until_all_up(2)
    assert watch.value("deployer_host_up", 'host="web3"') is None
    inventory.write_text(whole)
    watch.reread()
    watch.until_all_up(3)
    manager.heard("STATUS=3 hosts, all well")


def test_once_shows_it_like_status_and_tells_each_change_once(
    deployed: Story, running: Watching, web2: LabHost, tmp_path: Path
) -> None:
    once = ("watch", "lab", "--once", "--limit", "web1:web2")
    well = deployed.run(*once)
    assert (well.code, well.err) == (0, ""), well
    assert "All 2 hosts are as they should be." in well.out
    web2.write(f"/etc/nginx/{SHOP}", sample.shop("by hand"))
    prom = tmp_path / "deployer.prom"
    first = deployed.run(*once, "--json", "--textfile", str(prom))
    assert first.code == 6, first
    assert first.document["hosts"]["web2"]["drift"] == [SHOP]
    assert first.document["hosts"]["web2"]["written"][0]["owner"] == "root"
    assert first.document["hosts"]["web2"]["valid"] is True
    assert "web2: drift: edited since it was deployed" in first.err
    assert 'condition="drift",host="web2",inventory="lab"} 1.0' in prom.read_text()
    second = deployed.run(*once)
    assert (second.code, second.err) == (6, ""), second
    web2.write(f"/etc/nginx/{SHOP}", sample.shop("shop 1"))
    # What another watch looks at is counted and told by that one.
    third = deployed.run("watch", "lab", "--once")
    assert third.code == 0, third
    assert "another watch of this inventory runs" in third.err
    running.until("+ web2: drift is over")


def test_status_says_what_git_has_and_what_would_not_start(deployed: Story, web1: LabHost) -> None:
    commit = deployed.commit({**SITES, SHOP: sample.shop("shop 2")}, "shop 2 200")
    ran = deployed.run("status", "lab")
    assert ran.code == 0, ran
    assert f"git: main is at {commit[:12]} (shop 2 200), which is not on web1..web3 ({SHOP})" in ran.out
    web1.write("/etc/nginx/conf.d/x.conf", "nonsense;\n")
    document = deployed.run("status", "lab", "--json").document
    assert document["exit_code"] == 6
    assert document["source"]["commit"] == commit
    first, second = document["hosts"]["web1"], document["hosts"]["web2"]
    assert (first["valid"], second["valid"]) == (False, True)
    assert any("nonsense" in trouble for trouble in first["troubles"])
    assert (second["behind"], second["differing"]) == (True, [SHOP])
    web1.run(["rm", "/etc/nginx/conf.d/x.conf"])
    (deployed.lab.repo / ".git").rename(deployed.directory / "gone")
    try:
        ran = deployed.run("status", "lab", "--limit", "web2")
    finally:
        (deployed.directory / "gone").rename(deployed.lab.repo / ".git")
    assert ran.code == 0, "git is no part of a host's health"
    assert "git: it cannot be asked" in ran.out


def test_it_ends_at_once_although_a_host_is_frozen(
    deployed: Story, watch: Watching, manager: ServiceManager, web3: LabHost
) -> None:
    web3.pause()
    try:
        watch.until_looked("web1")
        begun = time.monotonic()
        assert watch.stop() == 0
        assert time.monotonic() - begun < 3, "a frozen host holds up the end"
    finally:
        web3.resume()
    manager.heard("STOPPING=1")
    kept = [
        json.loads(p.read_text()) for p in (deployed.directory / "home/state/deployer/watch").glob("*.json")
    ]
    assert [set(each["logs"]) for each in kept if len(each["logs"]) > 2] == [{"web1", "web2", "web3"}]
    for path in (
        deployed.directory / "home/state/deployer/watch",
        deployed.directory / "home/state/deployer",
    ):
        assert path.stat().st_mode & 0o077 == 0, path
