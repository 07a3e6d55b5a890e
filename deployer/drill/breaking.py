"""What the scenarios are made of: grounds, faults and people, on real hosts and with the real program."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deployer.drill.scene import Scene
from deployer.errors import DeployerError
from deployer.lab import outage
from deployer.lab.proc import Process

SHOP = "sites-available/shop.example.com"
WITHIN_S = 120.0


def shop(text: str) -> Callable[[Path], None]:
    """An edit: the shop answers with this."""
    return lambda repo: outage.sound(repo, text)


def faulty(text: str, variant: str) -> Callable[[Path], None]:
    """An edit: the shop of that text, with a variant of the update of 12 June in it."""

    def edit(repo: Path) -> None:
        outage.sound(repo, text)
        outage.variant(variant).edit(repo)

    return edit


def two_good(scene: Scene) -> None:
    """Two good deployments; ``good`` is live."""
    scene.commit("first", "Shop 1 with a new heading", shop("shop 1, heading"))
    scene.deploy("first")
    scene.commit("good", "Shop 2", shop("shop 2"))
    scene.deploy("good")


def careless_update(scene: Scene, label: str, message: str, edit: Callable[[Path], None]) -> None:
    """A colleague deploys without any net."""
    scene.commit(label, message, edit)
    scene.deploy(label, careless=True)


def renewed(host_pids: Callable[[], list[int]], act: Callable[[], object]) -> None:
    """Act, and wait until nginx runs with other workers than before.

    :raises DeployerError: it does not, in time.
    """
    before = host_pids()
    act()
    _until(
        lambda: len(now := host_pids()) == len(before) and len(set(now) & set(before)) == 1, "nginx reloads"
    )


def reload(scene: Scene, name: str) -> None:
    """Reload nginx on a host by hand, and see that it did."""
    host = scene.host(name)
    renewed(host.nginx_pids, lambda: host.nginx("-s", "reload"))


def refused_reload(scene: Scene, name: str) -> None:
    """Reload nginx on a host by hand, and see that it refused."""
    host = scene.host(name)
    log = "/var/log/nginx/error.log"
    before = host.read(log).count("[emerg]")
    host.nginx("-s", "reload")
    _until(lambda: host.read(log).count("[emerg]") > before, "nginx refuses the reload")


def killed_deployment(scene: Scene) -> None:
    """A colleague deploys ``main`` in waves; after the first host was switched the program is killed."""
    env = {**scene.environment(), "DEPLOYER_PROJECT": str(scene.project_of_others)}
    book = scene.project_of_others / "playbooks/nginx.yml"
    text = book.read_text()
    book.write_text(text.replace("bake: 0s", "bake: 10m").replace("waves: [100%]", "waves: [1, 100%]"))
    errors = scene.directory / "killed.log"
    with errors.open("w") as out:
        process = subprocess.Popen(
            scene.program("deploy", "lab", "--yes"), env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=out, start_new_session=True,
        )  # fmt: skip
        try:
            _until(
                lambda: "web1: activated" in errors.read_text() or process.poll() is not None,
                "web1 is activated",
            )
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
    book.write_text(text)
    if "web1: activated" not in errors.read_text():
        raise DeployerError(f"the drill cannot be set up: {errors.read_text()[-400:]}")


def at_the_question(scene: Scene) -> None:
    """A colleague began to deploy, and left the question open."""
    argv = [sys.executable, "-P", "-m", "deployer.drill.colleague", str(scene.lab.directory)]
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _to_end(scene, child.pid)
    assert child.stdout is not None  # noqa: S101 - asked for with PIPE
    ready, _, _ = select.select([child.stdout], [], [], WITHIN_S)
    said = os.read(child.stdout.fileno(), 64).strip() if ready else b""
    if not said.isdigit():
        raise DeployerError("the drill cannot be set up: the colleague's deployment was not asked about")
    _to_end(scene, int(said))


def _to_end(scene: Scene, pid: int) -> None:
    if (process := Process.of(pid)) is not None:
        scene.to_end(process)


def _until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not done():
        if time.monotonic() > deadline:
            raise DeployerError(f"the drill cannot be set up: waited {WITHIN_S:.0f} s for: {what}")
        time.sleep(0.02)
