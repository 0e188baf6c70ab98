"""Chaos: kill processes, take Convai away, pile up a backlog; then ask the sandbox's ledger.

    python -m benchmarks.chaos outage kill-logins backlog --database postgres://root@127.0.0.1/postgres
    python -m benchmarks.chaos --database mysql://root@127.0.0.1:3306/mysql --small

Without names all scenarios run, one after the other. ``--database`` is any database of a server
that may make others: the run has one of its own, under a random name, and drops it. Everything
else is made for the run too: a sandbox, the LMS site under gunicorn, sweep workers; all on
127.0.0.1, and each stopped by its process id. The exit status is 1 when a criterion isn't met.

``--small`` takes some seconds for each scenario, for continuous integration, and judges nothing
that a busy machine decides: neither throughput, nor memory, nor the first revocation's time.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command
from django.db import connections

from convai_sandbox.process import Sandbox

from ..databases import Database
from ..environment import environment_for
from .report import Report
from .sizes import SIZES
from .world import DAY, World


def parser() -> argparse.ArgumentParser:
    """Return the parser; each size of each scenario is an option."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SIZES))
    made.add_argument("--database", required=True, metavar="URL")
    made.add_argument("--small", action="store_true", help="some seconds for each scenario")
    made.add_argument("--seed", type=int, default=0, help="of the draws; 0: a random one")
    for name, (full, small) in SIZES.items():
        for size in fields(full):
            if size.name == "judge_speed":
                continue
            value = getattr(full, size.name)
            shown = f"{name}: {size.metadata['help']} ({value}; small: {getattr(small, size.name)})"
            option = "--" + size.name.replace("_", "-")
            made.add_argument(option, type=type(value), metavar="N", help=shown)
    return made


def chosen(options: argparse.Namespace, name: str) -> Any:
    """Return the sizes of a scenario as the options have them."""
    full, small = SIZES[name]
    sizes = small if options.small else full
    given = {size.name: getattr(options, size.name, None) for size in fields(sizes)}
    return replace(sizes, **{key: value for key, value in given.items() if value is not None})


def run(options: argparse.Namespace, names: list[str]) -> Report:
    """Run the scenarios; return what was found."""
    report = Report()
    seed = options.seed or secrets.randbits(31)
    with (
        tempfile.TemporaryDirectory(prefix="convai-chaos-") as directory,
        Database(options.database) as database,
        Sandbox(ttl=DAY, seed=seed, token_style="uuid") as sandbox,
    ):
        tickets = Path(directory, "tickets")
        tickets.mkdir()
        environment = environment_for(database.url, sandbox.url)
        environment["CHAOS_TICKETS"] = str(tickets)
        world = World(environment, Path(directory), sandbox, random.Random(seed))
        scenarios = set_up(environment)
        python = f"Python {platform.python_version()}"
        print(f"{database.version()}, {python}, {os.cpu_count()} cores, seed {seed}", flush=True)
        try:
            for name in names:
                world.reset()
                started = time.monotonic()
                report.note(name, f"load average before it: {os.getloadavg()[0]:.1f}")
                scenarios[name](world, chosen(options, name), report)
                report.note(name, f"took {time.monotonic() - started:.0f} s")
        finally:
            connections.close_all()
    return report


def set_up(environment: dict[str, str]) -> dict[str, Callable[[World, Any, Report], None]]:
    """Set Django up in this process, on the run's database, and migrate; return the scenarios."""
    os.environ |= environment
    django.setup()
    call_command("migrate", verbosity=0)
    from . import backlog, logins, outage

    return {"outage": outage.run, "kill-logins": logins.run, "backlog": backlog.run}


def main() -> int:
    """Run what the command line says; return the exit status."""
    made = parser()
    options = made.parse_args()
    if unknown := set(options.scenarios) - set(SIZES):
        made.error(f"no such scenario: {', '.join(sorted(unknown))}")
    # So that a time limit's signal, too, stops the processes and drops the database.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = run(options, options.scenarios or list(SIZES))
    print(f"\n{report.markdown()}", flush=True)
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
