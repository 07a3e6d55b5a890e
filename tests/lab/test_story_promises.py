"""What goes wrong only once it is live is found by the rehearsal's own questions, and blames no bystander."""

from __future__ import annotations

import json

import pytest

from deployer.lab.fleet import Lab
from tests.lab.conftest import anew
from tests.lab.story import SHOP, Story, get

pytestmark = pytest.mark.lab

# The front hands /api/ on to a listener of nginx itself: nobody answers there in a rehearsal.
FRONT = """\
server { listen 80; listen [::]:80; server_name shop.example.com;
  location / { return 200 "%(text)s\\n"; }
  location /api/ { proxy_pass http://127.0.0.1:%(port)d; }
}
server { listen 127.0.0.1:%(port)d;
  location = / { return 200 "inner\\n"; }
  location / { %(inner)s }
}
"""
WELL = 'return 200 "api\\n";'


def front(text: str, port: int, inner: str = WELL) -> str:
    return FRONT % {"text": text, "port": port, "inner": inner}


@pytest.fixture(scope="module")
def story(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One host that serves the shop; what is done to it afterwards was taken back, or is as good."""
    story = anew(lab, tmp_path_factory.mktemp("promises"))
    story.playbook(checks=[])
    story.commit({SHOP: front("shop 1", 8081)})
    story.deploy("--limit", "web1")
    return story


def test_a_route_that_only_fails_live_is_found_named_and_taken_back(story: Story) -> None:
    story.playbook(checks=[], rehearse={"answers": "first_wave"})
    story.commit({SHOP: front("shop 2", 8085, "proxy_pass http://127.0.0.1:8099;")})
    failed = story.deploy("--limit", "web1", expect=4)
    assert failed.outcome == "rolled_back"
    said = "once live it answers worse than expected: shop.example.com/api/"
    assert said in failed.reason, failed
    assert "200 before (no rehearsal reaches it), 502 now" in failed.reason, failed
    story.assert_serving("shop 1", story.lab.hosts[:1])
    assert get(story.lab.hosts[0], path="/api/x") == (200, "api\n")
    # It went away with the rollback, so it is the release's own, and `show` knows all that.
    assert failed.ran.document["quarantined"]
    (compared,) = failed.ran.document["compared"].values()
    routes = {row["route"]: (row["expected"], row["now"]) for row in compared["after"]["worse"]}
    assert routes["shop.example.com/api/"] == ("200", "502"), compared
    shown = story.run("show", failed.ran.document["id"])
    assert "served it: once live it answers worse than expected" in " ".join(shown.out.split()), shown
    events = json.loads(story.run("show", failed.ran.document["id"], "--format", "json").out)["events"]
    (verify,) = [e["detail"] for e in events if e["step"] == "verify" and e["state"] == "failed"]
    assert verify["promised"]["worse"], verify


def test_an_upstream_that_begins_to_flap_takes_no_good_release_back(story: Story) -> None:
    # It is not asked itself, so the rehearsal, whose questions live's upstream answers, sees nothing of it.
    story.playbook(checks=[], rehearse={"answers": "first_wave"}, compare={"exclude": ["_:8081"]})
    flaps = f"if ($luck) {{ return 502; }} {WELL}"
    luck = 'split_clients $request_id $luck { 40% 502; * ""; }\n'
    story.commit({SHOP: luck + front("shop 2", 8081, flaps)})
    done = story.deploy("--limit", "web1")
    story.assert_serving("shop 2", story.lab.hosts[:1])
    (compared,) = done.ran.document["compared"].values()
    assert compared["after"]["asked"] > 3
    assert compared["after"]["worse"] == []
