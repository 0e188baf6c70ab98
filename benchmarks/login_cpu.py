"""The CPU that the app adds to a login while Convai is down: ``python -m benchmarks.login_cpu``.

Two processes serve logins to themselves, one without and one with the app, in turns; Convai refuses
connections. CPU time, unlike throughput, is moved less by what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import ExitStack

import django
from django.test import Client

from .databases import Database
from .environment import environment_for
from .load.client import LOGINS, PASSWORD, username
from .load.sites import seed
from .load.worker import Worker

USERS = 2_000


class Site(Worker):
    """A process that logs learners in when told to. Use as a context manager."""

    def __init__(self, environment: dict[str, str], kind: str) -> None:
        command = f"-m benchmarks.login_cpu --serve --kind {kind}"
        super().__init__(*command.split(), environment=environment)

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
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(LOGINS[options.kind])
        return 0
    with Database(options.database) as database, ExitStack() as stack:
        environment = environment_for(database.url)
        environment |= {"DJANGO_ALLOWED_HOSTS": "testserver", "DJANGO_LOG_LEVEL": "CRITICAL"}
        seed(environment, {"users": USERS, "logins": {}})
        plain = stack.enter_context(Site(environment | {"LOAD_PLAIN": "1"}, options.kind))
        app = stack.enter_context(Site(environment, options.kind))
        for site in (plain, app):
            site.log_in(options.logins)  # imports, caches, and the failures that open the breaker
        turns = [
            (plain.log_in(options.logins), app.log_in(options.logins)) for _ in range(options.turns)
        ]
    medians = [statistics.median(times) for times in zip(*turns, strict=True)]
    ratio = statistics.median(with_app / without for without, with_app in turns)
    print(
        f"CPU of one login, median of {options.turns} turns of {options.logins}: "
        f"{medians[0]:.0f} µs without the app, {medians[1]:.0f} µs with it; "
        f"median of the turns' ratios {ratio:.3f}. {os.cpu_count()} cores."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
