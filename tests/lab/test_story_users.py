"""The number that counts: requests that users lost."""

from __future__ import annotations

import pytest

from deployer.lab.load import Load
from tests.lab.story import Story

pytestmark = pytest.mark.lab


def test_users_lose_nothing_by_good_deployments_and_rollbacks(story: Story) -> None:
    with Load([host.address for host in story.lab.hosts], rate=60) as load:
        story.shop("shop 2")
        story.deploy()
        first = load.phase()
        assert (first.failed, set(first.by_status)) == (0, {"200"}), first.failures[:5]
        story.shop("shop 3")
        story.deploy()
        story.rollback()
        rest = load.phase()
        assert (rest.failed, set(rest.by_status)) == (0, {"200"}), rest.failures[:5]
        assert first.total > 60
        assert rest.total > 60
        story.commit({"conf.d/broken.conf": "nonsense;\n"})
        story.deploy(expect=3)
        assert load.phase().failed == 0


@pytest.mark.deployed
def test_an_outage_is_one_hosts_and_seconds(story: Story) -> None:
    with Load([host.address for host in story.lab.hosts], rate=60) as load:
        story.shop("out of order", 503)
        story.deploy(expect=4)
        report = load.stop()
    assert {failure.address for failure in report.failures} <= {story.lab.host("web1").address}
    assert report.by_status["200"] > report.total * 0.6, report
    if report.first_failure is not None and report.last_failure is not None:
        assert report.last_failure - report.first_failure < 15
    story.assert_serving("shop 1")
