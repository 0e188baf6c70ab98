"""A count of events: one for each hour and kind."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError

from convai_tokens.models import EventCount

HOUR = datetime(2026, 11, 22, 14, tzinfo=UTC)


@pytest.mark.django_db
def test_an_hour_has_one_count_of_a_kind() -> None:
    first = EventCount.objects.create(hour=HOUR, kind="failed", count=2)

    assert str(first) == "2026-11-22 14, failed: 2"
    with pytest.raises(IntegrityError):
        EventCount.objects.create(hour=HOUR, kind="failed", count=3)
