"""Each page of the audit at millions of tokens beside the same at a thousand.

``python -m benchmarks.admin --database URL --tokens 5000000``: two sites on one server, with as
many users, are asked in turns. Lists, each filter with its commonest and its rarest value,
searches, last pages, the story of a learner with 50,000 sessions, a session with 5,000 tokens, and
the sweep's idle pass. The exit status is 1 when a page takes more than ``LIMIT`` times as long as
at a thousand tokens, or another number of queries.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from statistics import median
from typing import Any, Self

from .databases import Database
from .environment import environment_for

LIMIT = 1.3
SLACK = 2.0  # ms; below that a page's time says nothing
ROUNDS = 9
FEW = 1_000
USERS = 20_000
EVENTS_OF_LOGIN = 5  # started, generated, ended, owed, revoked

ADMIN = "/admin/convai_tokens/"
SESSIONS, TOKENS, EVENTS = ADMIN + "learnersession/", ADMIN + "convaitoken/", ADMIN + "tokenevent/"
PAGES = {
    "overview": SESSIONS + "overview/",
    "sessions": SESSIONS,
    "sessions: last page": SESSIONS + "?p={last_page}",
    "sessions: oldest first": SESSIONS + "?o=0",
    "sessions: open": SESSIONS + "?state=open",
    "sessions: logout": SESSIONS + "?state=logout",
    "sessions: rarest end": SESSIONS + "?state=key_lost",
    "sessions: an end that none has": SESSIONS + "?state=forgotten",
    "sessions: the oldest day": SESSIONS + "?to={first_day}",
    "sessions: search, a username": SESSIONS + "?q=user-0000077",
    "sessions: search, many": SESSIONS + "?q=user-00",
    "sessions: search, a name": SESSIONS + "?q=Rarely",
    "sessions: search, nobody": SESSIONS + "?q=nobody-at-all",
    "tokens": TOKENS,
    "tokens: last page": TOKENS + "?p={last_page}",
    "tokens: an order that no header offers": TOKENS + "?o=5.-3",
    "tokens: live now": TOKENS + "?state=live",
    "tokens: owed": TOKENS + "?state=owed",
    "tokens: owed, not tried": TOKENS + "?state=owed-new",
    "tokens: owed, no key": TOKENS + "?state=owed-shut",
    "tokens: revoked": TOKENS + "?state=revoked",
    "tokens: rarest status": TOKENS + "?state=lapsed",
    "tokens: a status that none has": TOKENS + "?state=generating",
    "tokens: the oldest day": TOKENS + "?to={first_day}",
    "tokens: search, a fingerprint": TOKENS + "?q={fingerprint}",
    "tokens: search, a username": TOKENS + "?q=user-0000077",
    "events": EVENTS,
    "events: last page": EVENTS + "?p={last_page}",
    "events: generated": EVENTS + "?kind=generated",
    "events: rarest kind": EVENTS + "?kind=lapsed",
    "events: a kind that none has": EVENTS + "?kind=unknown",
    "events: any of the staff": EVENTS + "?by=staff",
    "events: one of the staff": EVENTS + "?by=2",
    "events: the rarest of the staff": EVENTS + "?by=3",
    "events: the oldest day": EVENTS + "?to={first_day}",
    "events: search, a username": EVENTS + "?q=user-0000077",
    "events: search, staff": EVENTS + "?q=staff-2",
    "a session": SESSIONS + "{session}/change/",
    "a session with 5,000 tokens": SESSIONS + "{heavy}/change/",
    "a token": TOKENS + "{token}/change/",
    "a story": SESSIONS + "story/?user=77",
    "a story of 50,000 sessions": SESSIONS + "story/?user=1",
    "the sweep's idle pass": "sweep",
}
# Where the small site has no such row, or less than a page of them: one with as many rows.
BESIDE = {
    "a story of 50,000 sessions": "a story",
    "sessions: the oldest day": "sessions",
    "tokens: the oldest day": "tokens",
    "events: the oldest day": "events",
    "events: any of the staff": "events: generated",
    "events: one of the staff": "events: generated",
    "events: search, staff": "events: search, a username",
}


class Site:
    """A process that answers addresses with how long they took. A context manager."""

    def __init__(self, environment: dict[str, str], tokens: int) -> None:
        self._environment = {**os.environ, **environment}
        self._tokens = tokens

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.admin", "--serve", str(self._tokens)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        self.known: dict[str, str] = self._read()
        return self

    def __exit__(self, *details: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def ask(self, page: str) -> dict[str, Any]:
        """Return ``ms`` and ``queries`` of an address, once."""
        assert self._process.stdin is not None
        self._process.stdin.write(page.format(**self.known) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = self._read()
        return answer

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def serve(tokens: int) -> None:
    """Fill the database, then answer the addresses that come in."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from convai_tokens.lifecycle.sweep import sweep

    from .audit_rows import bytes_of_rows, fill

    call_command("migrate", verbosity=0)
    known = fill(tokens, USERS)
    sweep()
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(get_user_model().objects.get(pk=2))
    print(json.dumps(known), flush=True)
    for line in sys.stdin:
        page = line.strip()
        if page == "sizes":
            print(json.dumps(bytes_of_rows()), flush=True)
            continue
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            if page == "sweep":
                sweep()
            else:
                response = client.get(page)
                assert response.status_code == 200, (page, response.status_code)
            took = (time.perf_counter() - began) * 1000
        print(json.dumps({"ms": took, "queries": len(queries)}), flush=True)


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin", description=__doc__)
    parser.add_argument("--database", metavar="URL")
    parser.add_argument("--tokens", type=int, default=5_000_000)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    bad = 0
    with ExitStack() as stack:
        databases = [stack.enter_context(Database(options.database)) for _ in range(2)]
        sizes = (FEW, options.tokens)
        few, many = (
            stack.enter_context(Site(environment_for(database.url), size))
            for database, size in zip(databases, sizes, strict=True)
        )
        print(f"{databases[0].version()}: {options.tokens:,} tokens beside {FEW:,}")
        for name, page in PAGES.items():
            beside = PAGES[BESIDE.get(name, name)]
            asked = [(few.ask(beside), many.ask(page)) for _ in range(ROUNDS + 2)][2:]
            times = [median(pair[at]["ms"] for pair in asked) for at in (0, 1)]
            queries = [asked[-1][at]["queries"] for at in (0, 1)]
            ratio = times[1] / times[0]
            fits = ratio <= LIMIT or times[1] - times[0] <= SLACK
            fits = fits and queries[0] == queries[1]
            bad += not fits
            row = f"{times[0]:7.1f} ms {times[1]:7.1f} ms  x {ratio:.2f}  {queries[0]} {queries[1]}"
            print(f"{name:42} {row}{'' if fits else '  <--'}", flush=True)
        of_rows = many.ask("sizes")
    session, token, event = of_rows.values()
    print("bytes of a row with its indexes:", {name: round(it) for name, it in of_rows.items()})
    login = session + token + EVENTS_OF_LOGIN * event
    print(f"bytes of a login with {EVENTS_OF_LOGIN} events: {login:.0f}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
