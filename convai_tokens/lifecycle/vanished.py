"""Credentials that ended where nobody told of it: the sweep asks their login stacks.

An expiry that no request has met, rows deleted by raw SQL or ``queryset.update()``: the stack knows
by its table what of a user's may still be presented. Asked for learner sessions with live tokens
alone, since nothing hangs on the others.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import Error
from django.db.models import Q

from ..models import ConvaiToken, EndReason, LearnerSession, TokenStatus
from .credential import bearer_digests
from .ending_all import end_all

logger = logging.getLogger("convai_tokens")

BATCH = 500  # live tokens for which a stack is asked at once

# Takes ids of users, returns the identities of all that they may still present.
Living = Callable[[Collection[Any]], Iterable[str]]
Row = tuple[uuid.UUID, Any, str]  # a session's id, its user's, its credential's digest

_living: dict[str, Living] = {}


def ask(stack: str, living: Living) -> None:
    """Have the sweep ask this login stack from now on."""
    _living[stack] = living


def end_vanished(stopped: Callable[[], bool]) -> int:
    """End the sessions with live tokens whose credentials are gone or expired; return how many."""
    return sum(_end_vanished_of(stack, stopped) for stack in [*_living])


def _end_vanished_of(stack: str, stopped: Callable[[], bool]) -> int:
    count = 0
    for rows in _with_live_tokens(stack):
        if stopped():
            break
        try:
            gone = _gone(stack, rows)
        except Error:
            raise  # the sweep's to tell
        except Exception:
            logger.exception("The login stack %r doesn't tell what is still alive.", stack)
            break
        if gone:
            sessions = LearnerSession.primary.filter(pk__in=gone)
            count += end_all(sessions, EndReason.CREDENTIAL_DELETED, stopped)
    return count


def _gone(stack: str, rows: Collection[Row]) -> set[uuid.UUID]:
    """Return the ids of those sessions whose credential the stack doesn't know any more.

    Called after ``rows`` were read: a credential is stored before its session is opened.
    """
    living = _living[stack]({user_id for _, user_id, _ in rows})
    digests = {digest for identity in living for digest in bearer_digests(stack, identity)}
    return {session_id for session_id, _, digest in rows if digest not in digests}


def _with_live_tokens(stack: str) -> Iterator[list[Row]]:
    """Yield open sessions of this stack with live tokens, in batches, by the index of expiry."""
    now = datetime.now(UTC)
    tokens = ConvaiToken.primary.filter(
        status=TokenStatus.ACTIVE, expires_at__gt=now, session__stack=stack, session__ended_at=None
    ).order_by("expires_at", "pk")
    found = tokens.values_list(
        "expires_at", "pk", "session_id", "session__user_id", "session__credential_digest"
    )
    rows = list(found[:BATCH])
    while rows:
        yield [row[2:] for row in rows if row[3] is not None]
        last, pk = rows[-1][:2]
        later = Q(expires_at__gt=last) | Q(expires_at=last, pk__gt=pk)
        rows = list(found.filter(later)[:BATCH]) if len(rows) == BATCH else []
