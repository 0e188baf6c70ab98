"""What it costs to end many learner sessions: ``python -m benchmarks.ends``.

* ``--sessions`` of a user with a live token each end in one request, as by "log out everywhere";
  beside it, in the same run, the statements that each needs by itself.
* A user with ``--open`` open sessions, of which 20 have live tokens, and one with a single session:
  a change of the password, a deactivation, a deletion and a logout everywhere, in turns.
* ``clearsessions`` of ``--expired`` rows, of which one in twenty has an open learner session; and
  the same where the only receiver on the sessions' model does nothing.

The exit status is 1 when one takes longer than its limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from statistics import median
from typing import Any

import django

from lms_site.environment import BASE_DIR

from .databases import Database
from .environment import environment_for
from .load.sites import seed

LIMIT = 1.0  # seconds for 2,000
MORE = 0.15  # seconds that a user's history may add
TIMES = 3.0  # of clearsessions, those with a receiver that does nothing
LIVE = 20  # sessions with a live token, of the many


def fill(user: Any, sessions: int, live: int, **fields: Any) -> list[Any]:
    """Give the user open learner sessions, the first ``live`` of them with a live token."""
    from django.utils import timezone

    from convai_tokens.lifecycle.sealing import key_ids
    from convai_tokens.models import ConvaiToken, LearnerSession

    known = {"username": user.get_username(), "stack": "session", "key_id": key_ids()[0], **fields}
    rows = [LearnerSession(user=user, **known) for _ in range(sessions)]
    LearnerSession.objects.bulk_create(rows, batch_size=5_000)
    expires = timezone.now() + timedelta(hours=1)
    token = {"status": "active", "sealed": "x", "expires_at": expires}
    ConvaiToken.objects.bulk_create(ConvaiToken(session=row, **token) for row in rows[:live])
    return rows


def empty() -> None:
    """Delete all that was filled, and let the database learn how full its tables are."""
    from convai_tokens.models import ConvaiToken, EndOfSessions, LearnerSession, TokenEvent

    for model in (TokenEvent, ConvaiToken, LearnerSession, EndOfSessions):
        model._base_manager.all()._raw_delete("default")


def learn_sizes() -> None:
    """Have the database look at its tables, as it does by itself on a site."""
    from django.db import connection

    table = "" if connection.vendor == "postgresql" else "TABLE "
    names = ["learnersession", "convaitoken", "tokenevent", "endofsessions"]
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"ANALYZE {table}convai_tokens_{name}")


def seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def at_once(sessions: int, turns: int) -> bool:
    """Measure the end of sessions that have a live token each."""
    from django.contrib.auth import get_user_model
    from django.db import transaction

    from convai_tokens import api
    from convai_tokens.lifecycle.ending import end_session
    from convai_tokens.models import EndReason, LearnerSession

    user = get_user_model().objects.get(username="learner-000000")

    def one_by_one() -> None:
        with transaction.atomic():
            for key in list(LearnerSession.objects.open().values_list("pk", flat=True)):
                assert end_session(key, EndReason.API)

    def together() -> None:
        assert api.end_sessions_of(user) == sessions

    def of(end: Callable[[], None]) -> float:
        empty()
        fill(user, sessions, sessions)
        learn_sizes()
        return seconds(end)

    pairs = [(of(together), of(one_by_one)) for _ in range(turns)]
    took = median(first for first, _ in pairs)
    ratio = median(first / second for first, second in pairs)
    print(f"{sessions} learner sessions with a live token each end in")
    print(f"  {took:.2f} s at once, x {ratio:.3f} of one by one")
    return took <= LIMIT


def of_many(sessions: int, turns: int) -> bool:
    """Measure what ends all sessions of a user with many, beside that of a user with one."""
    from django.contrib.auth import get_user_model

    from convai_tokens import api

    users = get_user_model().objects

    def change_password(user: Any) -> None:
        user.password, user._password = "!", "another"  # no hash: it would take longer than all
        user.save()

    def deactivate(user: Any) -> None:
        user.is_active = False
        user.save()

    ends: dict[str, Callable[[Any], object]] = {
        "change of the password": change_password,
        "deactivation": deactivate,
        "deletion": lambda user: user.delete(),
        "logout everywhere": api.end_sessions_of,
    }
    print(f"ends of a user with {sessions} open sessions, {LIVE} with a live token; of one with 1:")
    in_time = True
    for name, end in ends.items():
        pairs = []
        for _ in range(turns):
            empty()
            many = users.create(username=f"many-{uuid.uuid4()}")
            one = users.create(username=f"one-{uuid.uuid4()}")
            fill(many, sessions, LIVE)
            fill(one, 1, 1)
            learn_sizes()
            pairs.append((seconds(partial(end, many)), seconds(partial(end, one))))
        took, least = (median(side) for side in zip(*pairs, strict=True))
        print(f"  {name:24} {took * 1000:6.0f} ms {least * 1000:6.0f} ms")
        in_time = in_time and took - least <= MORE
    return in_time


def of_expired(sessions: int, turns: int) -> bool:
    """Measure ``clearsessions`` with our receiver, and with one that does nothing."""
    from django.contrib.auth import get_user_model
    from django.contrib.sessions.models import Session
    from django.core.management import call_command
    from django.utils import timezone

    from convai_tokens.lifecycle.sealing import credential_digests
    from convai_tokens.models import LearnerSession
    from convai_tokens.secret import Secret

    user = get_user_model().objects.get(username="learner-000000")

    def clear() -> float:
        empty()
        now = timezone.now()
        keys = [uuid.uuid4().hex for _ in range(sessions)]
        past = now - timedelta(minutes=1)
        Session.objects.bulk_create(
            (Session(session_key=key, session_data="", expire_date=past) for key in keys),
            batch_size=5_000,
        )
        rows = []
        for number, key in enumerate(keys):
            row = LearnerSession(user=user, username="learner", stack="session")
            row.credential_digest = credential_digests(Secret(f"session:{key}"))[0]
            if number % 20:
                row.ended_at, row.end_reason = now, "unseen"
            rows.append(row)
        LearnerSession.objects.bulk_create(rows, batch_size=5_000)
        learn_sizes()
        took = seconds(lambda: call_command("clearsessions"))
        assert not Session.objects.exists()
        return took

    pairs = []
    for _ in range(turns):
        ours = clear()
        with only_a_receiver_that_does_nothing():
            pairs.append((ours, clear()))
    took, least = (median(side) for side in zip(*pairs, strict=True))
    ratio = median(ours / nothing for ours, nothing in pairs)
    print(f"clearsessions of {sessions} rows: {took:.1f} s, x {ratio:.2f} of the {least:.1f} s")
    print("  with a receiver that does nothing")
    return ratio <= TIMES


@contextmanager
def only_a_receiver_that_does_nothing() -> Iterator[None]:
    """Replace all receivers of a Django session's deletion."""
    from django.contrib.sessions.models import Session
    from django.db.models.signals import pre_delete

    def nothing(**kwargs: object) -> None:
        pass

    receivers = pre_delete.receivers
    pre_delete.receivers = []
    pre_delete.sender_receivers_cache.clear()
    pre_delete.connect(nothing, sender=Session)
    try:
        yield
    finally:
        pre_delete.receivers = receivers
        pre_delete.sender_receivers_cache.clear()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ends", description=__doc__)
    parser.add_argument("--database", default="postgres://root@127.0.0.1:5432/postgres")
    parser.add_argument("--sessions", type=int, default=2_000)
    parser.add_argument("--open", type=int, default=50_000)
    parser.add_argument("--expired", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with Database(options.database) as database:
        environment = environment_for(database.url) | {"DJANGO_LOG_LEVEL": "CRITICAL"}
        seed(environment, {"users": 1, "logins": {}}, BASE_DIR)
        os.environ.update(environment)
        django.setup()
        print(database.version())
        turns = options.turns
        in_time = [
            at_once(options.sessions, turns),
            of_many(options.open, turns),
            of_expired(options.expired, turns),
        ]
        from django.db import connections

        connections.close_all()
    return 0 if all(in_time) else 1


if __name__ == "__main__":
    sys.exit(main())
