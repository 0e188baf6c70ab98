"""The CPU that the app adds to a login: ``python -m benchmarks.login_cpu``.

Two processes serve logins to themselves, one without and one with the app, in turns. Convai refuses
connections; with ``--well`` it answers at once, and each login has its token. With ``--before`` a
third site runs from another checkout, so that two versions are compared in one run. CPU time,
unlike throughput, is moved less by what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import django
from django.test import Client

from convai_sandbox.process import Sandbox
from lms_site.environment import BASE_DIR

from .databases import Database
from .environment import NOWHERE, environment_for
from .load.client import LOGINS, PASSWORD, username
from .load.sites import seed
from .load.worker import Worker

USERS = 2_000


class Site(Worker):
    """A process that logs learners in when told to. Use as a context manager."""

    def __init__(self, environment: dict[str, str], kind: str, folder: Path = BASE_DIR) -> None:
        command = f"-m benchmarks.login_cpu --serve --kind {kind}"
        super().__init__(*command.split(), environment=environment, folder=folder)

    def log_in(self, count: int) -> float:
        """Log ``count`` learners in; return the CPU time of one login in microseconds."""
        return float(self.ask(str(count)))


def serve(path: str) -> None:
    """Be a site: read how many logins to do, print what one took."""
    django.setup()
    client, number = Client(), 0
    for line in sys.stdin:
        count, began = int(line), time.process_time()
        for number in range(number, number + count):  # noqa: B020 - goes on where it was
            data = {"username": username(number % USERS), "password": PASSWORD}
            answer = client.post(path, data, content_type="application/json")
            assert answer.status_code == 200, answer
            client.cookies.clear()
        print((time.process_time() - began) / count * 1e6, flush=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.login_cpu", description=__doc__)
    parser.add_argument("--database", default="postgres://root@127.0.0.1:5432/postgres")
    parser.add_argument("--logins", type=int, default=1_000, help="of one turn")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--kind", choices=LOGINS, default="login", help="by bearer, or by cookie")
    parser.add_argument("--well", action="store_true", help="Convai answers at once")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="an older version's")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(LOGINS[options.kind])
        return 0
    with ExitStack() as stack:
        convai = stack.enter_context(Sandbox()).url if options.well else NOWHERE
        sites = {"without the app": started(stack, options, convai, LOAD_PLAIN="1")}
        if options.before:
            sites["before"] = started(stack, options, convai, folder=options.before.resolve())
        sites["with it"] = started(stack, options, convai)
        turns = [
            {name: site.log_in(options.logins) for name, site in sites.items()}
            for _ in range(options.turns)
        ]
    print(f"CPU of one login, {options.turns} turns of {options.logins}, {os.cpu_count()} cores:")
    for name in sites:
        cpu = statistics.median(turn[name] for turn in turns)
        print(f"{name}: {cpu:.0f} µs", end="")
        for other in list(sites)[: list(sites).index(name)]:
            ratio = statistics.median(turn[name] / turn[other] for turn in turns)
            print(f", x {ratio:.3f} of {other}", end="")
        print()
    return 0


def started(
    stack: ExitStack,
    options: argparse.Namespace,
    convai: str,
    folder: Path = BASE_DIR,
    **extra: str,
) -> Site:
    """Return a site with a database of its own, warmed up."""
    database = stack.enter_context(Database(options.database))
    environment = environment_for(database.url, convai) | extra
    environment |= {"DJANGO_ALLOWED_HOSTS": "testserver", "DJANGO_LOG_LEVEL": "CRITICAL"}
    seed(environment, {"users": USERS, "logins": {}}, folder)
    site = stack.enter_context(Site(environment, options.kind, folder))
    site.log_in(options.logins)  # imports, caches, and the failures that open the breaker
    return site


if __name__ == "__main__":
    sys.exit(main())
