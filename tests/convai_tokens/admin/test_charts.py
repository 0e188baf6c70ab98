"""The charts: what their bars count, in whose days, and what they say to who can't see them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import override_settings

from convai_tokens.admin.charts import DAYS, HEIGHT, HOURS, charts
from convai_tokens.models import EventCount

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 2, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(settings: Any) -> Iterator[None]:
    settings.TIME_ZONE = "UTC"
    with time_machine.travel(NOW, tick=False):
        yield


def count(hours_ago: int, kind: str, number: int) -> None:
    hour = NOW.replace(minute=0) - timedelta(hours=hours_ago)
    EventCount.objects.create(hour=hour, kind=kind, count=number)


def test_there_is_a_bar_for_each_hour_and_day_and_kinds_are_added_up(
    django_assert_num_queries: object,
) -> None:
    count(1, "failed", 3)
    count(1, "unknown", 2)
    count(30, "failed", 10)
    count(24 * 60, "failed", 1)

    found = {chart.name: chart for chart in charts()}

    hours, days = found["failed-hours"], found["failed-days"]
    assert (len(hours.bars), len(days.bars)) == (HOURS, DAYS)
    assert [bar.value for bar in hours.bars if bar.value] == [10, 5]
    assert [bar.height for bar in hours.bars if bar.value] == [HEIGHT, HEIGHT / 2]
    assert sum(bar.value for bar in days.bars) == 16
    assert hours.told.startswith("15 in all, the most 10 at ")
    assert "UTC" in hours.told
    assert found["generated-hours"].told == "None."


@override_settings(TIME_ZONE="America/New_York")
def test_days_are_those_of_the_sites_zone() -> None:
    count(1, "generated", 7)

    found = {chart.name: chart for chart in charts()}

    today = found["generated-days"].bars[-1]
    assert (today.value, today.label) == (7, "07/01/2026")
