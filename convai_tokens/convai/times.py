"""How the times in Convai's answers are read: a token's end, and ``Retry-After``.

``expirationTime`` is by Convai's clock. What this app stores and compares is by ours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from ..conf import app_settings

logger = logging.getLogger("convai_tokens")

DEFAULT_LIFETIME = timedelta(hours=1)  # what Convai's pages promise for a generated token
MAX_RETRY_AFTER = 3600.0  # a vendor that asks for more gets one probe an hour all the same
# ``Date`` has whole seconds, and an answer may be on its way for some.
CLOCKS_AGREE = timedelta(seconds=5)


@dataclass(frozen=True)
class Lifetime:
    """When a token ends, by our clock (aware UTC), and how far Convai's clock is ahead of ours."""

    expires_at: datetime
    clock_ahead: timedelta = timedelta()


def lifetime_of(given: object, headers: Mapping[str, str]) -> Lifetime:
    """Return the lifetime that ``expirationTime`` gives; one hour when it is of no use.

    It is measured on Convai's own clock where the answer has a ``Date``: ours may be wrong. A
    ``Date`` that makes no sense of it is not believed.
    """
    now, moment = datetime.now(UTC), _moment(given)
    ahead = _clock_ahead(headers, now)
    horizon: timedelta = app_settings.REVOKE_HORIZON
    if moment is not None:
        if not timedelta() < moment - now - ahead <= horizon:
            ahead = timedelta()
        if moment - now - ahead > horizon:
            logger.warning("Convai's expirationTime is beyond REVOKE_HORIZON; assuming that.")
            return Lifetime(now + horizon)
        if moment - ahead > now:
            return Lifetime(moment - ahead, ahead)
    wrong = "is missing or unreadable" if moment is None else "has passed already"
    logger.warning("Convai's expirationTime %s; assuming one hour.", wrong)
    return one_hour(headers)


def one_hour(headers: Mapping[str, str]) -> Lifetime:
    """Return the lifetime where Convai names none."""
    now = datetime.now(UTC)
    return Lifetime(now + DEFAULT_LIFETIME, _clock_ahead(headers, now))


def seconds_of(retry_after: str) -> float | None:
    """Return ``Retry-After`` in seconds, from a number or an HTTP date (RFC 9110, 10.2.3)."""
    given = retry_after.strip()
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        moment = _http_date(given)
        if moment is None:
            return None
        seconds = (moment - datetime.now(UTC)).total_seconds()
    # Written so that a NaN becomes 0 too.
    return min(seconds, MAX_RETRY_AFTER) if seconds > 0 else 0.0


def _clock_ahead(headers: Mapping[str, str], now: datetime) -> timedelta:
    """Return how far Convai's clock is ahead of ours; nothing where they agree.

    Nor where they are further apart than a token can live: no clock of a server is so wrong.
    """
    date = _http_date(headers.get("Date", ""))
    ahead = timedelta() if date is None else date - now
    return ahead if CLOCKS_AGREE < abs(ahead) <= app_settings.REVOKE_HORIZON else timedelta()


def _http_date(given: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(given: object) -> datetime | None:
    """Return a time as aware UTC, None if it is none.

    Convai shows ``...Z``, and elsewhere UTC without a suffix; an epoch number is accepted too.
    """
    try:
        if isinstance(given, str):
            moment = datetime.fromisoformat(given.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(given, (int, float)):
            return datetime.fromtimestamp(given, tz=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
