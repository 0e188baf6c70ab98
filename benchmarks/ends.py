"""What it costs to end many learner sessions at once: ``python -m benchmarks.ends``.

A user has ``--sessions`` open ones, each with a live token, and all of them end in one request, as
by "log out everywhere". Beside it, in the same run, the statements that each needs by itself. The
exit status is 1 when it takes longer than ``LIMIT``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median

import django

from lms_site.environment import BASE_DIR

from .databases import Database
from .environment import environment_for
from .load.sites import seed

LIMIT = 1.0  # seconds for 2,000
TURNS = 5


def measure(sessions: int) -> bool:
    """Measure in this process, whose database is empty; print, and tell whether it is in time."""
    from django.contrib.auth import get_user_model
    from django.db import connection, transaction
    from django.utils import timezone

    from convai_tokens import api
    from convai_tokens.lifecycle.ending import end_session
    from convai_tokens.models import ConvaiToken, EndReason, LearnerSession

    user = get_user_model().objects.get(username="learner-000000")

    def fill() -> None:
        rows = [
            LearnerSession(user=user, username="learner", stack="knox") for _ in range(sessions)
        ]
        LearnerSession.objects.bulk_create(rows)
        live = {
            "status": "active",
            "sealed": "x",
            "expires_at": timezone.now() + timedelta(hours=1),
        }
        ConvaiToken.objects.bulk_create(ConvaiToken(session=row, **live) for row in rows)

    def at_once() -> None:
        assert api.end_sessions_of(user) == sessions

    def one_by_one() -> None:
        with transaction.atomic():
            for key in list(LearnerSession.objects.open().values_list("pk", flat=True)):
                assert end_session(key, EndReason.API)

    def seconds(end: Callable[[], None]) -> float:
        fill()
        began = time.monotonic()
        end()
        return time.monotonic() - began

    pairs = [(seconds(at_once), seconds(one_by_one)) for _ in range(TURNS)]
    took = median(together for together, _ in pairs)
    ratio = median(together / alone for together, alone in pairs)
    print(f"{connection.vendor}: {sessions} learner sessions with a live token each end in")
    print(f"  {took:.2f} s at once, x {ratio:.3f} of one by one")
    return took <= LIMIT


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ends", description=__doc__)
    parser.add_argument("--database", default="postgres://root@127.0.0.1:5432/postgres")
    parser.add_argument("--sessions", type=int, default=2_000)
    options = parser.parse_args()
    with Database(options.database) as database:
        environment = environment_for(database.url) | {"DJANGO_LOG_LEVEL": "CRITICAL"}
        seed(environment, {"users": 1, "logins": {}}, BASE_DIR)
        os.environ.update(environment)
        django.setup()
        in_time = measure(options.sessions)
        from django.db import connections

        connections.close_all()
    return 0 if in_time else 1


if __name__ == "__main__":
    sys.exit(main())
