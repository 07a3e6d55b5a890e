"""``python -m tests.benchmarks.catch_rate.mutation --base NAME --seed N``, as root: slips by chance.

A mutant that ``nginx -t`` refuses is caught by anybody, one that no user of the base notices is no harm: both
are counted and left. The others are deployed as the catalogue's changes are. Another seed gives a sample that
nobody has seen.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from queue import SimpleQueue

from deployer.errors import DeployerError
from deployer.lab.fleet import Lab
from tests.benchmarks.catch_rate.asking import Ask
from tests.benchmarks.catch_rate.bases import BASES
from tests.benchmarks.catch_rate.case import Bad, Base, apply, write_base
from tests.benchmarks.catch_rate.measuring import measure
from tests.benchmarks.catch_rate.mutants import Mutant, mutants
from tests.benchmarks.catch_rate.place import load, place, write_certificates, write_tree
from tests.benchmarks.catch_rate.verdict import Net, Verdict, report
from tests.benchmarks.catch_rate.verify import Bench, asks_of_the_base

REFUSED, HARMLESS = "refused by nginx -t", "noticed by nobody"
_ENOUGH = 3  #: users who notice; the others are not asked
_REDIRECTS = frozenset((301, 302, 307, 308))
NOT_LOADED = "the running nginx refuses it, and stays as it was"


class Trial(Bench):
    """A host on which mutants are loaded."""

    def harm(self, case: Bad, asks: Sequence[Ask]) -> str | dict[str, str]:
        """What users notice, by ask; or why it is not worth a deployment."""
        tree = self._directory / f"mutant-{self.host.name}"
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(self.tree, tree, symlinks=True)
        apply(tree, case.edits, self.base)
        write_tree(self.host, self.base, tree)
        try:
            if self.host.nginx("-t", check=False).returncode:
                return REFUSED
            if said := load(self.host):
                return {NOT_LOADED: said}
            found = ((ask.name, why) for ask in asks if (why := self._noticed(ask)))
            return dict(itertools.islice(found, _ENOUGH)) or HARMLESS
        finally:
            self._to_base()

    def _noticed(self, ask: Ask) -> str | None:
        """Why a user is not content. That a redirect to the same place is for ever, or not, nobody sees."""
        why = self.client.wrong(ask)
        if why is None or ask.status not in _REDIRECTS:
            return why
        others = (replace(ask, status=status) for status in _REDIRECTS - {ask.status})
        return None if any(self.client.wrong(other) is None for other in others) else why


def as_case(number: int, mutant: Mutant) -> Bad:
    """A mutant as a change of the catalogue."""
    name = f"{number:03}-{mutant.operator}".replace(" ", "-")
    return Bad(name=name, family=mutant.operator, story=mutant.story, edits={mutant.file: mutant.text})


def files_of(base: Base) -> dict[str, str]:
    """The files of a base that people write."""
    root = base.directory / "nginx"
    found = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in found.items() if not name.startswith("htpasswd/")}


def harms(base: Base, cases: Sequence[Bad], hosts: int) -> dict[str, str | dict[str, str]]:
    """Load each in a lab, without the deployer. What came of it, by name."""
    asks = list(asks_of_the_base(base, base.cases).values())
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        directory = Path(name)
        authority = write_certificates(directory / "certificates", base.certificates)
        write_base(directory / "base", base)
        with Lab.up(directory / "lab", hosts=hosts) as lab:
            free: SimpleQueue[Trial] = SimpleQueue()
            for host in lab.hosts:
                place(host, base, directory / "certificates", directory / "base")
                free.put(Trial(host, base, directory, authority))

            def one(case: Bad) -> str | dict[str, str]:
                trial = free.get()
                try:
                    return trial.harm(case, asks)
                except (DeployerError, RuntimeError, ValueError) as error:
                    return f"could not be tried: {error}"
                finally:
                    free.put(trial)

            # The first one's mutant is none: what the base itself is found wanting in is no harm of a mutant.
            first = one(Bad("base", "", "", {}))
            if first != HARMLESS:
                raise RuntimeError(f"the base itself: {first}")
            with ThreadPoolExecutor(len(lab.hosts)) as pool:
                return dict(zip([case.name for case in cases], pool.map(one, cases), strict=True))


def main(argv: Sequence[str] | None = None) -> int:
    """Mutate, try, deploy, print the report. 0 whatever was caught."""
    parser = argparse.ArgumentParser(
        description="Deploy slips that were made by chance; say what caught them."
    )
    parser.add_argument("--base", choices=tuple(BASES), required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100, metavar="N", help="mutants (default 100)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="hosts side by side (default 2)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="of the mutants, by name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every verdict there")
    options = parser.parse_args(argv)
    base = BASES[options.base]
    drawn = itertools.islice(mutants(files_of(base), options.seed), options.count)
    cases = [as_case(number, mutant) for number, mutant in enumerate(drawn)]
    cases = [case for case in cases if not options.only or case.name in options.only]
    began = time.monotonic()
    found = harms(base, cases, options.jobs)
    bad = [case for case in cases if isinstance(found[case.name], dict)]
    others = Counter(str(why) for why in found.values() if not isinstance(why, dict))
    print(
        f"{len(cases)} mutants in {time.monotonic() - began:.0f} s: {len(bad)} harm users;",
        dict(others),
        flush=True,
    )
    verdicts = measure(base, bad, options.jobs) if bad else []
    print(report(verdicts))
    for verdict in verdicts:
        if verdict.net in (Net.NONE, Net.CANARY):
            print(
                _missed(verdict, next(case for case in bad if case.name == verdict.name), found[verdict.name])
            )
    if options.json is not None:
        rows = [asdict(verdict) | {"harm": found[verdict.name]} for verdict in verdicts]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _missed(verdict: Verdict, case: Bad, harm: object) -> str:
    told = "".join(f"\n    told: {line}" for line in verdict.told)
    return f"{verdict.name} ({verdict.net}): {case.story}\n    users: {harm}{told}"


if __name__ == "__main__":
    sys.exit(main())
