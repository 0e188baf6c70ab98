"""What a sweep costs that finds nothing to do: ``python -m benchmarks.idle_sweep --database URL``.

Most passes are such, on each machine, every ten seconds. The tables hold the history of half a
year, a million tokens of half a million learner sessions, of which a few live. The exit status is 1
when a pass takes longer than ``LIMIT``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from statistics import median

import django

from .databases import Database
from .environment import environment_for

LIMIT = 0.5  # seconds for an idle pass
PASSES = 9
BATCH = 10_000
HISTORY = timedelta(days=170)  # less than RETENTION, so that nothing is purged
LIVING = 5_000
INACTIVE = 10  # of so many users one is deactivated


def fill(sessions: int, users: int) -> None:
    """Write the history: of each session's two tokens one was revoked, and one has expired."""
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from convai_tokens.models import ConvaiToken, LearnerSession

    user = get_user_model()
    for part in parts(users):
        user._default_manager.bulk_create(
            user(pk=n, username=f"user-{n:07d}", is_active=bool(n % INACTIVE)) for n in part
        )
    now = timezone.now()

    def moment(number: int) -> datetime:
        return now - HISTORY * (1 - number / sessions)

    for part in parts(sessions):
        rows = [
            LearnerSession(
                user_id=number % users + 1,
                username=f"user-{number % users + 1:07d}",
                stack="session",
                started_at=moment(number),
                # Half of them were never seen to end, but all of the deactivated users' were.
                ended_at=moment(number)
                if number % 2 or not (number % users + 1) % INACTIVE
                else None,
            )
            for number in part
        ]
        LearnerSession.objects.bulk_create(rows)
        ConvaiToken.objects.bulk_create(
            ConvaiToken(session=row, generated_at=row.started_at, **fields)
            for number, row in zip(part, rows, strict=True)
            for fields in (
                {"status": "revoked", "revoked_at": row.started_at},
                {"status": "active", "sealed": "x", "expires_at": now + timedelta(hours=1)}
                if number > sessions - LIVING
                else {"status": "expired", "expires_at": row.started_at},
            )
        )


def parts(count: int) -> Iterator[range]:
    """Yield the numbers from 1 to ``count``, batch by batch."""
    for first in range(1, count + 1, BATCH):
        yield range(first, min(first + BATCH, count + 1))


def analyze() -> None:
    """Let the database count its rows, as it does by itself in a while."""
    from django.db import connection

    from convai_tokens.models import ConvaiToken, LearnerSession

    tables = ", ".join(model._meta.db_table for model in (ConvaiToken, LearnerSession))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {'TABLE ' if connection.vendor == 'mysql' else ''}{tables}")


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle_sweep", description=__doc__)
    parser.add_argument("--database", required=True, metavar="URL")
    parser.add_argument("--sessions", type=int, default=500_000, help="with two tokens each")
    parser.add_argument("--users", type=int, default=100_000)
    options = parser.parse_args()
    with Database(options.database) as database:
        os.environ |= environment_for(database.url)
        django.setup()
        from django.core.management import call_command
        from django.db import connection

        from convai_tokens.lifecycle.sweep import SweepReport, sweep

        call_command("migrate", verbosity=0)
        fill(options.sessions, options.users)
        analyze()
        took = []
        for _ in range(PASSES):
            began = time.monotonic()
            if sweep() != SweepReport():
                raise RuntimeError("There was something to do.")
            took.append(time.monotonic() - began)
        connection.close()
        print(
            f"{database.version()}, {2 * options.sessions} tokens of {options.sessions} sessions "
            f"of {options.users} users: an idle pass takes {median(took) * 1000:.0f} ms, "
            f"at most {max(took) * 1000:.0f} ms of {PASSES}."
        )
    return int(max(took) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
