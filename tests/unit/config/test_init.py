"""``deployer init`` writes samples that load, and never over something."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config.init import SAMPLES, sample, write_samples
from deployer.config.inventory import find_inventory, load_inventory
from deployer.config.playbook import find_playbook, load_playbook
from deployer.errors import UsageError

REPO = Path(__file__).parents[3]


def test_what_is_written_loads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = write_samples(tmp_path / "new" / "project")
    project = tmp_path / "new" / "project"
    assert written == [project / "inventories/production.yml", project / "playbooks/nginx.yml"]
    inventory = load_inventory(find_inventory(project, "production"))
    assert [h.name for h in inventory.limit("web:&north").hosts] == [
        f"web0{n}.example.com" for n in (1, 2, 3)
    ]
    web5 = next(h for h in inventory.hosts if h.name.startswith("web05"))
    assert (web5.address, web5.port, web5.vars["worker_connections"]) == ("192.0.2.15", 2222, 4096)
    assert web5.vars["upstream"] == "app.internal.example.com"
    playbook = load_playbook(find_playbook(project, None))
    assert [c.from_.value for c in playbook.checks] == ["host", "host", "controller", "command"]
    assert not caplog.messages


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    existing = tmp_path / "playbooks" / "nginx.yml"
    existing.parent.mkdir()
    existing.write_text("mine")
    with pytest.raises(UsageError, match=f"{existing} exists already"):
        write_samples(tmp_path)
    assert existing.read_text() == "mine"
    assert not (tmp_path / "inventories").exists()
    existing.unlink()
    existing.symlink_to("/nowhere")
    with pytest.raises(UsageError, match="exists already"):
        write_samples(tmp_path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "inventories").write_text("a file")
    with pytest.raises(UsageError, match="cannot be written"):
        write_samples(tmp_path)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_repository_shows_the_same_samples(name: str) -> None:
    assert (REPO / SAMPLES[name]).read_text() == sample(name)


def test_the_sample_playbook_says_the_defaults(tmp_path: Path) -> None:
    """Where the comment says "default", leaving the key out changes nothing."""
    from deployer.config.playbook import Playbook

    (tmp_path / "least.yml").write_text("source: {repo: x}\n")
    least = load_playbook(tmp_path / "least.yml")
    full: Playbook = load_playbook(REPO / "playbooks/nginx.yml")
    for owner, key in (
        *(("source", k) for k in ("ref", "path", "render")),
        *(("target", k) for k in ("directory", "state", "keep", "become")),
        *(("health", k) for k in ("deadline_s", "interval_s", "consecutive", "bake_s")),
        *(
            ("rollout", k)
            for k in ("waves", "parallel", "max_failures", "on_failure", "confirm_within_s", "wave_within_s")
        ),
    ):
        assert getattr(getattr(full, owner), key) == getattr(getattr(least, owner), key), key
    assert (full.validate, full.reload) == (least.validate, least.reload)
