"""What a control group leaves, as the kernel writes it in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.lab.memory import free_mb, left_mb

MB = 1 << 20


@pytest.mark.parametrize(
    ("limit", "used"),
    [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")],
)
def test_what_is_left_of_a_limit(tmp_path: Path, limit: str, used: str) -> None:
    assert left_mb(tmp_path) is None
    (tmp_path / limit).write_text(f"{300 * MB}\n")
    (tmp_path / used).write_text(f"{250 * MB}\n")
    assert left_mb(tmp_path) == 50
    (tmp_path / "memory.stat").write_text(f"anon {MB}\nactive_file {20 * MB}\ninactive_file {10 * MB}\n")
    assert left_mb(tmp_path) == 80, "pages of files are given back"
    (tmp_path / used).write_text(f"{400 * MB}\n")
    assert left_mb(tmp_path) == 0
    (tmp_path / limit).write_text("max\n")
    assert left_mb(tmp_path) is None


def test_this_machine_says_what_is_free() -> None:
    free = free_mb()
    assert free is None or free > 0
