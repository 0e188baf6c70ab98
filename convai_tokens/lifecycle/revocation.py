"""Owed revocations are made: claim, call Convai, record the outcome.

Any number of processes may do this at once. A claim is a lease in the row (``claimed_until``),
taken by a conditional UPDATE: a worker that dies holds nothing for longer than ``LEASE``.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import F

from .. import signals
from ..conf import app_settings
from ..convai.client import get_client
from ..exceptions import (
    ConvaiPaused,
    ConvaiTokensError,
    ConvaiUnavailable,
    ErrorCode,
    SealBroken,
    TokenGone,
    TokenRejected,
)
from ..models import ConvaiToken, ConvaiTokenQuerySet, EventKind, TokenStatus, database
from .audit import record, send_on_commit
from .processes import note_breakers
from .same_value import record_dead_with
from .sealing import unseal
from .taking import take

logger = logging.getLogger("convai_tokens")

# Short enough that what a killed worker held is revoked within a minute; longer where timeouts are.
LEASE = timedelta(seconds=30)
CLAIM = 4  # what one thread claims at once
# Seconds between the tries. The longest is short, because it is also how long a token outlives an
# outage; what spares a Convai that is down is the breaker.
FIRST_DELAY, LONGEST_DELAY = 2.0, 30.0
# Seconds, where the next try hardly goes better than the last: Convai rejects this token without
# saying why, or its value doesn't open.
LONGEST_DELAY_UNEXPLAINED = 600.0
LONGEST_EXPONENT = 16  # a delay grows no further, nor would a float
LOUD_ATTEMPTS = 3  # of one token, that are worth a warning each
# Of an expired token, minutes apart, after which it counts as gone. One that lives has any number:
# a gateway, a firewall or a wrong BASE_URL rejects it without a reason, until somebody mends that.
MAX_REJECTIONS = 3
NOT_UNDERSTOOD = ErrorCode.CONVAI_NOT_UNDERSTOOD


def attempt(token_ids: Sequence[int]) -> list[str]:
    """Try to revoke those of the tokens that are due and unclaimed; return how they died.

    Does nothing at all while Convai is known to be down: the sweep will do it.
    """
    outcomes: list[str | None] = []
    for start in range(0, len(token_ids), CLAIM):  # a lease is long enough for so many
        if get_client().revoking.pause_left:
            break
        ids = token_ids[start : start + CLAIM]
        outcomes += map(revoke_claimed, claim(CLAIM, ids))
    return [status for status in outcomes if status]


def revoke_claimed(token: ConvaiToken) -> str | None:
    """Ask Convai to revoke a claimed token; return its status if it is dead now, else None."""
    try:
        get_client().revoke(unseal(token.sealed, token.pk, token.session_id))
    except ConvaiTokensError as error:
        status = _record_attempt(token, error)
    else:
        status = _record_dead(token, TokenStatus.REVOKED, EventKind.REVOKED)
    note_breakers()
    return status


def claim(limit: int, token_ids: Sequence[int] | None = None) -> list[ConvaiToken]:
    """Take the lease on up to ``limit`` due revocations, or on those of ``token_ids``."""
    now = datetime.now(UTC)
    # Not by pk as well: of many that fell due at once, PostgreSQL would sort all for each claim.
    due = ConvaiToken.primary.due(now).order_by("next_attempt_at")
    if token_ids is not None:
        due = due.filter(pk__in=token_ids)
    until = now + lease()
    with transaction.atomic(using=database()):
        claimed = take(due, limit, claimed_until=until)
    for token in claimed:
        token.claimed_until = until
    return claimed


def make_due(tokens: ConvaiTokenQuerySet) -> int:
    """Let those of the tokens that are owed be tried now, however long ago or often they were."""
    return tokens.owed().exclude(sealed="").update(next_attempt_at=datetime.now(UTC))


def lease() -> timedelta:
    """Return how long a claim holds: longer than all calls of one claim, should each time out."""
    one_call = app_settings.CONNECT_TIMEOUT + app_settings.READ_TIMEOUT
    return max(LEASE, timedelta(seconds=(CLAIM + 1) * one_call))


def _held(token: ConvaiToken) -> ConvaiTokenQuerySet:
    """Return the row if the lease on it is still ours: nobody took it over."""
    standing = ConvaiToken.primary.standing([token.pk], TokenStatus.REVOKING)
    return standing.filter(claimed_until=token.claimed_until)


def _record_dead(token: ConvaiToken, status: str, kind: EventKind, detail: str = "") -> str:
    """Wipe the dead token's value and record how it died; return the status.

    Without regard to the lease: what Convai has confirmed is true whoever asked.
    """
    now = datetime.now(UTC)
    dead = {"sealed": "", "revoked_at": now, "claimed_until": None, "next_attempt_at": None}
    tokens = ConvaiToken.primary
    with transaction.atomic(using=database()):
        attempts = F("attempts") + 1
        if tokens.move(token.pk, TokenStatus.REVOKING, to=status, attempts=attempts, **dead):
            record(kind, token.session_id, token.pk, detail)
            send_on_commit(signals.token_revoked, token.pk)
    record_dead_with(token.pk, token.fingerprint, status)
    return status


def _record_attempt(token: ConvaiToken, error: ConvaiTokensError) -> str | None:
    """Note why the token isn't confirmed as revoked, and when to try again."""
    held = _held(token)
    if isinstance(error, ConvaiPaused):
        held.update(claimed_until=None)  # Convai wasn't called, so this was no attempt
        return None
    expired = token.expires_at is None or token.expires_at <= datetime.now(UTC)
    counts = expired and isinstance(error, TokenRejected)
    rejections = token.rejections + counts
    if isinstance(error, TokenGone) or rejections >= MAX_REJECTIONS:
        return _record_dead(token, TokenStatus.GONE, EventKind.GONE, error.describe())
    passes = isinstance(error, ConvaiUnavailable) and error.code != NOT_UNDERSTOOD
    level = logging.WARNING if passes else logging.ERROR
    if token.attempts >= LOUD_ATTEMPTS:
        level = logging.DEBUG  # an outage of a day would fill the log; the row keeps the last error
    logger.log(level, "Token %s is still owed: %s", token.pk, error.describe())
    is_unexplained = isinstance(error, (TokenRejected, SealBroken))
    longest = LONGEST_DELAY_UNEXPLAINED if is_unexplained else LONGEST_DELAY
    earlier = LONGEST_EXPONENT if counts else token.attempts  # so that what counts is far apart
    held.update(
        attempts=F("attempts") + 1,
        rejections=rejections,
        next_attempt_at=datetime.now(UTC) + delay(earlier, error.retry_after, longest),
        claimed_until=None,
        last_error=error.describe(),
    )
    return None


def delay(attempts: int, retry_after: float | None, longest: float = LONGEST_DELAY) -> timedelta:
    """Return how long to wait after ``attempts`` earlier tries: exponential, with jitter.

    At most ``longest`` seconds, but never shorter than Convai's ``Retry-After`` (seconds).
    """
    most = min(FIRST_DELAY * 2.0 ** min(attempts, LONGEST_EXPONENT), longest)
    # Full jitter would retry at once now and then; half of it still spreads the crowd.
    jittered = most * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
    return timedelta(seconds=max(jittered, retry_after or 0.0))
