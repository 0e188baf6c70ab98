"""How many tokens one learner gets in an hour, over all sessions: ``LEARNER_RATE``.

One row for each learner has the moment at which the whole allowance is free again (GCRA): a token
moves it on by one interval, and it may not be further away than an hour. So a token costs one
conditional UPDATE by the primary key, whatever the history, and processes agree on it without a
shared cache. Hosts whose clocks differ give or take so much of the hour.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Case, F, Value, When

from ..conf import app_settings
from ..exceptions import LearnerLimited
from ..models import LearnerRate, MomentField

logger = logging.getLogger("convai_tokens")

HOUR = timedelta(hours=1)


def take_from_rate(user_id: Any) -> None:
    """Count one more token for the learner; raise ``LearnerLimited`` if there are too many.

    Not in a transaction: its statements lock one row each, one after another, so that nobody who
    holds it waits for something else. (``user_id`` is None for a user who was deleted; those are
    not counted.)
    """
    if user_id is None or _take(user_id):
        return
    rows = LearnerRate.primary.filter(pk=user_id)
    until = rows.values_list("used_until", flat=True).first()
    if until is None:  # the learner's first
        LearnerRate.primary.bulk_create(
            [LearnerRate(user_id=user_id, used_until=datetime.now(UTC))], ignore_conflicts=True
        )
        if _take(user_id):
            return
        until = rows.values_list("used_until", flat=True).get()
    wait = max((until - datetime.now(UTC) - HOUR + _interval()).total_seconds(), 0.0)
    logger.info("A learner (user %s) has reached LEARNER_RATE for %.0f s.", user_id, wait)
    raise LearnerLimited(retry_after=wait)


def give_back_to_rate(user_id: Any) -> None:
    """Take back what was counted for a call that certainly generated nothing."""
    LearnerRate.primary.filter(pk=user_id).update(used_until=F("used_until") - _interval())


def _take(user_id: Any) -> bool:
    now, interval = datetime.now(UTC), _interval()
    free = LearnerRate.primary.filter(pk=user_id, used_until__lte=now + HOUR - interval)
    return (
        free.update(
            used_until=Case(
                When(used_until__lt=now, then=Value(now + interval, MomentField())),
                default=F("used_until") + interval,
                output_field=MomentField(),
            )
        )
        > 0
    )


def _interval() -> timedelta:
    """Return after how long one of the hour's tokens is free again."""
    return HOUR / app_settings.LEARNER_RATE
