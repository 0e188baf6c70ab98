"""Rows that are taken: those that still are as they were looked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from convai_tokens.lifecycle.taking import take
from convai_tokens.models import ConvaiToken, TokenStatus
from convai_tokens.models.moments import utc_now
from tests.builders import make_session


def test_a_row_that_has_changed_since_the_look_is_not_taken(learner: Any) -> None:
    session = make_session(learner)
    past = utc_now() - timedelta(minutes=1)
    token = ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE, expires_at=past)
    passed = ConvaiToken.objects.filter(status=TokenStatus.ACTIVE, expires_at__lte=utc_now())
    found = list(passed)
    future = utc_now() + timedelta(hours=1)
    ConvaiToken.objects.filter(pk=token.pk).update(expires_at=future)

    assert found == [token]
    assert take(passed, 1, status=TokenStatus.EXPIRED) == []
    assert ConvaiToken.objects.get().status == TokenStatus.ACTIVE


def test_no_more_rows_are_taken_than_asked_for_and_each_comes_as_it_was(learner: Any) -> None:
    session = make_session(learner)
    for _ in range(3):
        ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE)
    active = ConvaiToken.objects.filter(status=TokenStatus.ACTIVE)

    taken = take(active.order_by("pk"), 2, status=TokenStatus.EXPIRED)

    assert [token.status for token in taken] == [TokenStatus.ACTIVE] * 2
    assert active.get().pk > max(token.pk for token in taken)
