"""The second base: the edge of Quay, who tracks freight. A gateway's house style, and changes of it.

Written, as its changes were, without a look at the rules that are to catch them.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from tests.benchmarks.catch_rate.case import Base, Certificates
from tests.benchmarks.catch_rate.quay import (
    bad_delivery,
    bad_doors,
    bad_routes,
    bad_services,
    good_growth,
    good_settings,
    good_work,
)
from tests.benchmarks.catch_rate.quay.users import ASKS

PLAYBOOK = """\
compare:
  as:
    - name: customer
      headers: {Authorization: "Bearer ${QUAY_PROBE}"}
      only: [api.quay.example/*, files.quay.example/*]
    - name: customer on v2
      headers: {Authorization: "Bearer ${QUAY_PROBE}", X-Api-Version: "2"}
      only: [api.quay.example/*]
    - name: tester
      headers: {Authorization: "Bearer ${QUAY_PROBE}", X-Api-Version: "2", X-Canary: always}
      only: [api.quay.example/*]
"""
"""An ordinary account for probes, as each kind of client that the API's documentation knows."""


def _furnish(root: Path) -> None:
    for plain in (root / "srv/www/console/assets").glob("*.js"):
        plain.with_name(plain.name + ".gz").write_bytes(gzip.compress(plain.read_bytes(), mtime=0))


QUAY = Base(
    name="quay",
    directory=Path(__file__).parent,
    asks=ASKS,
    bad=(*bad_routes.CASES, *bad_services.CASES, *bad_doors.CASES, *bad_delivery.CASES),
    good=(*good_growth.CASES, *good_work.CASES, *good_settings.CASES),
    programs=("tests.benchmarks.catch_rate.app", "tests.benchmarks.catch_rate.quay.app"),
    ready="/run/quay/ready",
    certificates=Certificates(
        "/etc/ssl/quay",
        issued={
            "star": (("*.quay.example", "quay.example"), 80),
            "star-app": (("*.app.quay.example",), 80),
            "star-2027": (("*.quay.example", "quay.example"), 380),
            "star-2022": (("*.quay.example", "quay.example"), -100),
            "northsea": (("track.northsea.example",), 90),
        },
        strangers={"dev": (("*.quay.example", "quay.example"), 800)},
    ),
    distribution=("mime.types", "uwsgi_params", "proxy_params"),
    caches=("nginx",),
    playbook=PLAYBOOK,
    secrets={"QUAY_PROBE": "deckhand"},
    furnish=_furnish,
)
