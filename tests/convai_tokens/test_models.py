"""The tables' querysets: where they read, what they lock, and how a status moves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from convai_tokens.models import ConvaiToken, TokenStatus
from tests.builders import make_session


def test_a_token_extended_in_the_meantime_is_not_expired(learner: Any) -> None:
    session = make_session(learner)
    past = timezone.now() - timedelta(minutes=1)
    token = ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE, expires_at=past)
    passed = ConvaiToken.objects.filter(status=TokenStatus.ACTIVE, expires_at__lte=timezone.now())
    found = list(passed)
    future = timezone.now() + timedelta(hours=1)
    ConvaiToken.objects.filter(pk=token.pk).update(expires_at=future)

    assert found == [token]
    assert passed.take(1, status=TokenStatus.EXPIRED) == []
    assert ConvaiToken.objects.get().status == TokenStatus.ACTIVE
