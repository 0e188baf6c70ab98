"""End all learner sessions of a user: what that costs depends on those with live tokens.

They end at once. If there are many others, an ``EndOfSessions`` tells of theirs, so that they get
no token any more, and the sweep writes it into their rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q

from ..models import (
    LIVE,
    ConvaiToken,
    ConvaiTokenQuerySet,
    EndOfSessions,
    EndReason,
    LearnerSession,
    LearnerSessionQuerySet,
    TokenStatus,
    database,
)
from .ending import end_session, end_sessions
from .taking import take

FEW = 100  # sessions that a request may wait for
BATCH = 500  # sessions of one transaction

Stopped = Callable[[], bool]


def end_sessions_of_user(
    user_id: Any, reason: EndReason, *, stack: str = "", but: uuid.UUID | None = None
) -> int:
    """End the user's learner sessions, of one ``stack`` or of all, ``but`` one; return how many."""
    end = EndOfSessions(user_id=user_id, reason=reason, stack=stack, but=but)
    sessions = _sessions_of(end)
    is_deleted = reason == EndReason.USER_DELETED
    concerned = sessions if is_deleted else sessions.endable()
    ids = list(concerned.values_list("pk", flat=True)[: FEW + 1])
    is_many = len(ids) > FEW
    with transaction.atomic(using=database()):
        if is_many:
            end.save(using=database())
            ids = list(_with_tokens(user_id).values_list("session_id", flat=True).distinct())
        count = _end(sessions, ids, reason)
        if is_deleted:
            LearnerSession.primary.filter(pk__in=ids).update(user=None)
        return count + (sessions.filter(ended_at=None).count() if is_many else 0)


def _end(sessions: LearnerSessionQuerySet, ids: Sequence[uuid.UUID], reason: EndReason) -> int:
    """End those of the sessions that have these ids; return how many."""
    batches = (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
    found = (sessions.filter(pk__in=batch) for batch in batches)
    return sum(end_sessions(some, reason, patient=True) for some in found)


def _with_tokens(user_id: Any) -> ConvaiTokenQuerySet:
    """Return the user's tokens that may be alive, as an index tells: no value of theirs is read."""
    unwiped = Q(status=TokenStatus.EXPIRED, next_attempt_at__isnull=False)
    return ConvaiToken.primary.filter(Q(status__in=LIVE) | unwiped, session__user_id=user_id)


def write_end(session: LearnerSession) -> None:
    """Write into a session's row that it has ended together with its user's others."""
    if session._state.adding or session.has_ended:
        return
    end = EndOfSessions.of(session.pk, session.user_id, session.stack, session.started_at).first()
    if end is not None and end_session(session.pk, end.reason):
        session.refresh_from_db(using=database())


def write_ends(stopped: Stopped) -> int:
    """Write what was left to the sweep; return how many sessions it ended."""
    return sum(_write(end, stopped) for end in EndOfSessions.primary.order_by("pk"))


def _write(end: EndOfSessions, stopped: Stopped) -> int:
    started = _sessions_of(end).filter(started_at__lte=end.at)
    count = end_all(started, end.reason, stopped)
    is_done = not started.endable().exists()
    if end.reason == EndReason.USER_DELETED and not _is_there(end.user_id):
        of_nobody = LearnerSession.primary.filter(user_id=end.user_id)
        full = True
        while full and not stopped():
            with transaction.atomic(using=database()):
                full = len(take(of_nobody, BATCH, user=None)) == BATCH
        is_done = not of_nobody.exists()
    if is_done:  # rows that somebody else has locked are left for the next pass
        end.delete(using=database())
    return count


def end_all(sessions: LearnerSessionQuerySet, reason: str, stopped: Stopped) -> int:
    """End these sessions in batches; return how many. The sweep revokes right afterwards."""
    count, full = 0, True
    while full and not stopped():
        with transaction.atomic(using=database()):
            taken = take(sessions.endable(), BATCH, device=F("device"))  # locks, no more
            # A second look, for what was committed while the first one was taken.
            still = sessions.filter(pk__in=[session.pk for session in taken])
            found = LearnerSession.primary.filter(pk__in=list(still.values_list("pk", flat=True)))
            count += end_sessions(found, reason, dispatch=False, patient=True)
        full = len(taken) == BATCH
    return count


def _is_there(user_id: Any) -> bool:
    users = get_user_model()._base_manager.using(database())
    return users.filter(pk=user_id).exists()


def _sessions_of(end: EndOfSessions) -> LearnerSessionQuerySet:
    sessions = LearnerSession.primary.filter(user_id=end.user_id)
    if end.stack:
        sessions = sessions.filter(stack=end.stack)
    return sessions if end.but is None else sessions.exclude(pk=end.but)
