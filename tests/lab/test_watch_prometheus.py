"""A real Prometheus scrapes a real watch, and its alerts fire for what happens to real hosts."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.story import Story, wait_for
from tests.lab.watching import Watching, watching
from tests.unit.watch.test_rules import RULES

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)"
    ),
]


class Prometheus:
    """A server with the project's rules, which do not wait before they fire."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, **query: str) -> Any:
        """One answer of its API; ``None`` while there is none."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    def firing(self) -> set[tuple[str, str]]:
        """Alerts that fire, with their hosts."""
        found = (self.ask("alerts") or {}).get("alerts", [])
        return {
            (a["labels"]["alertname"], a["labels"].get("host", "")) for a in found if a["state"] == "firing"
        }


def free_port() -> int:
    import socket

    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


@contextmanager
def prometheus(directory: Path, watch: Watching) -> Iterator[Prometheus]:
    rules = yaml.safe_load(RULES.read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
    rules["groups"][0]["interval"] = "1s"
    (directory / "rules.yml").write_text(yaml.safe_dump(rules))
    job = {"job_name": "deployer", "static_configs": [{"targets": [f"127.0.0.1:{watch.port}"]}]}
    settings = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": settings, "scrape_configs": [job], "rule_files": ["rules.yml"]}
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    made = Prometheus(free_port())
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{made.port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=(directory / "prometheus.log").open("w"),
    )
    try:
        yield made
    finally:
        process.terminate()
        process.wait(20)


def test_alerts_fire_for_what_happens_to_hosts_and_end_with_it(story: Story, tmp_path: Path) -> None:
    story.deploy()
    web1, web2, web3 = story.lab.hosts
    inventory = story.project / "inventories/lab.yml"
    whole = inventory.read_text()
    with watching(story) as watch:
        watch.until_all_up()
        with prometheus(tmp_path, watch) as server:

            def stored() -> bool:
                return bool((server.ask("query", query="sum(deployer_host_up)") or {}).get("result"))

            wait_for(stored, f"nothing is stored: {tmp_path / 'prometheus.log'}")
            wait_for(lambda: server.firing() == set(), f"a healthy fleet has alerts: {server.firing()}")
            web1.stop_nginx()
            web2.write("/etc/nginx/conf.d/by-hand.conf", "nonsense;\n")
            inventory.write_text(whole.replace(web3.address, f"{web3.address}, ansible_port: 9"))
            watch.reread()  # nobody listens there
            expected = {
                ("DeployerNginxDown", "web1"),
                ("DeployerChecksFail", "web1"),
                ("DeployerDrift", "web2"),
                ("DeployerWouldNotStart", "web2"),
                ("DeployerUnreachable", "web3"),
            }
            wait_for(lambda: server.firing() >= expected, f"fires: {server.firing()}, {watch.lines}", 90.0)
            assert server.firing() == expected
            web1.start_nginx()
            web2.run(["rm", "/etc/nginx/conf.d/by-hand.conf"])
            inventory.write_text(whole)
            watch.reread()
            wait_for(lambda: server.firing() == set(), f"still fires: {server.firing()}", 90.0)
            assert watch.stop() == 0
            wait_for(lambda: ("DeployerWatchAbsent", "") in server.firing(), "nobody misses the watch", 60.0)
