"""The row of a learner's allowance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from convai_tokens.models import (
    LearnerRate,
)


def test_a_row_goes_by_its_learner_and_stays_when_that_is_deleted(learner: Any) -> None:
    until = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
    row = LearnerRate.objects.create(user=learner, used_until=until)
    key = learner.pk

    learner.delete()

    assert str(row) == f"{key}, 2026-11-22 14:00:00"
    assert LearnerRate.objects.get().user_id == key
