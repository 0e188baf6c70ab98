"""Events are counted by the hour, and once more from a margin before the latest hour."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from convai_tokens.lifecycle.counting import count_events, purge_counts
from convai_tokens.models import EventCount
from convai_tokens.models.moments import utc_now

from .events import add_events, never

pytestmark = pytest.mark.django_db


def counts() -> dict[str, int]:
    totals: dict[str, int] = {}
    for kind, count in EventCount.objects.values_list("kind", "count"):
        totals[kind] = totals.get(kind, 0) + count
    return totals


def test_each_hour_has_a_count_for_each_kind_that_it_saw() -> None:
    hour = utc_now().replace(minute=30, second=0, microsecond=0) - timedelta(hours=5)
    add_events(3, minutes=0, at=hour)
    add_events(2, minutes=0, at=hour, kind="failed")
    add_events(1, minutes=0, at=hour + timedelta(hours=3))

    assert count_events(never) == 3

    found = EventCount.objects.order_by("hour", "kind").values_list("hour", "kind", "count")
    start = hour.replace(minute=0)
    assert [*found] == [
        (start, "failed", 2),
        (start, "generated", 3),
        (start + timedelta(hours=3), "generated", 1),
    ]


def test_what_came_late_is_counted_by_the_next_pass_and_a_pass_without_news_changes_nothing() -> (
    None
):
    add_events(1, minutes=0.1)
    add_events(1, minutes=300)
    count_events(never)
    assert count_events(never) == 0

    add_events(2, minutes=0.1, kind="failed")
    add_events(1, minutes=0.1)
    count_events(never)

    assert counts() == {"generated": 3, "failed": 2}


def test_nothing_older_than_the_retention_is_counted_and_old_counts_go() -> None:
    add_events(1, minutes=181 * 1440)
    assert count_events(never) == 0

    EventCount.objects.create(hour=utc_now() - timedelta(days=181), kind="failed", count=1)
    assert purge_counts() == 1


def test_a_sweep_that_is_told_to_stop_counts_nothing() -> None:
    add_events(1, minutes=5)

    assert count_events(lambda: True) == 0


def test_of_two_sweeps_at_once_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    add_events(1, minutes=5)

    def taken(self: Any, rows: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr(type(EventCount.primary.all()), "bulk_create", taken)

    assert count_events(never) == 0
