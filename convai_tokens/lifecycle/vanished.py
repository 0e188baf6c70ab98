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
from typing import Any, NamedTuple

from django.db import Error
from django.db.models import Q

from ..models import ConvaiToken, EndReason, LearnerSession, TokenStatus
from .credential import bearer_digests
from .ending_all import end_all

logger = logging.getLogger("convai_tokens")

BATCH = 500  # live tokens for which a stack is asked at once

# Takes ids of users, returns the identities of all that they may still present.
Living = Callable[[Collection[Any]], Iterable[str]]

_living: dict[str, Living] = {}


class Held(NamedTuple):
    """A learner session with a live token: its id, its user's, and its credential's digest."""

    session_id: uuid.UUID
    user_id: Any
    digest: str


def ask(stack: str, living: Living) -> None:
    """Have the sweep ask this login stack from now on."""
    _living[stack] = living


def end_vanished(stopped: Callable[[], bool]) -> int:
    """End the sessions with live tokens whose credentials are gone or expired; return how many."""
    count = 0
    for by_stack in _with_live_tokens() if _living else ():
        if stopped():
            break
        gone = [pk for stack, held in by_stack.items() for pk in _gone(stack, held)]
        if gone:
            sessions = LearnerSession.primary.filter(pk__in=gone)
            count += end_all(sessions, EndReason.CREDENTIAL_DELETED, stopped)
    return count


def _gone(stack: str, held: Collection[Held]) -> set[uuid.UUID]:
    """Return the ids of those sessions whose credential the stack doesn't know any more.

    Called after they were read: a credential is stored before its session is opened.
    """
    try:
        living = {*_living[stack]({it.user_id for it in held})}
    except Error:
        raise  # the sweep's to tell
    except Exception:
        logger.exception("The login stack %r doesn't tell what is still alive.", stack)
        return set()
    digests = {digest for identity in living for digest in bearer_digests(stack, identity)}
    return {it.session_id for it in held if it.digest not in digests}


def _with_live_tokens() -> Iterator[dict[str, list[Held]]]:
    """Yield open sessions with live tokens by their stacks, in batches, by the index of expiry."""
    tokens = ConvaiToken.primary.filter(
        status=TokenStatus.ACTIVE,
        expires_at__gt=datetime.now(UTC),
        session__stack__in=[*_living],
        session__ended_at=None,
        session__user__isnull=False,
    ).order_by("expires_at", "pk")
    of_session = ("session_id", "session__user_id", "session__credential_digest")
    found = tokens.values_list("expires_at", "pk", "session__stack", *of_session)
    rows = list(found[:BATCH])
    while rows:
        by_stack: dict[str, list[Held]] = {}
        for _, _, stack, *held in rows:
            by_stack.setdefault(stack, []).append(Held(*held))
        yield by_stack
        last, pk = rows[-1][:2]
        later = Q(expires_at__gt=last) | Q(expires_at=last, pk__gt=pk)
        rows = list(found.filter(later)[:BATCH]) if len(rows) == BATCH else []
