"""An order of staff as people see it."""

from __future__ import annotations

from datetime import UTC, datetime

from convai_tokens.models import StaffOrder


def test_an_order_goes_by_what_was_ordered_by_whom_and_when() -> None:
    at = datetime(2026, 11, 22, 14, tzinfo=UTC)

    assert (
        str(StaffOrder(kind="end", actor_name="admin", at=at)) == "end, admin, 2026-11-22 14:00:00"
    )
