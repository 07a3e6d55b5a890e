"""The update of 12 June, under load: refused while nothing has changed, so nobody meets it."""

from __future__ import annotations

import pytest

from deployer.lab import outage
from deployer.lab.load import Load
from tests.lab.story import Story

pytestmark = pytest.mark.lab

VARIANTS = ("return-503", "server-name")
"""One that answers an error and one that answers another page; all are in tests/benchmarks/outage.py."""


def test_the_outage_does_not_take_place(story: Story) -> None:
    story.playbook(lint={"fail_on": "error"}, rehearse={"answers": "first_wave"})  # as they are by default
    with Load([host.address for host in story.lab.hosts], rate=60, expect="shop") as load:
        outage.sound(story.lab.repo, "shop 2")
        story.commit({}, "A good update")
        story.deploy()
        control = load.phase()
        assert (control.failed, control.total > 60) == (0, True), control.by_status
        for name in VARIANTS:
            outage.sound(story.lab.repo, "shop 2")
            outage.variant(name).edit(story.lab.repo)
            story.commit({}, "Scheduled update of 12 June")
            story.deploy(expect=3)
            met = load.phase()
            assert met.failed == 0, (name, met.by_status)
    story.assert_serving("shop 2")
