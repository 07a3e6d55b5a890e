"""What of the lab can be tried without one."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.config.inventory import load_inventory
from deployer.config.playbook import load_playbook
from deployer.lab import sample
from deployer.lab.fleet import default_directory
from deployer.lab.load import outcome_of
from deployer.lab.network import MAX_HOSTS, NETWORKS, Network
from deployer.lab.proc import Process, is_stopped, start_time


def test_no_two_labs_share_an_address_and_all_are_reserved_ones() -> None:
    reserved = ipaddress.ip_network("198.18.0.0/15")
    nets = [Network(index) for index in range(NETWORKS)]
    firsts = {net.address(1) for net in nets} | {net.address(MAX_HOSTS) for net in nets}
    assert len(firsts) == 2 * NETWORKS
    assert all(ipaddress.ip_address(address) in reserved for address in firsts)
    assert len({net.address6(1) for net in nets}) == NETWORKS
    assert all(ipaddress.ip_address(net.address6(7)).is_private for net in nets)


def test_names_of_links_are_short_enough_for_the_kernel() -> None:
    last = Network(NETWORKS - 1)
    assert len(last.cable(MAX_HOSTS)) <= 15
    assert len(last.bridge) <= 15


def test_addresses_stay_inside_the_network_of_the_lab() -> None:
    net = Network(300)
    own = ipaddress.ip_network(f"{net.gateway}/24", strict=False)
    addresses = {net.address(number) for number in range(1, MAX_HOSTS + 1)}
    assert len(addresses) == MAX_HOSTS
    assert net.gateway not in addresses
    assert all(ipaddress.ip_address(address) in own for address in addresses)
    assert str(own.broadcast_address) not in addresses


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200"),
        (b"HTTP/1.1 503 Service Temporarily Unavailable\r\n\r\n", "503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "truncated"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "garbled"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "garbled"),
        (b"", "empty"),
    ],
)
def test_an_answer_is_complete_or_a_failure(answer: bytes, outcome: str) -> None:
    assert outcome_of(answer) == outcome


def test_what_the_lab_writes_is_what_the_commands_read(tmp_path: Path) -> None:
    repo = tmp_path / 'a "quoted" directory'
    (tmp_path / "lab.yml").write_text(sample.inventory([("web1", "198.18.0.11"), ("web2", "fd00::1")]))
    (tmp_path / "nginx.yml").write_text(sample.playbook(repo))
    hosts = load_inventory(tmp_path / "lab.yml").hosts
    assert [(host.name, host.address, host.user) for host in hosts] == [
        ("web1", "198.18.0.11", "root"),
        ("web2", "fd00::1", "root"),
    ]
    assert load_playbook(tmp_path / "nginx.yml").source.repo == str(repo)


def test_the_sample_repository_has_debians_layout_and_one_commit(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    sample.make_repo(repo)
    assert sample.git(repo, "rev-list", "--count", "main") == "1"
    assert sample.git(repo, "status", "--porcelain") == ""
    assert (repo / "sites-enabled/default").readlink() == Path("/etc/nginx/sites-available/default")
    assert "include /etc/nginx/sites-enabled/*;" in (repo / "nginx.conf").read_text()
    (repo / "sites-available/shop.example.com").write_text(sample.shop("shop 2", status=503))
    commit = sample.commit(repo, "Version 2")
    assert commit == sample.git(repo, "rev-parse", "main")


def test_the_directory_of_a_lab_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert default_directory("mine") == Path("/x/deployer/lab/mine")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert default_directory() == Path("/h/.local/state/deployer/lab/lab")


def test_a_process_is_killed_only_when_it_is_still_the_same() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        process = Process.of(child.pid)
        assert process is not None
        assert not is_stopped(child.pid)
        stranger = Process(child.pid, process.started - 1)
        assert not stranger.alive
        assert stranger.kill()
        assert child.poll() is None
        assert process.kill(timeout_s=5)
        assert not process.alive
    finally:
        child.kill()
        child.wait()
    assert start_time(child.pid) is None
    assert Process.of(os.getpid()) is not None


def test_the_registry_is_held_by_one_at_a_time_and_goes_when_nothing_is_in_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from deployer.lab import state\n"
        "state.RUNTIME = Path(sys.argv[1]) / 'labs'\n"
        "for _ in range(200):\n"
        "    with state.registry():\n"
        "        alone = Path(sys.argv[1]) / 'alone'\n"
        "        alone.touch(exist_ok=False); alone.unlink()\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path)]
    many = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for each in many:
        _, said = each.communicate(timeout=60)
        assert each.returncode == 0, said
    assert list(tmp_path.iterdir()) == []
