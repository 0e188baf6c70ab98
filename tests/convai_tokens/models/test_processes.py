"""The state of a part of a process: one row for each."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError

from convai_tokens.models import ProcessState


@pytest.mark.django_db
def test_a_part_of_a_process_has_one_row() -> None:
    at = datetime(2026, 11, 22, 14, tzinfo=UTC)
    first = ProcessState.objects.create(process="host:7", part="revoking", is_well=True, at=at)

    assert str(first) == "host:7, revoking, 2026-11-22 14:00:00"
    with pytest.raises(IntegrityError):
        ProcessState.objects.create(process="host:7", part="revoking", is_well=False)
