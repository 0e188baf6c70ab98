"""What the app costs a login and a logout: ``python -m benchmarks.logins``.

The same site without and with the app, side by side over one PostgreSQL, loaded in turns of some
seconds so that the machine's noise hits both alike. Prints a markdown table; the exit status is 1
when a criterion is missed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from convai_sandbox.process import Sandbox

from .databases import Database
from .environment import environment_for
from .load.client import LOGINS, Load
from .load.report import Limits, Result, Side, heading, lines
from .load.sites import PROCESSES, LoadSite, put_under, seed

LATENCY = 0.15  # seconds to a healthy Convai and back
WARM_UP = 3.0  # seconds of logins that nobody counts
WAKE_UP = 1.0  # seconds in which each thread opens its database connection again
USERS = 20_000
STEADY = 60.0  # requests a second of all clients together, where they are paced
MOST_LOGOUTS = 600.0  # a second, more than two cores manage
Fault = Callable[[Sandbox], None]
OUTAGE = Limits(p99_ratio=1.25, throughput_ratio=0.9)
LOGOUT = Limits(p99_more=20.0)


@dataclass(frozen=True)
class Case:
    """What is done, and what Convai does once the load has begun.

    Clients that aren't ``paced`` send their next request as soon as they have an answer.
    """

    title: str
    limits: Limits
    fault: Fault | None = None
    kind: str = "login"
    paced: bool = False


def hang(sandbox: Sandbox) -> None:
    """Let Convai take calls and never answer."""
    sandbox.set(hang=True)


def refuse(sandbox: Sandbox) -> None:
    """Let Convai refuse connections."""
    sandbox.stop()


def limit(sandbox: Sandbox) -> None:
    """Let Convai answer 429 to everything."""
    sandbox.set(faults={"429": 1.0})


CASES = {
    "healthy": Case("Convai healthy, 150 ms", Limits(no_token=0.001), paced=True),
    "healthy-flood": Case("logins as fast as can be, Convai healthy", Limits()),
    "hanging": Case("Convai hanging", OUTAGE, hang),
    "hanging-session": Case("logins by cookie, Convai hanging", OUTAGE, hang, "session-login"),
    "refusing": Case("Convai refusing connections", OUTAGE, refuse),
    "429": Case("Convai answering 429", OUTAGE, limit),
    "logout": Case("logouts, Convai hanging", LOGOUT, hang, "logout", paced=True),
    "logout-flood": Case("logouts as fast as can be, Convai hanging", Limits(), hang, "logout"),
}


class Run:
    """One run over some cases, on one database."""

    def __init__(self, options: argparse.Namespace, database: Database, folder: Path) -> None:
        self._options = options
        self._database = database
        self._log = folder / "site.log"
        self._environment = environment_for(database.url_of("app"))
        self._files = {name: str(folder / f"{name}.txt") for name in ("awake", "plain", "app")}
        self._used = dict.fromkeys(self._files, 0)  # bearer tokens of each file
        self._learner = 0  # the next one to log in, so that rows don't collide

    def seed(self, cases: list[Case]) -> None:
        """Make the learners, and logins for those cases that log out."""
        rates = [self._logouts_per_second(case) for case in cases if case.kind == "logout"]
        count = int(sum(rates) * self._options.seconds)
        logins = {self._files["awake"]: 1}
        if count:
            logins |= {self._files[name]: count for name in ("plain", "app")}
        seed(self._environment, {"users": USERS, "logins": logins})

    def _logouts_per_second(self, case: Case) -> float:
        return STEADY * 1.1 if case.paced else MOST_LOGOUTS

    def measure(self, case: Case) -> Result:
        """Start both sites, load them in turns, and stop them."""
        with Sandbox(latency=LATENCY) as sandbox, ExitStack() as stack:
            environment = self._environment | {"CONVAI_BASE_URL": sandbox.url}
            without = {"LOAD_PLAIN": "1", "DATABASE_URL": self._database.url_of("plain")}
            clients = self._options.clients
            plain = LoadSite("plain", environment | without, self._log, clients)
            app = LoadSite("app", environment, self._log, clients)
            turns = ((stack.enter_context(plain), app), (stack.enter_context(app), plain))
            for site, other in turns:
                self._wake(site, other)
                put_under(self._logins(case, site, WARM_UP, rate=0.0))
            sides = [Side(site.name, 200 if case.kind in LOGINS else 204) for site, _ in turns]
            for turn in range(max(round(self._options.seconds / self._options.slice), 1)):
                # In turn first, so that a machine that grows slower or faster favours neither.
                order = [*zip(turns, sides, strict=True)][:: -1 if turn % 2 else 1]
                for (site, other), side in order:
                    self._wake(site, other)
                    strikes = turn == 0 and site is app and case.fault is not None
                    fault = partial(cast(Fault, case.fault), sandbox) if strikes else None
                    side.add(self._put_under(case, site, fault))
            return Result(case.title, sides[0], sides[1], case.limits)

    def _wake(self, site: LoadSite, other: LoadSite) -> None:
        """Let the site's threads open their database connections again, and close the other's."""
        self._database.disconnect(other.name)
        bearers = self._files["awake"]
        clients = self._options.clients
        put_under(Load("me", site.ports, clients, WAKE_UP, bearers=bearers))

    def _logins(self, case: Case, site: LoadSite, seconds: float, rate: float) -> Load:
        first, self._learner = self._learner, (self._learner + USERS // 3) % USERS
        clients = self._options.clients
        kind = case.kind if case.kind in LOGINS else "login"
        return Load(kind, site.ports, clients, seconds, first, USERS, rate=rate)

    def _put_under(self, case: Case, site: LoadSite, fault: Callable[[], None] | None) -> Any:
        seconds, rate = self._options.slice, STEADY if case.paced else 0.0
        if case.kind in LOGINS:
            return put_under(self._logins(case, site, seconds, rate), happens=fault)
        load = Load(
            "logout",
            site.ports,
            self._options.clients,
            seconds,
            first=self._used[site.name],
            bearers=self._files[site.name],
            rate=rate,
        )
        told = put_under(load, happens=fault)
        self._used[site.name] += len(told["answers"])
        return told


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logins", description=__doc__)
    add = parser.add_argument
    add("--database", default="postgres://root@127.0.0.1:5432/postgres", metavar="URL")
    add("--seconds", type=float, default=60.0, help="measured on each site in each case")
    add("--slice", type=float, default=5.0, help="seconds of one turn")
    add("--clients", type=int, default=64)
    add(
        "--cases",
        nargs="+",
        choices=CASES,
        default=list(CASES),
        metavar="CASE",
        help=", ".join(CASES),
    )
    add("--small", action="store_true", help="a quick look: two turns of 5 s")
    options = parser.parse_args(arguments)
    if options.small:
        options.seconds, options.slice = 10.0, 5.0
    return options


def main() -> int:
    """Measure; return the exit status."""
    options = parsed()
    # A SIGTERM, too, must stop the processes and drop the database.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cases = [CASES[name] for name in options.cases]
    print(
        f"{options.clients} clients; each site {PROCESSES} gunicorn processes of "
        f"{-(-options.clients // PROCESSES)} threads (gthread); {options.seconds:.0f} s a site "
        f"and case, in turns of {options.slice:.0f} s; the fault comes as the app's first turn "
        f"begins; paced clients send {STEADY:.0f} requests a second together; "
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before",
    )
    print(f"\n{heading()}", flush=True)
    results = []
    with tempfile.TemporaryDirectory() as folder, Database(options.database) as database:
        run = Run(options, database, Path(folder))
        run.seed(cases)
        for case in cases:
            results.append(run.measure(case))
            print(lines(results[-1]), flush=True)
    sides = [side for result in results for side in (result.plain, result.app)]
    busiest = max(side.busiest_client for side in sides)
    print(
        f"\nThe process of the clients took at most {busiest:.0%} of one core; "
        f"load average {os.getloadavg()[0]:.1f} after."
    )
    return int(any(result.misses for result in results))


if __name__ == "__main__":
    sys.exit(main())
