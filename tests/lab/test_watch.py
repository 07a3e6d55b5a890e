"""What goes wrong on a host is told once, by its name, and so is its end; whatever happens around it."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from deployer.lab import sample
from deployer.lab.host import LabHost
from tests.lab.story import SHOP, Story, get, reload, wait_for
from tests.lab.test_agent_inspect import make_certificate
from tests.lab.watching import watching

pytestmark = pytest.mark.lab

FAILING = 'server { listen 80; server_name broken.test; return 503 "no"; }\n'


@pytest.fixture
def deployed(story: Story) -> Story:
    """Every host serves what was deployed."""
    story.deploy()
    return story


def emptied(host: LabHost, path: str) -> None:
    host.run(["rm", "-f", path])


def test_each_thing_that_goes_wrong_is_told_once_and_so_is_its_end(deployed: Story, tmp_path: Path) -> None:
    web1, web2, web3 = deployed.lab.hosts
    with watching(deployed) as watch:
        watch.until_all_up()
        # Somebody edits by hand.
        web2.write("/etc/nginx/conf.d/by-hand.conf", "# who wrote this?\n")
        web2.run(["chown", "www-data", "/etc/nginx/conf.d/by-hand.conf"])
        # nginx is gone.
        web1.stop_nginx()
        # A reload that nginx refuses without a word: the port is taken.
        holder = web3.run(["sh", "-c", "python3 -m http.server 7777 >/dev/null 2>&1 & echo $!"], check=False)
        assert holder.stdout.strip()
        deployed.until_listening(web3, 7777)
        drift = watch.until("web2: drift:")
        assert "conf.d/by-hand.conf" in drift
        assert "of www-data" in drift
        watch.until("web1: down: nginx is not running")
        watch.until("web1: checks: shop:")
        watch.until_looked("web1", "web2", "web3")
        assert len(watch.said("web2: drift:")) == len(watch.said("web1: down:")) == 1
        assert not watch.said("web3:")
        assert watch.holds("web2", "drift")
        assert watch.holds("web1", "down")
        assert not watch.holds("web1", "drift")
        assert watch.value("deployer_host_drifted_files", 'host="web2"') == 1
        assert watch.value("deployer_host_checks_failing", 'host="web1"') == 1
        emptied(web2, "/etc/nginx/conf.d/by-hand.conf")
        web1.start_nginx()
        watch.until("web2: drift is over")
        watch.until("web1: down is over")
        watch.until("web1: checks is over")
        assert not watch.holds("web1", "down")
        web3.run(["kill", holder.stdout.strip()])
        assert watch.stop() == 0
    assert len(watch.lines) == 7, watch.lines


def test_what_would_not_start_again_is_told_while_it_still_serves(deployed: Story) -> None:
    host = deployed.lab.host("web1")
    host.path("/etc/hosts", follow=True).open("a").write("192.0.2.7 backend.test\n")
    deployed.commit({"conf.d/u.conf": "upstream u { server backend.test; }\n"})
    for other in deployed.lab.hosts[1:]:
        other.path("/etc/hosts", follow=True).open("a").write("192.0.2.7 backend.test\n")
    deployed.deploy()
    with watching(deployed) as watch:
        watch.until_all_up()
        assert not watch.holds("web1", "invalid")
        host.write("/etc/hosts", host.read("/etc/hosts").replace("backend.test", "gone.test"))
        assert "host not found in upstream" in watch.until(
            "web1: invalid: what is live would not start again"
        )
        assert get(host) == (200, "shop 1\n")
        assert not watch.holds("web1", "checks")
        host.write("/etc/hosts", host.read("/etc/hosts").replace("gone.test", "backend.test"))
        watch.until("web1: invalid is over")


def test_a_reload_that_was_refused_is_told(deployed: Story) -> None:
    host = deployed.lab.host("web2")
    deployed.commit({"conf.d/zone.conf": "limit_req_zone $binary_remote_addr zone=z:1m rate=9r/s;\n"})
    deployed.deploy()
    # Somebody goes back by hand, past the tool, and nobody reloads, or nginx refuses to.
    live = host.run(["readlink", "/var/lib/deployer/nginx/live"]).stdout.strip()
    other = next(
        name
        for name in host.run(["ls", "/var/lib/deployer/nginx/releases"]).stdout.split()
        if name != live.removeprefix("releases/")
    )
    with watching(deployed) as watch:
        watch.until_all_up()
        host.run(["ln", "-sfn", f"releases/{other}", "/var/lib/deployer/nginx/live"])
        told = watch.until("web2: not loaded:")
        assert f"{other} is on disk, but memory holds {live.removeprefix('releases/')}" in told
        host.run(["ln", "-sfn", live, "/var/lib/deployer/nginx/live"])
        watch.until("web2: not loaded is over")


def test_a_certificate_that_ends_soon_and_one_that_ends_now(deployed: Story, tmp_path: Path) -> None:
    host = deployed.lab.host("web3")
    pem = "/etc/ssl/shop.pem"
    tls = f"server {{ listen 9443 ssl; ssl_certificate {pem}; ssl_certificate_key {pem}; }}\n"
    for each in deployed.lab.hosts:
        each.write("/etc/ssl/shop.pem", make_certificate(tmp_path, days=90))
    deployed.commit({"conf.d/tls.conf": tls})
    deployed.deploy()
    with watching(deployed) as watch:
        watch.until_all_up()
        far = watch.value("deployer_host_certificate_expiry_timestamp_seconds", 'host="web3"')
        assert far is not None
        assert far > time.time() + 80 * 86_400
        assert watch.stop() == 0
    host.write("/etc/ssl/shop.pem", make_certificate(tmp_path, days=2))
    with watching(deployed) as watch:
        told = watch.until("web3: certificate:")
        assert "shop.example.com expires in 2 days" in told
        assert "/etc/ssl/shop.pem" in told
        assert " ! " in told, "it is loud"
    status = deployed.status(expect=6)
    assert status["web3"]["certificates"][0]["path"] == "/etc/ssl/shop.pem"
    assert status["web1"]["troubles"] == []


def test_answers_are_counted_over_rotation_truncation_and_a_restart(deployed: Story) -> None:
    host = deployed.lab.host("web1")
    labels = ('host="web1"', 'class="5xx"')
    deployed.commit({"conf.d/failing.conf": FAILING})
    deployed.deploy()

    def fail(times: int) -> None:
        for _ in range(times):
            assert get(host, "broken.test")[0] == 503

    with watching(deployed) as watch:
        watch.until_all_up()
        watch.until_looked("web1")
        fail(30)
        wait_for(lambda: watch.value("deployer_host_answers_total", *labels) == 30, "they are not counted")
        assert "5xx" in watch.until("web1: errors:")
        fail(5)
        host.run(["mv", "/var/log/nginx/access.log", "/var/log/nginx/access.log.1"])
        host.nginx("-s", "reopen")
        wait_for(lambda: host.path("/var/log/nginx/access.log").exists(), "a new log")
        fail(7)
        wait_for(lambda: watch.value("deployer_host_answers_total", *labels) == 42, "the rotation loses some")
        host.run(["truncate", "-s", "0", "/var/log/nginx/access.log"])
        fail(3)
        wait_for(
            lambda: watch.value("deployer_host_answers_total", *labels) == 45, "the truncation loses some"
        )
        watch.until("web1: errors is over")
        assert watch.stop() == 0
    fail(4)
    with watching(deployed) as watch:
        wait_for(lambda: watch.value("deployer_host_answers_total", *labels) == 4, "the restart loses some")
        host.path("/var/log/nginx/error.log").open("a").write(
            "2024/06/12 14:15:00 [emerg] 7#7: bind() failed\n"
        )
        lines = ("deployer_host_log_lines_total", 'host="web1"', 'level="emerg"')
        wait_for(lambda: watch.value(*lines) == 1, "[emerg] is not counted")


def test_hosts_go_and_come_back_and_hold_nobody_up(deployed: Story) -> None:
    web1, web2, web3 = deployed.lab.hosts
    with watching(deployed) as watch:
        watch.until_all_up()
        web1.cut()
        web2.kill()
        watch.until("web2: unreachable: cannot be asked:", within_s=60)
        watch.until("web1: unreachable: cannot be asked:", within_s=60)
        watch.until_looked("web3")
        web1.mend()
        web2.start()
        watch.until("web1: unreachable is over", within_s=60)
        watch.until("web2: unreachable is over", within_s=60)
        watch.until_looked("web1", "web2", "web3")
        web3.pause()
        try:
            watch.until_looked("web1")
            begun = time.monotonic()
            assert watch.stop() == 0
            assert time.monotonic() - begun < 3, "a frozen host holds up the end"
        finally:
            web3.resume()
    for name in ("web1", "web2"):
        assert len(watch.said(f"{name}: unreachable:")) == 1, watch.lines
    assert not watch.said("web3"), watch.lines


def test_a_guard_left_armed_by_a_dead_controller_is_told(deployed: Story) -> None:
    deployed.playbook(
        rollout={"waves": [1, "100%"], "confirm_within": "12s"},
        health={"deadline": "60s", "interval": "50ms", "consecutive": 2, "bake": "60s"},
    )
    deployed.shop("shop 2")
    with watching(deployed) as watch:
        watch.until_all_up()
        controller = deployed.start("deploy", "lab", "--yes")
        deployed.until_served(deployed.lab.host("web1"), "shop 2")
        watch.until_looked("web1", "web2")
        assert len(watch.lines) == 1, f"a deployment at work is no news: {watch.lines}"
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait(10)
        assert "was left armed" in watch.until("web1: guard: the guard of deployment")
        assert "deployer recover lab" in watch.until("! unfinished:")
        watch.until("web1: reverted: its guard took")
        watch.until("web1: guard is over")
        deployed.until_served(deployed.lab.host("web1"), "shop 1")
        assert deployed.run("recover", "lab", "--yes").code == 0
        watch.until("+ unfinished is over")
        watch.until("web1: reverted is over")
    assert len(watch.said("! unfinished:")) == 1, watch.lines


def test_files_are_read_again_and_a_broken_one_changes_nothing(deployed: Story, tmp_path: Path) -> None:
    inventory = deployed.project / "inventories/lab.yml"
    whole = inventory.read_text()
    inventory.write_text("".join(line for line in whole.splitlines(keepends=True) if "web3" not in line))
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    said: list[str] = []

    def listen() -> None:
        while True:
            said.append(manager.recv(4096).decode())

    def heard(what: str) -> None:
        """Wait for it, and forget what came before."""
        wait_for(lambda: any(what in each for each in said), f"{what}: {said[-20:]}")
        del said[: 1 + next(n for n, each in enumerate(said) if what in each)]

    threading.Thread(target=listen, daemon=True).start()
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "900000"}
    with watching(deployed, **env) as watch:
        heard("READY=1")
        heard("WATCHDOG=1")
        heard("STATUS=2 hosts, all well")
        watch.until_all_up(2)
        inventory.write_text("web: [broken\n")
        watch.process.send_signal(signal.SIGHUP)
        assert "inventories/lab.yml" in watch.until("! files: the files were not read again")
        heard("RELOADING=1\nMONOTONIC_USEC=")
        heard("READY=1")
        watch.until_looked("web1")
        inventory.write_text(whole)
        watch.process.send_signal(signal.SIGHUP)
        watch.until("+ files is over")
        watch.until_all_up(3)
        heard("STATUS=3 hosts, all well")
        inventory.write_text("".join(line for line in whole.splitlines(keepends=True) if "web1" not in line))
        watch.process.send_signal(signal.SIGHUP)
        wait_for(lambda: watch.value("deployer_host_up", 'host="web1"') is None, "web1 is still watched")
        watch.until_all_up(2)
        assert watch.stop() == 0
        heard("STOPPING=1")


def test_once_shows_it_like_status_and_tells_each_change_once(deployed: Story, tmp_path: Path) -> None:
    well = deployed.run("watch", "lab", "--once")
    assert (well.code, well.err) == (0, ""), well
    assert "All 3 hosts are as they should be." in well.out
    host = deployed.lab.host("web2")
    host.write(f"/etc/nginx/{SHOP}", sample.shop("by hand"))
    reload(host)
    prom = tmp_path / "deployer.prom"
    first = deployed.run("watch", "lab", "--once", "--json", "--textfile", str(prom))
    assert first.code == 6, first
    assert first.document["hosts"]["web2"]["drift"] == [SHOP]
    assert first.document["hosts"]["web2"]["written"][0]["owner"] == "root"
    assert "web2: drift: edited since it was deployed" in first.err
    assert 'condition="drift",host="web2",inventory="lab"} 1.0' in prom.read_text()
    second = deployed.run("watch", "lab", "--once")
    assert (second.code, second.err) == (6, ""), second
    assert deployed.status(expect=6)["web2"]["valid"] is True


def test_status_says_what_git_has_and_what_would_not_start(deployed: Story) -> None:
    commit = deployed.shop("shop 2")
    ran = deployed.run("status", "lab")
    assert ran.code == 0, ran
    assert f"git: main is at {commit[:12]} (shop 2 200), which is not on web1..web3 ({SHOP})" in ran.out
    deployed.lab.host("web1").write("/etc/nginx/conf.d/x.conf", "nonsense;\n")
    document = deployed.run("status", "lab", "--json").document
    assert document["exit_code"] == 6
    assert document["source"]["commit"] == commit
    web1, web2 = document["hosts"]["web1"], document["hosts"]["web2"]
    assert (web1["valid"], web2["valid"]) == (False, True)
    assert any("nonsense" in trouble for trouble in web1["troubles"])
    assert (web2["behind"], web2["differing"]) == (True, [SHOP])
    (deployed.lab.repo / ".git").rename(deployed.directory / "gone")
    try:
        ran = deployed.run("status", "lab", "--limit", "web2")
    finally:
        (deployed.directory / "gone").rename(deployed.lab.repo / ".git")
    assert ran.code == 0, "git is no part of a host's health"
    assert "git: it cannot be asked" in ran.out


def test_the_offsets_are_this_users_alone(deployed: Story) -> None:
    with watching(deployed) as watch:
        watch.until_all_up()
        again = deployed.run("watch", "lab", "--once")
        assert again.code == 0, again
        assert "another watch of this inventory runs" in again.err
        assert watch.stop() == 0
    (kept,) = (deployed.directory / "home/state/deployer/watch").glob("*.json")
    assert set(json.loads(kept.read_text())["logs"]) == {"web1", "web2", "web3"}
    assert kept.parent.stat().st_mode & 0o077 == 0
