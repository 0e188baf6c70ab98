"""What the sweep tidies up: calls that died, tokens that expired, lost users, old rows.

Each step is safe to run in any number of processes at once. It works in batches, each with a
transaction of its own, waits for nobody's locks on tokens, and asks between the batches whether it
is to stop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from .audit import record_all
from .conf import app_settings
from .lifecycle import Kind, Status, end_sessions
from .models import (
    ConvaiToken,
    ConvaiTokenQuerySet,
    EndReason,
    LearnerSession,
    TokenEvent,
    database,
)

logger = logging.getLogger("convai_tokens")

STALE = timedelta(minutes=2)  # a generate call that hasn't come back by then has died
BATCH = 500
DEAD = (Status.REVOKED, Status.GONE, Status.LAPSED, Status.FAILED, Status.UNKNOWN)

Stopped = Callable[[], bool]


def _tokens() -> ConvaiTokenQuerySet:
    return ConvaiToken.objects.using(database())


def end_sessions_of_lost_users(stopped: Stopped) -> int:
    """End the open sessions of users who were deactivated or vanished without a signal."""
    lost = {EndReason.USER_DELETED: Q(user=None)}
    try:
        get_user_model()._meta.get_field("is_active")
    except FieldDoesNotExist:
        pass
    else:
        lost[EndReason.USER_DEACTIVATED] = Q(user__is_active=False)
    ended = 0
    sessions = LearnerSession.objects.using(database())
    for reason, which in lost.items():
        found = sessions.open().filter(which).values_list("pk", flat=True)
        while not stopped() and (ids := list(found[:BATCH])):
            # No hint: the sweep pays them itself, right afterwards.
            ended += end_sessions(sessions.filter(pk__in=ids), reason, hint=False)
    return ended


def lapse(stopped: Stopped) -> int:
    """Give up what could not be confirmed within ``REVOKE_HORIZON``, and wipe its value."""
    now = timezone.now()
    unclaimed = Q(claimed_until=None) | Q(claimed_until__lt=now)
    overdue = _tokens().owed().filter(unclaimed, owed_since__lt=_horizon()).exclude(sealed="")
    detail = "Not confirmed within REVOKE_HORIZON"
    count = _move_all(overdue, Status.LAPSED, Kind.LAPSED, stopped, detail, sealed="")
    if count:
        logger.error("%d tokens lapsed: Convai confirmed their revocation to nobody.", count)
    return count


def give_up_generating(stopped: Stopped) -> int:
    """Mark generate calls that died as unknown: Convai may hold a token that nobody has.

    Among them are those whose session ended meanwhile: owed, without a value and so without a time
    for an attempt.
    """
    old = _tokens().filter(generated_at__lt=timezone.now() - STALE)
    generating = old.filter(status=Status.GENERATING)
    valueless = old.filter(status=Status.REVOKING, next_attempt_at=None, sealed="")
    detail = "The process died while Convai was generating"
    return sum(
        _move_all(died, Status.UNKNOWN, Kind.UNKNOWN, stopped, detail)
        for died in (generating, valueless)
    )


def expire(stopped: Stopped) -> int:
    """Mark active tokens whose time has passed by our clock as expired; keep their values.

    By our clock isn't for certain: whoever has the token may have extended it. So the value is
    kept until the horizon, when ``wipe_expired`` takes its turn (``next_attempt_at``).
    """
    passed = _tokens().filter(status=Status.ACTIVE, expires_at__lte=timezone.now())
    horizon: timedelta = app_settings.REVOKE_HORIZON
    wipe_at = F("expires_at") + horizon
    return _move_all(passed, Status.EXPIRED, Kind.EXPIRED, stopped, next_attempt_at=wipe_at)


def wipe_expired(stopped: Stopped) -> int:
    """Wipe the values of expired tokens that can't be alive any more; return how many."""
    due = _tokens().filter(status=Status.EXPIRED, next_attempt_at__lte=timezone.now())
    return _update_all(due, stopped, lambda wiped: None, sealed="", next_attempt_at=None)


def _horizon() -> Any:
    return timezone.now() - app_settings.REVOKE_HORIZON


def _move_all(
    found: ConvaiTokenQuerySet,
    to: str,
    kind: TokenEvent.Kind,
    stopped: Stopped,
    detail: str = "",
    **fields: Any,
) -> int:
    """Move all these tokens to a status, with one event each; return how many."""
    return _update_all(
        found, stopped, lambda moved: record_all(kind, moved, detail), status=to, **fields
    )


def _update_all(
    found: ConvaiTokenQuerySet,
    stopped: Stopped,
    follow: Callable[[list[ConvaiToken]], None],
    **fields: Any,
) -> int:
    """Update all these tokens, after which they must not be found any more; return how many.

    In no order: the rows that are left are few, and an order by the primary key would have the
    database read the whole table for them.
    """
    count = 0
    while not stopped():
        with transaction.atomic(using=database()):
            batch = found.take(BATCH, **fields)
            follow(batch)
        count += len(batch)
        if len(batch) < BATCH:
            break
    return count


def purge(stopped: Stopped) -> int:
    """Delete what is older than ``RETENTION``, and nothing that is owed; return how many rows.

    A session's age counts from its end, or from its start where no end was seen.
    """
    retention: timedelta = app_settings.RETENTION
    before = timezone.now() - retention
    tokens = _tokens()
    sessions = LearnerSession.objects.using(database())
    events = TokenEvent.objects.using(database())
    purged = 0
    dead = Q(status__in=DEAD) | Q(status=Status.EXPIRED, sealed="")
    old = tokens.filter(dead, generated_at__lt=before).order_by("generated_at")
    while not stopped() and (ids := list(old.values_list("pk", flat=True)[:BATCH])):
        with transaction.atomic(using=database()):
            purged += events.filter(token__in=ids).delete()[0]
            purged += tokens.filter(dead, pk__in=ids).delete()[0]
    ended_before = Q(ended_at__lt=before) | Q(ended_at=None)
    empty = sessions.filter(ended_before, started_at__lt=before, tokens=None)
    empty = empty.order_by("started_at")
    while not stopped() and (keys := list(empty.values_list("pk", flat=True)[:BATCH])):
        with transaction.atomic(using=database()):
            # Locked first, as generating does: a token that is being generated is seen now, or
            # comes too late for a session that is gone.
            sessions.filter(pk__in=keys).update(device=F("device"))
            keys = list(empty.filter(pk__in=keys).values_list("pk", flat=True))
            purged += events.filter(session__in=keys).delete()[0]
            purged += sessions.filter(pk__in=keys).delete()[0]
    return purged
