"""Limits of requests beside those that live had."""

from __future__ import annotations

import pytest

from deployer.comparison.reading.predictions import predictions

from .configured import at, foresight

PASSED = "proxy_pass http://10.0.0.1;"
SITE = "server { listen 80; server_name shop.example.com; %s }"


@pytest.mark.parametrize(
    ("path", "live", "candidate", "said"),
    [
        ("/login", "30r/s burst=60", "3r/m", "refuses the second request"),
        ("/login", "30r/s burst=60", "3r/m burst=2", "3 a minute in, 30 a second before"),
        ("/login", "30r/s burst=60", "1r/s burst=5", None),
        ("/login", "5r/m burst=2", "4r/m burst=2", "4 a minute"),
        ("/login", "5r/m burst=2", "4r/m burst=5", None),
        ("/login", "", "3r/m", "refuses the second request"),
        ("/login", "", "5r/m burst=2", None),
        ("/api/", "200r/s burst=100", "20r/s burst=10", "20 a second in, 200 a second before"),
        ("/api/", "200r/s burst=100", "50r/s burst=10", None),
        ("/api/", "", "2r/s burst=10", None),
        ("/api/", "", "20r/s", None),
        ("/api/", "2r/s burst=10", "2r/s burst=20", None),
    ],
)
def test_a_limit_beside_the_one_of_live(path: str, live: str, candidate: str, said: str | None) -> None:
    def limited(zone: str, text: str) -> str:
        rate, _, burst = text.partition(" ")
        here = f"limit_req zone={zone} {burst};" if text else ""
        made = f"limit_req_zone $binary_remote_addr zone={zone}:1m rate={rate};" if text else ""
        return made + SITE % f"location {path} {{ {PASSED} {here} }}"

    seen = foresight(limited("old", live), limited("new", candidate))
    found = [reason for _, reason in predictions(seen, [at(path)])]
    assert (not found) if said is None else any(said in reason for reason in found), found


WHOLE = "location / { limit_req zone=each burst=50; proxy_pass http://10.0.0.1; }"


@pytest.mark.parametrize(
    ("rate", "where", "said"),
    [
        ("20r/s", "= /search", None),  # a part of the site has a limit of its own
        ("30r/m", "= /search", "second request"),
        ("20r/s", "/", "lets 20 a second in"),
    ],
)
def test_a_new_place_may_have_a_stricter_limit(rate: str, where: str, said: str | None) -> None:
    zones = (
        "limit_req_zone $binary_remote_addr zone=each:1m rate=200r/s;"
        f" limit_req_zone $binary_remote_addr zone=own:1m rate={rate};"
    )
    own = WHOLE.replace("location /", f"location {where}").replace("zone=each burst=50", "zone=own burst=4")
    site = zones + SITE
    seen = foresight(site % WHOLE, site % (own if where == "/" else WHOLE + own))
    found = [reason for _, reason in predictions(seen, [at("/search")]) if "limit_req own" in reason]
    assert (not found) if said is None else said in found[0]
