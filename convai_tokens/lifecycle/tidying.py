"""The sweep's steps: calls that died, tokens that expired, lost users and keys, old rows.

Each step is safe to run in any number of processes at once. It works in batches, each with a
transaction of its own, leaves out the sessions and tokens that others have locked, and asks between
the batches whether it is to stop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q

from ..conf import app_settings
from ..models import (
    ConvaiToken,
    ConvaiTokenQuerySet,
    EndReason,
    EventKind,
    LearnerRate,
    LearnerSession,
    LearnerSessionQuerySet,
    TokenStatus,
    database,
)
from .audit import event, record_all
from .chain import purge_events
from .counting import purge_counts
from .ending import revocable
from .ending_all import end_all
from .orders import purge_orders
from .processes import purge_states
from .rate import HOUR
from .sealing import key_ids
from .taking import take

logger = logging.getLogger("convai_tokens")

UNSEEN = timedelta(days=1)
STALE = timedelta(minutes=2)  # a generate call that hasn't come back by then has died
BATCH = 500
DEAD = (
    TokenStatus.REVOKED,
    TokenStatus.GONE,
    TokenStatus.LAPSED,
    TokenStatus.FAILED,
    TokenStatus.UNKNOWN,
)

Stopped = Callable[[], bool]


def end_sessions_of_lost_users(stopped: Stopped) -> int:
    """End the open sessions of users who were deactivated or vanished without a signal."""
    user = get_user_model()._base_manager.filter(pk=OuterRef("user_id"))
    lost = {EndReason.USER_DELETED: Q(~Exists(user))}
    try:
        get_user_model()._meta.get_field("is_active")
    except FieldDoesNotExist:
        pass
    else:
        inactive = get_user_model()._base_manager.filter(is_active=False)
        lost[EndReason.USER_DEACTIVATED] = Q(user__in=inactive.values("pk"))
    opened = LearnerSession.primary.open()
    return sum(end_all(opened.filter(which), reason, stopped) for reason, which in lost.items())


def end_sessions_of_lost_keys(stopped: Stopped) -> int:
    """End the open sessions whose digests no present encryption key makes; return how many.

    Nothing finds them any more: their bearers live on, and their logouts would end nothing.
    """
    count = sum(end_all(sessions_of_key(key), EndReason.KEY_LOST, stopped) for key in lost_keys())
    if count:
        logger.error(
            "%d learner sessions were digested under an encryption key that is gone (a new "
            "SECRET_KEY counts), so that no logout would have found them; they were ended.",
            count,
        )
    return count


def lost_keys() -> list[str]:
    """Return the ids of the keys that digested some session, and are no encryption key any more."""
    present, lost, last = key_ids(), [], ""
    # One look into the index for each key: to list them all at once would read all of it.
    while key := LearnerSession.primary.filter(key_id__gt=last).aggregate(it=Min("key_id"))["it"]:
        lost += [key] if key not in present else []
        last = key
    return lost


def sessions_of_key(key_id: str) -> LearnerSessionQuerySet:
    """Return the open sessions that this key digested."""
    return LearnerSession.primary.open().filter(key_id=key_id)


def end_unseen(stopped: Stopped) -> int:
    """End open sessions that had no token for a day, so that they don't pile up; return how many.

    Nobody tells of the end of a browser that was closed. Should the credential be presented again,
    the session goes on.
    """
    before = datetime.now(UTC) - UNSEEN
    tokens = ConvaiToken.primary.filter(session=OuterRef("pk"))
    seen = tokens.filter(revocable() | Q(status=TokenStatus.REVOKING) | Q(generated_at__gt=before))
    # By the index: of present keys, for the sessions of others have ended already.
    old = LearnerSession.primary.open().filter(key_id__in=key_ids(), started_at__lt=before)
    return end_all(old.filter(~Exists(seen)), EndReason.UNSEEN, stopped)


def lapse(stopped: Stopped) -> int:
    """Give up what could not be confirmed within ``REVOKE_HORIZON``, and wipe its value."""
    now = datetime.now(UTC)
    unclaimed = Q(claimed_until=None) | Q(claimed_until__lt=now)
    overdue = (
        ConvaiToken.primary.owed().filter(unclaimed, owed_since__lt=_horizon()).exclude(sealed="")
    )
    detail = "Not confirmed within REVOKE_HORIZON"
    dead = {"status": TokenStatus.LAPSED, "sealed": "", "claimed_until": None}
    count = _update_all(overdue, stopped, EventKind.LAPSED, detail, **dead)
    if count:
        logger.error("%d tokens lapsed: Convai confirmed their revocation to nobody.", count)
    return count


def give_up_generating(stopped: Stopped) -> int:
    """Mark generate calls that died as unknown: Convai may hold a token that nobody has.

    Among them are those whose session ended meanwhile: owed, without a value and so without a time
    for an attempt.
    """
    old = ConvaiToken.primary.filter(generated_at__lt=datetime.now(UTC) - STALE)
    generating = old.filter(status=TokenStatus.GENERATING)
    valueless = old.filter(status=TokenStatus.REVOKING, next_attempt_at=None, sealed="")
    detail = "The process died while Convai was generating"
    return sum(
        _update_all(died, stopped, EventKind.UNKNOWN, detail, status=TokenStatus.UNKNOWN)
        for died in (generating, valueless)
    )


def expire(stopped: Stopped) -> int:
    """Mark active tokens whose time has passed by our clock as expired; keep their values.

    By our clock isn't for certain: whoever has the token may have extended it. So the value is
    kept until the horizon, when ``wipe_expired`` takes its turn (``next_attempt_at``).
    """
    passed = ConvaiToken.primary.filter(
        status=TokenStatus.ACTIVE, expires_at__lte=datetime.now(UTC)
    )
    horizon: timedelta = app_settings.REVOKE_HORIZON
    wipe_at = F("expires_at") + horizon
    return _update_all(
        passed, stopped, EventKind.EXPIRED, status=TokenStatus.EXPIRED, next_attempt_at=wipe_at
    )


def wipe_expired(stopped: Stopped) -> int:
    """Wipe the values of expired tokens that can't be alive any more; return how many."""
    due = ConvaiToken.primary.filter(
        status=TokenStatus.EXPIRED, next_attempt_at__lte=datetime.now(UTC)
    )
    return _update_all(due, stopped, sealed="", next_attempt_at=None)


def _horizon() -> Any:
    return datetime.now(UTC) - app_settings.REVOKE_HORIZON


def _update_all(
    found: ConvaiTokenQuerySet,
    stopped: Stopped,
    kind: EventKind | None = None,
    detail: str = "",
    **fields: Any,
) -> int:
    """Update all these tokens, with an event each if it is of a ``kind``; return how many.

    Afterwards they must not be found any more. In no order: the rows that are left are few, and an
    order by the primary key would have the database read the whole table for them.
    """
    count, full = 0, True
    while full and not stopped():
        with transaction.atomic(using=database()):
            batch = take(found, BATCH, **fields)
            if kind is not None:
                record_all([event(kind, token.session_id, token.pk, detail) for token in batch])
        count += len(batch)
        full = len(batch) == BATCH
    return count


def purge(stopped: Stopped) -> int:
    """Delete what is older than ``RETENTION``, and nothing that is owed; return how many rows.

    A session's age counts from its end, or from its start where no end was seen. Events go by
    their own age, in the order of the chain (``purge_events``).
    """
    retention: timedelta = app_settings.RETENTION
    before = datetime.now(UTC) - retention
    tokens = ConvaiToken.primary
    sessions = LearnerSession.primary
    purged = 0
    dead = Q(status__in=DEAD) | Q(status=TokenStatus.EXPIRED, sealed="")
    old = tokens.filter(dead, generated_at__lt=before).order_by("generated_at")
    while not stopped() and (ids := list(old.values_list("pk", flat=True)[:BATCH])):
        with transaction.atomic(using=database()):
            purged += tokens.filter(dead, pk__in=ids).delete()[0]
    ended_before = Q(ended_at__lt=before) | Q(ended_at=None)
    empty = sessions.filter(
        ended_before,
        ~Exists(tokens.filter(session=OuterRef("pk"))),
        started_at__lt=before,
    ).order_by("started_at")
    full = True
    while full and not stopped():
        with transaction.atomic(using=database()):
            # Locked first, as generating does: a token that is being generated is seen by the
            # second look, or comes too late for a session that is gone.
            taken = take(empty, BATCH, device=F("device"))
            keys = [session.pk for session in taken]
            keys = list(empty.filter(pk__in=keys).values_list("pk", flat=True))
            purged += sessions.filter(pk__in=keys).delete()[0]
        full = len(taken) == BATCH
    purged += purge_events(stopped) + purge_counts() + purge_states() + purge_orders()
    purged += LearnerRate.primary.filter(used_until__lt=datetime.now(UTC) - HOUR).delete()[0]
    return purged
