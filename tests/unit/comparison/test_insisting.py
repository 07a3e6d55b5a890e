"""What fails now and then, on two real nginx: refused where live proves it, else told with its counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.comparison import inquiry
from deployer.comparison.inquiry import Inquiry

from .twins import APPLICATION, POSSIBLE, inquire

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not POSSIBLE, reason="needs root, nginx and ip, for two network namespaces"),
]

APP = "upstream app { server 127.0.0.1:9001; }"
KEPT = APP.replace("; }", "; keepalive 8; } proxy_http_version 1.1; proxy_set_header Connection '';")
PLAIN = "server { listen 80; server_name shop.example.com; location / { %s proxy_pass http://app; } %s }"
BESIDE = "location /api/ { proxy_pass http://app; } location /big { proxy_pass http://app; }"
SPLIT = "split_clients $request_id $to { %s%% 127.0.0.1:9903; * 127.0.0.1:9001; }"
SHAKY = "split_clients $request_id $bad { 30% 1; * ''; }" + APPLICATION.replace(
    "server { listen 127.0.0.1:9001;", "server { listen 127.0.0.1:9001; if ($bad) { return 500; }"
)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiry, "AGAIN_S", 0.05)


def said(found: Inquiry) -> tuple[str, str]:
    comparison = found.comparison
    return " | ".join(map(str, comparison.worse)), " | ".join(map(str, comparison.changed))


def test_an_address_that_only_new_connections_need_is_found(tmp_path: Path) -> None:
    live = KEPT + PLAIN % ("", BESIDE)
    candidate = KEPT + PLAIN % ("proxy_bind 192.0.2.7;", BESIDE)
    found = inquire(tmp_path, live, candidate)
    assert "500" in said(found)[0], said(found)


def test_one_way_of_some_that_leads_nowhere_is_refused_with_its_counts(tmp_path: Path) -> None:
    live = APP + PLAIN % ("", "")
    candidate = SPLIT % 40 + (PLAIN % ("", "")).replace("http://app", "http://$to")
    found = inquire(tmp_path, live, candidate)
    worse, _ = said(found)
    assert "answered 502 in" in worse, said(found)
    assert ", live in 0 of" in worse
    assert any(d.sums is not None for d in found.comparison.worse)


def test_an_application_that_fails_both_now_and_then_is_nobodys_fault(tmp_path: Path) -> None:
    live = APP + PLAIN % ("", BESIDE)
    candidate = live.replace("location / {", "location / { proxy_connect_timeout 9s;")
    for number in range(8):  # by chance live alone may fail where it is asked: then there is nothing to tell
        worse, changed = said(inquire(tmp_path / str(number), live, candidate, application=SHAKY))
        assert not worse
        if "answered 500 in" in changed:
            return
    pytest.fail("it was never told")
