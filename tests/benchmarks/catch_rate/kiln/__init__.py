"""The third base: Kiln, who sell pots. One machine, conf.d and shared snippets, PHP; and changes of it.

Written, as its changes were, without a look at the rules that are to catch them.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.catch_rate.case import Base, Certificates
from tests.benchmarks.catch_rate.kiln import (
    bad_behind,
    bad_doors,
    bad_files,
    bad_limits,
    bad_plain,
    bad_scripts,
    good_growth,
    good_settings,
    good_shape,
    good_tuning,
)
from tests.benchmarks.catch_rate.kiln.users import ASKS

PLAYBOOK = """\
compare:
  as:
    - name: staff
      headers: {Authorization: "Basic ${KILN_STAFF}"}
      only: [studio.kiln.example/*, kiln.example/admin/*]
"""
"""An account of the staff's for probes."""

_SITES = ("", "www.", "api.", "media.", "studio.", "classic.")
_NAMES = tuple(f"{site}kiln.example" for site in _SITES)


def _furnish(root: Path) -> None:
    (root / "srv/kiln/public/.env").write_text("SECRET=glaze\n")


KILN = Base(
    name="kiln",
    directory=Path(__file__).parent,
    asks=ASKS,
    bad=(
        *bad_plain.CASES,
        *bad_scripts.CASES,
        *bad_files.CASES,
        *bad_behind.CASES,
        *bad_limits.CASES,
        *bad_doors.CASES,
    ),
    good=(*good_growth.CASES, *good_shape.CASES, *good_settings.CASES, *good_tuning.CASES),
    programs=("tests.benchmarks.catch_rate.app", "tests.benchmarks.catch_rate.kiln.app"),
    ready="/run/kiln/ready",
    certificates=Certificates(
        "/etc/ssl/kiln",
        issued={
            "kiln": (_NAMES, 70),
            "kiln-next": ((*_NAMES, "learn.kiln.example"), 420),
            "kiln-2021": (_NAMES, -90),
            "apex": (("kiln.example", "www.kiln.example"), 90),
            "star": (("*.kiln.example",), 90),
            "potters": (("*.potters.kiln.example",), 70),
            "learn": (("learn.kiln.example",), 90),
        },
        strangers={"snakeoil": (_NAMES, 3000)},
    ),
    distribution=("mime.types", "fastcgi_params"),
    private="htpasswd/*",
    caches=("nginx", "kiln-stock", "kiln-thumbs"),
    playbook=PLAYBOOK,
    secrets={"KILN_STAFF": "bWlyYTp0ZXJyYWNvdHRh"},
    furnish=_furnish,
)
