"""A page beside logins that wait for Convai, on a small pool: ``python -m benchmarks.pool``.

The site without and with the app, each with a pool of ``--pool`` connections. Eight clients log in,
``LOGINS`` of them a second together, and Convai takes ``LATENCY`` seconds for each: so eight wait
at any time. Beside them a page with one SELECT is asked for. Prints its times, and exits with 1
when p50 or p99 is over ``LIMIT`` times those of the site without the app.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from convai_sandbox.process import Sandbox

from .databases import Database
from .environment import environment_for
from .load.client import Load
from .load.report import Side
from .load.sites import PROCESSES, LoadSite, put_under, seed

LATENCY = 2.0  # seconds
WAITING = 8  # logins at any time
LOGINS = WAITING / LATENCY  # a second
PAGES = 40.0  # a second
LIMIT = 1.25
USERS = 5_000
SLICE = 10.0  # seconds


def beside(site: LoadSite, bearers: str, first: int, side: Side) -> None:
    """Load the site for a slice; add the page's times."""
    logins = Load("login", site.ports, WAITING, SLICE, first, USERS, rate=LOGINS)
    pages = Load("me", site.ports, WAITING, SLICE, bearers=bearers, rate=PAGES)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(put_under, logins)
        side.add(put_under(pages))
        answers = done.result()["answers"]
    unanswered = [why or status for _, _, status, why in answers if status != 200 or why]
    if unanswered:
        print(f"  {site.name}: {len(unanswered)} logins without a token: {set(unanswered)}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pool", description=__doc__)
    parser.add_argument("--database", default="postgres://root@127.0.0.1:5432/postgres")
    parser.add_argument("--pool", type=int, default=4, help="connections of each process")
    parser.add_argument("--turns", type=int, default=4, help="of 10 s for each site")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = stack.enter_context(Database(options.database))
        sandbox = stack.enter_context(Sandbox(latency=LATENCY))
        environment = environment_for(database.url, sandbox.url)
        bearers = folder / "bearers.txt"
        seed(environment, {"users": USERS, "logins": {str(bearers): 1}})
        environment |= {"LOAD_POOL": str(options.pool)}
        # Each client has a thread of its own, so that only the pool is short.
        clients = 4 * WAITING * PROCESSES
        log = folder / "site.log"
        plain = LoadSite("plain", environment | {"LOAD_PLAIN": "1"}, log, clients)
        app = LoadSite("app", environment, log, clients)
        sides = [Side(site.name, 200) for site in (plain, app)]
        pairs = [*zip([stack.enter_context(it) for it in (plain, app)], sides, strict=True)]
        for site, _ in pairs:
            beside(site, str(bearers), 0, Side("warm-up", 200))
        for turn in range(options.turns):
            for site, side in pairs[:: -1 if turn % 2 else 1]:
                beside(site, str(bearers), (turn + 1) * 100, side)
    print(f"a page beside {WAITING} logins that wait for Convai, a pool of {options.pool}:")
    for side in sides:
        times = ", ".join(f"p{at} {side.percentile(at):.1f} ms" for at in (50, 99))
        print(f"  {side.site}: {len(side.times)} pages, {times}, failed {dict(side.failed)}")
    ratios = [sides[1].percentile(at) / sides[0].percentile(at) for at in (50, 99)]
    print(f"  p50 x {ratios[0]:.2f}, p99 x {ratios[1]:.2f}")
    return int(max(ratios) > LIMIT or any(side.failed for side in sides))


if __name__ == "__main__":
    sys.exit(main())
