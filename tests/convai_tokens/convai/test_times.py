"""A token's end and ``Retry-After``, in every form, and on whichever clock."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.convai_tokens.convai.servers import ConvaiSettings
from tests.convai_tokens.convai.vendor_answers import NOW, TOKEN, read

pytestmark = pytest.mark.usefixtures("at_two_o_clock")

ONE_HOUR = timedelta(hours=1)
HORIZON = timedelta(hours=25)


def ends(verb: str, given: Any, **headers: str) -> datetime:
    """Return the end that is read from an answer, by our clock."""
    end: datetime = read(
        verb, 200, {"apiAuthToken": TOKEN, "expirationTime": given}, **headers
    ).expires_at
    return end


@pytest.mark.parametrize(
    ("given", "end"),
    [
        pytest.param("2026-11-22T15:30:00Z", NOW + timedelta(minutes=90), id="Z"),
        pytest.param("2026-11-22T15:30:00.000250Z", None, id="Z with microseconds"),
        pytest.param("2026-11-22T15:30:00.000250", None, id="naive with microseconds"),
        pytest.param("2026-11-22T15:30:00", NOW + timedelta(minutes=90), id="naive"),
        pytest.param(" 2026-11-22T15:30:00Z\n", NOW + timedelta(minutes=90), id="blanks around"),
        pytest.param("2026-11-22T17:30:00+02:00", NOW + timedelta(minutes=90), id="offset"),
        pytest.param(int(NOW.timestamp()) + 5400, NOW + timedelta(minutes=90), id="epoch"),
        pytest.param(NOW.timestamp() + 5400.00025, None, id="epoch with a fraction"),
        pytest.param("2026-11-23T14:00:00Z", NOW + timedelta(hours=24), id="in 24 hours"),
    ],
)
@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_each_time_format_is_read_as_utc(verb: str, given: Any, end: datetime | None) -> None:
    expected = end or NOW + timedelta(minutes=90, microseconds=250)

    expires_at = ends(verb, given)

    assert expires_at == expected
    assert expires_at.tzinfo is UTC


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param("soon", id="words"),
        pytest.param("2026-13-45T99:00:00Z", id="no such day"),
        pytest.param("0001-01-01T00:00:00+23:59", id="before the first year"),
        pytest.param("9999-12-31T23:59:59-23:59", id="after the last year"),
        pytest.param([2026, 11, 22], id="list"),
        pytest.param({"at": "2026-11-22T15:30:00Z"}, id="object"),
        pytest.param(True, id="true"),
        pytest.param(float("nan"), id="NaN"),
        pytest.param(float("inf"), id="Infinity"),
        pytest.param(1e300, id="too far away"),
        pytest.param(10**400, id="beyond any float"),
        pytest.param(1795359600000, id="milliseconds"),
        pytest.param(-1, id="negative"),
        pytest.param("2026-11-22T14:00:00Z", id="this very second"),
        pytest.param("2026-11-22T13:59:59Z", id="passed"),
    ],
)
@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_a_time_of_no_use_means_one_hour_and_is_said_in_the_log(
    verb: str, given: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert ends(verb, given) == NOW + ONE_HOUR
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "expirationTime" in caplog.text
    assert "assuming one hour" in caplog.text


def test_generate_without_a_time_means_one_hour_and_is_said_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcome = read("generate", 200, {"apiAuthToken": TOKEN})

    assert outcome.expires_at == NOW + ONE_HOUR
    assert "expirationTime is missing" in caplog.text


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (" 5 ", 5.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("nan", 0.0),
        ("inf", 3600.0),
        ("86400", 3600.0),
        ("9" * 400, 3600.0),
        ("Sun, 22 Nov 2026 14:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 14:01:30 -0000", 90.0),
        ("Sun, 22 Nov 2026 16:01:30 +0200", 90.0),
        ("Sun, 22 Nov 2026 13:59:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 14:00:00 GMT", 3600.0),
        ("", None),
        ("soon", None),
        ("Sun, 99 Nov 2026 99:99:99 GMT", None),
        ("Sun, 22 Nov 99999999999 14:00:00 GMT", None),
        ("Sun, 22 Nov 2026 14:00:00 +" + "9" * 20, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_kept_within_an_hour(
    given: str, seconds: float | None
) -> None:
    assert read("generate", 503, Retry_After=given).retry_after == seconds


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("9999-12-31T23:59:59Z", id="year 9999"),
        pytest.param("9000-01-01T00:00:00", id="year 9000"),
        pytest.param(221845392000, id="year 9000 as a number"),
        pytest.param("2026-11-23T15:00:01Z", id="a second beyond 25 hours"),
    ],
)
@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_no_time_is_beyond_the_horizon_and_that_is_said_in_the_log(
    verb: str, given: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert ends(verb, given) == NOW + HORIZON
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "beyond REVOKE_HORIZON" in caplog.text


@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_a_time_within_the_horizon_is_taken_as_it_is(
    verb: str, convai_settings: ConvaiSettings, caplog: pytest.LogCaptureFixture
) -> None:
    in_24_9_hours = "2026-11-23T14:54:00Z"

    assert ends(verb, in_24_9_hours) == NOW + timedelta(hours=24.9)
    assert not caplog.records
    convai_settings(REVOKE_HORIZON=timedelta(hours=2))
    assert ends(verb, in_24_9_hours) == NOW + timedelta(hours=2)
    assert "beyond REVOKE_HORIZON" in caplog.text


@pytest.mark.parametrize(
    "ahead",
    [
        timedelta(seconds=6),
        -timedelta(seconds=6),
        timedelta(minutes=40),
        -timedelta(minutes=40),
        timedelta(hours=3),
        -timedelta(hours=3),
        timedelta(hours=23),
        -timedelta(hours=23),
    ],
    ids=str,
)
@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_where_the_clocks_differ_a_lifetime_is_measured_on_convais(
    verb: str, ahead: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = NOW + ahead
    answer = {"apiAuthToken": TOKEN, "expirationTime": (theirs + ONE_HOUR).isoformat()}

    outcome = read(verb, 200, answer, Date=format_datetime(theirs, usegmt=True))

    lifetime = outcome.lifetime if verb == "generate" else outcome
    assert (lifetime.expires_at, lifetime.clock_ahead) == (NOW + ONE_HOUR, ahead)
    assert not caplog.records


@pytest.mark.parametrize("ahead", [-5, -1, 0, 1, 5])
def test_clocks_that_differ_by_some_seconds_agree(ahead: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=ahead), usegmt=True)

    assert ends("generate", "2026-11-22T15:00:00Z", Date=date) == NOW + ONE_HOUR


@pytest.mark.parametrize(
    "date",
    [
        pytest.param("", id="empty"),
        pytest.param("yesterday", id="words"),
        pytest.param("Thu, 01 Jan 1970 00:00:00 GMT", id="1970"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", id="9999"),
        pytest.param("Sun, 22 Nov 2026 16:00:00 GMT", id="a token that is dead by it"),
        pytest.param("Sat, 21 Nov 2026 13:59:00 GMT", id="a token that lives for 25 hours by it"),
    ],
)
@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_a_date_that_makes_no_sense_is_not_believed(verb: str, date: str) -> None:
    assert ends(verb, "2026-11-22T15:00:00Z", Date=date) == NOW + ONE_HOUR


@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_without_a_time_of_use_convais_clock_is_told_all_the_same(verb: str) -> None:
    date = format_datetime(NOW + ONE_HOUR, usegmt=True)

    outcome = read(verb, 200, {"apiAuthToken": TOKEN, "ok": True}, Date=date)

    lifetime = outcome.lifetime if verb == "generate" else outcome
    assert (lifetime.expires_at, lifetime.clock_ahead) == (NOW + ONE_HOUR, ONE_HOUR)
