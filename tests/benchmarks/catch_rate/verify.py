"""``python -m tests.benchmarks.catch_rate.verify [--base NAME] [--only GLOB]``, as root: the proof.

On a real nginx, without the deployer: every change passes ``nginx -t``; a bad one shows its symptom once it
is loaded as everybody loads it (``nginx -s reload``); a good one brings what it brings and breaks nothing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from deployer.errors import DeployerError
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from tests.benchmarks.catch_rate.asking import Ask, Client
from tests.benchmarks.catch_rate.bases import BASES
from tests.benchmarks.catch_rate.case import Bad, Base, Case, Good, apply, chosen, write_base
from tests.benchmarks.catch_rate.place import load, place, write_certificates, write_tree


class Bench:
    """A host of the base on which changes are tried."""

    def __init__(self, host: LabHost, base: Base, directory: Path, authority: Path) -> None:
        self.host, self.base, self._directory = host, base, directory
        self.client = Client(host.address, authority, host.address6)
        self.tree = directory / "base"

    def check(self, case: Case) -> list[str]:
        """What is not as the catalogue says; the host has the base again after it."""
        tree = self._directory / f"case-{self.host.name}"
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(self.tree, tree, symlinks=True)
        apply(tree, case.edits, self.base)
        write_tree(self.host, self.base, tree)
        try:
            tested = self.host.nginx("-t", check=False)
            if tested.returncode:
                return [f"nginx -t refuses it: {tested.stderr.strip()[:300]}"]
            said = load(self.host)
            return self._bad(case, said) if isinstance(case, Bad) else self._good(case, said)
        finally:
            self._to_base()

    def _bad(self, case: Bad, said: str) -> list[str]:
        problems = []
        if case.symptom and not self.wrong(case.symptom):
            problems.append("shows no symptom")
        if case.never and not said:
            problems.append("is not refused by the running nginx")
        if case.never and len(self.wrong(case.never)) < len(case.never):
            problems.append("brings what it should never bring")
        if case.after_restart:
            self.host.stop_nginx()
            self.host.nginx(check=False)
            if not self.wrong(case.after_restart):
                problems.append("shows no symptom after a restart")
        if not (case.symptom or case.never or case.after_restart):
            problems.append("says nothing of what users see")
        return problems

    def _good(self, case: Good, said: str) -> list[str]:
        problems = [f"the running nginx refuses it: {said}"] if said else []
        kept = [ask for ask in self.base.asks.values() if ask.name not in case.ends]
        ended = [self.base.asks[name] for name in case.ends]
        problems += [f"{name}: {why}" for name, why in self.wrong([*kept, *case.brings]).items()]
        still = set(case.ends) - set(self.wrong(ended))
        return problems + [f"ends {name}, which is answered as before" for name in sorted(still)]

    def wrong(self, asks: Iterable[Ask]) -> dict[str, str]:
        """What users are not content with, by ask."""
        return {ask.name: why for ask in asks if (why := self.client.wrong(ask))}

    def _to_base(self) -> None:
        self.host.stop_nginx()
        for cache in self.base.caches:
            shutil.rmtree(self.host.path("/var/cache") / cache, ignore_errors=True)
        write_tree(self.host, self.base, self.tree)
        self.host.start_nginx()


def asks_of_the_base(base: Base, cases: Sequence[Case]) -> dict[str, Ask]:
    """Everything that the base has to answer well."""
    found = dict(base.asks)
    for case in cases:
        if isinstance(case, Bad):
            found |= {ask.name: ask for ask in (*case.symptom, *case.after_restart)}
    return found


def verify(base: Base, cases: Sequence[Case], hosts: int = 2) -> dict[str, list[str]]:
    """Try them all. What is not as it should be, by name; the base itself is called ``base``."""
    with tempfile.TemporaryDirectory(prefix="catch-rate-") as name:
        directory = Path(name)
        authority = write_certificates(directory / "certificates", base.certificates)
        write_base(directory / "base", base)
        with Lab.up(directory / "lab", hosts=hosts) as lab:
            for host in lab.hosts:
                place(host, base, directory / "certificates", directory / "base")
            benches = [Bench(host, base, directory, authority) for host in lab.hosts]
            amiss = benches[0].wrong(asks_of_the_base(base, cases).values())
            if amiss:
                return {"base": [f"{ask}: {why}" for ask, why in amiss.items()]}
            free: SimpleQueue[Bench] = SimpleQueue()
            for bench in benches:
                free.put(bench)

            def one(case: Case) -> list[str]:
                bench = free.get()
                try:
                    return bench.check(case)
                except (DeployerError, RuntimeError, ValueError) as error:
                    return [str(error)]
                finally:
                    free.put(bench)

            with ThreadPoolExecutor(len(benches)) as pool:
                found = dict(zip([c.name for c in cases], pool.map(one, cases), strict=True))
    return {name: problems for name, problems in found.items() if problems}


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is not as it should be; 1 when something is."""
    parser = argparse.ArgumentParser(description="Prove the catalogue on a real nginx.")
    parser.add_argument("--base", choices=tuple(BASES), help="only this one's (default: all)")
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help="of names or families")
    parser.add_argument("--hosts", type=int, default=2)
    options = parser.parse_args(argv)
    amiss = 0
    for base in BASES.values():
        cases = chosen(base.cases, options.only)
        if not cases or options.base not in (None, base.name):
            continue
        problems = verify(base, cases, options.hosts)
        for name, found in problems.items():
            print(f"{name}:", *found, sep="\n    ")
        print(f"{base.name}: {len(cases)} changes, {len(problems)} not as the catalogue says")
        amiss += len(problems)
    return 1 if amiss else 0


if __name__ == "__main__":
    sys.exit(main())
