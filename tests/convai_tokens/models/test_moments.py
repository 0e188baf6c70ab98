"""Times are aware UTC, whatever the site's ``USE_TZ`` and time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from convai_tokens.models import LearnerSession
from convai_tokens.models.moments import MomentField, utc_now
from tests.builders import make_session

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(params=[True, False], ids=["USE_TZ", "no USE_TZ"])
def use_tz(request: Any, settings: Any) -> bool:
    """The setting, both ways, on a site whose clock isn't UTC."""
    settings.TIME_ZONE = "Europe/Berlin"
    settings.USE_TZ = request.param
    return bool(request.param)


def test_now_is_aware() -> None:
    assert utc_now().tzinfo is UTC


@pytest.mark.usefixtures("use_tz")
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_what_is_stored_is_read_as_aware_utc(learner: Any, zone: str) -> None:
    make_session(learner, started_at=NOON.astimezone(ZoneInfo(zone)))

    read = LearnerSession.objects.get().started_at

    assert read == NOON
    assert read.utcoffset() == timedelta()


@pytest.mark.usefixtures("use_tz")
def test_times_are_compared_as_instants(learner: Any) -> None:
    make_session(learner, started_at=NOON)
    sessions = LearnerSession.objects

    second = timedelta(seconds=1)
    assert sessions.filter(started_at__lte=NOON, started_at__gt=NOON - second).exists()
    assert not sessions.filter(started_at__gte=NOON + second).exists()
    assert sessions.filter(started_at=NOON).update(started_at=NOON + second) == 1


@pytest.mark.usefixtures("use_tz")
def test_both_of_an_hour_that_comes_twice_are_told_apart(learner: Any) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("Django reads local times there without the zone's second hour")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # both are 2:30 in Berlin
    for moment in (first, first + timedelta(hours=1)):
        make_session(learner, started_at=moment)

    read = LearnerSession.objects.order_by("started_at").values_list("started_at", flat=True)

    assert list(read) == [first, first + timedelta(hours=1)]


def test_a_time_of_the_sites_own_is_taken_as_local(use_tz: bool, learner: Any) -> None:
    if use_tz:
        pytest.skip("Django warns of naive times there")
    local = NOON.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None)
    make_session(learner, started_at=local)  # as the admin's filters ask

    assert LearnerSession.objects.get().started_at == NOON


def test_migrations_see_an_ordinary_field() -> None:
    assert MomentField().deconstruct()[1] == "django.db.models.DateTimeField"
