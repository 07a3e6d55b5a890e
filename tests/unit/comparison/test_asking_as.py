"""Two real nginx with auth_request: what a candidate breaks behind a login, and for one version, is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.comparison import inquiry
from deployer.comparison.asker import MASK, Asker
from deployer.comparison.inquiry import Inquirer, Inquiry, Scope
from deployer.comparison.reality import Reality
from deployer.rollout.shown import document, table

from .twins import POSSIBLE, twins

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not POSSIBLE, reason="needs root, nginx and ip, for two network namespaces"),
]

SECRET = "open-sesame-1234"  # noqa: S105
APPLICATION = """
map $http_authorization $user { default ""; "Bearer open-sesame-1234" customer; }
server { listen 127.0.0.1:9001;
  location / { add_header X-User $user; if ($user = "") { return 401; } return 204; } }
server { listen 127.0.0.1:9002; default_type application/json;
  location /orders { if ($http_x_user = "") { return 500; } return 200 "one"; }
  location /old { return 302 /new?by=$http_authorization; }
  location / { return 404; } }
server { listen 127.0.0.1:9003; default_type application/json; location / { return 200 "two"; } }
"""
KNOWN = "auth_request /_auth; auth_request_set $who $upstream_http_x_user;"
LIVE = f"""
map $http_x_api_version $pool {{ default 9002; 2 9003; }}
server {{ listen 80; server_name api.example.com; proxy_set_header X-User $who;
  location = /_auth {{ internal; proxy_pass http://127.0.0.1:9001/check; proxy_pass_request_body off; }}
  location / {{ {KNOWN} proxy_pass http://127.0.0.1:$pool; }}
  location /orders {{ {KNOWN} proxy_pass http://127.0.0.1:$pool; }}
  location /old {{ {KNOWN} proxy_redirect off; proxy_pass http://127.0.0.1:$pool; }}
  location /open {{ return 200; }}
}}
server {{ listen 80; server_name www.example.com; location / {{ return 200 "$http_authorization"; }} }}
"""
EVERYWHERE = ("api.example.com/*",)
CUSTOMER = Asker("customer", (("Authorization", f"Bearer {SECRET}"),), EVERYWHERE, (SECRET,))
SECOND = Asker("customer on v2", (*CUSTOMER.headers, ("X-Api-Version", "2")), EVERYWHERE, (SECRET,))


def compared(tmp_path: Path, candidate: str, *askers: Asker, live: str = LIVE) -> Inquiry:
    with (
        pytest.MonkeyPatch.context() as patch,
        twins(tmp_path, live, candidate, application=APPLICATION) as (one, two),
    ):
        patch.setattr(inquiry, "AGAIN_S", 0.05)
        scope = Scope(askers=askers)
        found = Inquirer((one.sites, two.sites), (one, two), scope).run()
        assert SECRET not in repr(found) + str(document(found.comparison)) + "".join(table(found.comparison))
        if found.promise is not None:
            kept = Reality(found.promise, two).run()
            assert not kept.worse
            assert any(e.question.asker for e in found.promise.expected)
        return found


def worse(found: Inquiry) -> set[str]:
    return {str(d.question).partition(" at ")[0] for d in found.comparison.worse}


def test_what_breaks_behind_a_login_is_seen_by_whoever_may_come_in(tmp_path: Path) -> None:
    broken = LIVE.replace("auth_request_set $who $upstream_http_x_user;", "set $who '';")
    found = compared(tmp_path, broken, CUSTOMER, SECOND)
    assert "api.example.com/orders as customer" in worse(found)
    assert not any("on v2" in each for each in worse(found)), "the second version does not ask who it is"
    assert any("api.example.com/orders as customer" in line for line in table(found.comparison))
    assert {row["as"] for row in document(found.comparison)["worse"]} == {"customer"}


def test_one_version_alone_and_what_an_application_says_back(tmp_path: Path) -> None:
    broken = LIVE.replace("2 9003", "2 9004")
    broken = broken.replace("proxy_redirect off", "proxy_redirect ~^(.*)/new(.*)$ $1/newer$2")
    found = compared(tmp_path, broken, CUSTOMER, SECOND)
    assert any("as customer on v2" in each for each in worse(found))
    said = [d.new.location or "" for d in found.comparison.changed + found.comparison.worse if d.new]
    assert any(MASK in each for each in said), said


def test_a_door_that_opens_is_seen_by_anybody(tmp_path: Path) -> None:
    opened = LIVE.replace(f"location /orders {{ {KNOWN}", "location /orders { set $who anybody;")
    assert "api.example.com/orders" in worse(compared(tmp_path, opened, CUSTOMER))


def test_what_is_good_stays_good_and_who_is_not_let_in_is_told(tmp_path: Path) -> None:
    guest = Asker("guest", (("Authorization", "Bearer of nobody"),), EVERYWHERE, ("of nobody",))
    more = "location /open { return 200; }\n  location /more { return 200; }"
    moved = LIVE.replace("location /open { return 200; }", more)
    found = compared(tmp_path, moved, CUSTOMER, guest)
    assert not found.comparison.worse, worse(found)
    said = [note for note in found.notes if "accepted" in note]
    assert len(said) == 1
    assert said[0].startswith("the credentials of guest are not accepted by live: 401 at each of their ")
