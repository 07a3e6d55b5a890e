"""Shares of the requests that go to somebody else."""

from __future__ import annotations

import pytest

from deployer.comparison.reading.predictions import predictions

from .configured import at, foresight

POOLS = """
upstream shop { server 10.0.0.1; } upstream shop_new { server 10.0.0.2; }
upstream reports { server unix:/run/reports.sock; }
server { listen 80; server_name staff.example.com; location /reports/ { proxy_pass http://reports; } }
"""
SITE = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://%s; } }"
SPLIT = "split_clients $request_id $pool { 10%% %s; * %s; } "


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        (("reports", "shop"), "10% of the requests go to unix:/run/reports.sock"),
        (("shop", "reports"), "the other requests go to unix:/run/reports.sock"),
        (("shop_new", "shop"), None),
        (("10.0.0.7", "shop"), None),  # nobody has it for anything: it is asked
        (("shop", "shop"), None),
    ],
)
def test_a_share_for_another_application(shares: tuple[str, str], said: str | None) -> None:
    insight = foresight(POOLS + SITE % "shop", SPLIT % shares + POOLS + SITE % "$pool")
    found = [reason for _, reason in predictions(insight, [at("/")])]
    assert found == [] if said is None else said in found[0]
    if said is not None:
        assert "asked for staff.example.com/reports/ until now" in found[0]


def test_a_share_of_something_else_says_nothing() -> None:
    told = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://shop; "
    trial = told + "proxy_set_header X-Trial $pool; } }"
    insight = foresight(POOLS + SITE % "shop", SPLIT % ("reports", "shop") + POOLS + trial)
    assert not list(predictions(insight, [at("/")]))
