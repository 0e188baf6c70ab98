"""A learner's own open sessions: what each is, and how to end one or all others."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Count, Q

from ..models import EndReason, LearnerSession, TokenStatus
from .ending import end_sessions
from .ending_all import end_sessions_of_user

MOST = 100  # sessions that are told, the newest


class OwnSession(NamedTuple):
    """An open session of the learner's, and how many live tokens it has (times in aware UTC)."""

    session: LearnerSession
    live_tokens: int
    is_current: bool


def own_sessions(user: AbstractBaseUser, current: Collection[uuid.UUID]) -> list[OwnSession]:
    """Return the learner's open sessions, newest first; ``current`` are the ids of this one."""
    live = Q(tokens__status=TokenStatus.ACTIVE, tokens__expires_at__gt=datetime.now(UTC))
    found = LearnerSession.primary.open().filter(user_id=user.pk).order_by("-started_at", "-pk")
    sessions = list(found[:MOST])
    counted = LearnerSession.primary.filter(pk__in=[session.pk for session in sessions])
    counts = dict(counted.order_by().annotate(live=Count("tokens", live)).values_list("pk", "live"))
    return [OwnSession(it, counts.get(it.pk, 0), it.pk in current) for it in sessions]


def end_own_session(user: AbstractBaseUser, session_id: uuid.UUID) -> bool:
    """End one of the learner's sessions; return False if no open one of theirs has this id."""
    theirs = LearnerSession.primary.filter(pk=session_id, user_id=user.pk)
    return end_sessions(theirs, EndReason.LOGOUT, actor=user) == 1


def end_other_sessions(user: AbstractBaseUser, current: Collection[uuid.UUID]) -> int:
    """End all of the learner's sessions but this one; return how many."""
    stored = LearnerSession.primary.filter(pk__in=current, user_id=user.pk)
    but = stored.values_list("pk", flat=True).first()
    return end_sessions_of_user(user.pk, EndReason.LOGOUT_ALL, but=but)
