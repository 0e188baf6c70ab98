"""The CPU that the app adds to a login: ``python -m benchmarks.login_cpu``.

Two processes serve logins to themselves, one without and one with the app, in turns. Convai is
down; with ``--well`` it answers at once, and each login has its token. With ``--before`` two more
sites run from another checkout, so that what two versions add is compared in one run.

CPU time, unlike throughput, is moved less by what else the machine does. What valgrind counts with
``--instructions`` is moved by nothing, and takes minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convai_sandbox.process import Sandbox
from lms_site.environment import BASE_DIR

from .databases import Database
from .environment import environment_for
from .load import logins
from .load.client import LOGINS
from .load.sites import seed
from .load.worker import Worker

CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
COUNTED = (40, 120)  # logins of two runs: what starting takes is in both


@dataclass(frozen=True)
class Site:
    """One of those that are compared: with or without the app, of this checkout or another."""

    name: str
    folder: Path
    plain: bool

    @contextmanager
    def environment(self, database: str, *, well: bool) -> Iterator[dict[str, str]]:
        """Give the environment of a site that has a database of its own, with learners in it."""
        with ExitStack() as stack:
            # Down is a first answer after which nobody is asked again while this lasts: how many
            # ask again hangs on the time, which isn't what is measured.
            down: dict[str, Any] = {} if well else {"faults": {"429": 1}, "retry_after": "3600"}
            convai = stack.enter_context(Sandbox(**down)).url
            environment = environment_for(stack.enter_context(Database(database)).url, convai)
            environment |= {"DJANGO_ALLOWED_HOSTS": "testserver", "DJANGO_LOG_LEVEL": "CRITICAL"}
            environment |= {"PYTHONPATH": str(self.folder), "PYTHONHASHSEED": "0"}
            environment |= {"LOAD_PLAIN": "1"} if self.plain else {}
            seed(environment, {"users": logins.USERS, "logins": {}}, self.folder)
            yield environment


def microseconds(sites: list[Site], options: argparse.Namespace) -> dict[Site, list[float]]:
    """Return the CPU time of one login, for each turn."""
    with ExitStack() as stack:
        workers = {}
        for site in sites:
            told = stack.enter_context(site.environment(options.database, well=options.well))
            command = (logins.__file__, LOGINS[options.kind])
            worker = Worker(*command, environment=told, folder=site.folder)
            workers[site] = stack.enter_context(worker)
            workers[site].ask(str(options.logins))  # imports, caches, an open breaker
        turns: dict[Site, list[float]] = {site: [] for site in sites}
        for _ in range(options.turns):
            for site in sites:
                turns[site].append(float(workers[site].ask(str(options.logins))))
        return turns


def instructions(sites: list[Site], options: argparse.Namespace) -> dict[Site, list[float]]:
    """Return the instructions of one login, in thousands."""

    def count(site: Site, number: int) -> int:
        with site.environment(options.database, well=options.well) as environment:
            done = subprocess.run(
                [*CALLGRIND, sys.executable, logins.__file__, LOGINS[options.kind]],
                input=f"{number}\n",
                env=environment,
                cwd=site.folder,
                capture_output=True,
                text=True,
                check=True,
            )
        (counted,) = re.findall(r"Collected : (\d+)", done.stderr)
        return int(counted)

    few, many = COUNTED
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {site: [pool.submit(count, site, number) for number in COUNTED] for site in sites}
        return {
            site: [(more.result() - less.result()) / (many - few) / 1000]
            for site, (less, more) in runs.items()
        }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.login_cpu", description=__doc__)
    parser.add_argument("--database", default="postgres://root@127.0.0.1:5432/postgres")
    parser.add_argument("--logins", type=int, default=100, help="of one turn")
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--kind", choices=LOGINS, default="login", help="by bearer, or by cookie")
    parser.add_argument("--well", action="store_true", help="Convai answers at once")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="an older version's")
    parser.add_argument("--instructions", action="store_true", help="count them, with valgrind")
    options = parser.parse_args()
    folders = {"": BASE_DIR} | ({" before": options.before.resolve()} if options.before else {})
    sites = [
        Site(f"{'without' if plain else 'with'} the app{when}", folder, plain)
        for when, folder in folders.items()
        for plain in (True, False)
    ]
    measured = (instructions if options.instructions else microseconds)(sites, options)
    unit = "thousand instructions" if options.instructions else "µs of CPU"
    print(f"One login, in {unit}:")
    for site in sites:
        print(f"{site.name}: {statistics.median(measured[site]):,.0f}")
    for when, plain, full in zip(folders, sites[::2], sites[1::2], strict=True):
        pairs = list(zip(measured[plain], measured[full], strict=True))
        added = statistics.median(more - less for less, more in pairs)
        ratio = statistics.median(more / less for less, more in pairs)
        print(f"the app adds{when}: {added:,.0f} (x {ratio:.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
