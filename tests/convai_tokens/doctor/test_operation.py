"""The steps on what is owed, and on the cache and the sweep that it needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from convai_tokens.doctor import operation
from convai_tokens.doctor.step import (
    Status,
)
from convai_tokens.lifecycle.processes import note_pass
from convai_tokens.models import ProcessState, TokenEvent
from convai_tokens.models.moments import utc_now
from tests.convai_tokens.doctor.findings import (
    FAILED,
    OK,
    WARNING,
    MakeToken,
    ago,
    make_owed,
    names_a_remedy,
    run_step,
)


@pytest.mark.django_db
def test_nothing_owed_is_ok() -> None:
    assert operation.owed().detail == "Revocations owed: 0."


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(minutes=3), OK),
        (timedelta(hours=1), WARNING),
        (timedelta(hours=13), FAILED),
    ],
)
def test_what_is_owed_is_judged_by_its_age(
    age: timedelta, status: Status, token_row: MakeToken
) -> None:
    make_owed(token_row, owed_since=utc_now() - age, last_error="convai_timeout: No answer.")
    make_owed(token_row)

    finding = operation.owed()

    assert finding.status is status
    assert finding.detail.startswith("Revocations owed: 2, the oldest for ")
    assert ("convai_timeout: No answer." in finding.detail) == (status is not OK)
    assert ".." not in finding.detail
    assert names_a_remedy(finding) == (status is not OK)


def test_what_is_owed_tells_when_its_next_try_is(token_row: MakeToken) -> None:
    """As after a 429 with a long Retry-After: all else is ok by then."""
    later = utc_now() + timedelta(minutes=40)
    make_owed(token_row, owed_since=ago(hours=1), next_attempt_at=later)

    assert "Its next try is in 40 min." in operation.owed().detail


def test_what_is_owed_beyond_the_horizon_is_no_matter_of_zero_seconds(
    token_row: MakeToken,
) -> None:
    make_owed(token_row, owed_since=ago(hours=28))

    finding = operation.owed()

    assert finding.status is FAILED
    assert "raise REVOKE_HORIZON" in finding.fix


def test_tokens_that_were_given_up_of_late_are_counted(
    token_row: MakeToken,
) -> None:
    before = operation.given_up()
    for kind, days in (("lapsed", 1), ("lapsed", 6), ("lapsed", 8), ("unknown", 2)):
        token = token_row("", status=kind)
        TokenEvent.objects.create(session=token.session, token=token, kind=kind, at=ago(days=days))

    finding = operation.given_up()

    assert before.status is OK
    assert finding.status is WARNING
    assert finding.detail == "Tokens of the last 7 days: 2 lapsed, 1 unknown."
    assert names_a_remedy(finding)


def test_a_cache_of_one_process_is_a_warning() -> None:
    assert operation.cache().status is WARNING
    assert names_a_remedy(operation.cache())


@pytest.mark.usefixtures("shared_cache")
def test_a_shared_cache_is_ok_and_keeps_nothing_of_the_doctor(tmp_path: Any) -> None:
    before = sorted(tmp_path.iterdir())

    finding = operation.cache()

    assert finding.status is OK
    assert sorted(tmp_path.iterdir()) == before


def test_a_cache_that_is_down_fails_without_its_address(settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "tests.convai_tokens.doctor.caches.BrokenCache", "LOCATION": ""}
    }

    findings = [run_step(operation.cache), run_step(operation.sweep)]

    assert [finding.status for finding in findings] == [FAILED, FAILED]
    assert all(names_a_remedy(finding) for finding in findings)
    assert "secret" not in repr(findings)


def test_a_cache_that_keeps_nothing_fails(settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "tests.convai_tokens.doctor.caches.SilentCache", "LOCATION": ""}
    }

    finding = operation.cache()

    assert finding.status is FAILED
    assert "keeps nothing" in finding.detail


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(seconds=50), OK),
        (timedelta(minutes=30), WARNING),
        (timedelta(hours=3), FAILED),
        (None, WARNING),
    ],
)
def test_the_sweep_is_judged_by_when_it_came_to_its_end(
    age: timedelta | None, status: Status
) -> None:
    if age is not None:
        note_pass(0)
        ProcessState.objects.update(at=utc_now() - age)

    finding = operation.sweep()

    assert finding.status is status
    assert ("convai_sweep" in finding.fix) == (status is not OK)


@pytest.mark.django_db
def test_a_sweep_of_which_each_pass_fails_is_told() -> None:
    note_pass(2)

    finding = operation.sweep()

    assert finding.status is FAILED
    assert "Each pass fails in 2 steps" in finding.detail


@pytest.mark.parametrize(
    ("swept", "fields", "status"),
    [
        (WARNING, {"next_attempt_at": 20}, FAILED),
        (OK, {"next_attempt_at": 20}, WARNING),
        (WARNING, {"next_attempt_at": 2}, OK),
        (WARNING, {"next_attempt_at": 20, "claimed_until": -1}, OK),
        (WARNING, {"next_attempt_at": 20, "claimed_until": 8}, FAILED),
    ],
)
def test_revocations_that_nobody_claims_say_that_the_sweep_is_not_running(
    swept: Status, fields: dict[str, int], status: Status, token_row: MakeToken
) -> None:
    make_owed(token_row, **{name: ago(minutes=minutes) for name, minutes in fields.items()})

    finding = operation.overdue(swept)

    assert finding.status is status
    assert ("isn't running" in finding.cause) == (status is FAILED)


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "40 s"), (720, "12 min"), (18000, "5 h"), (259200, "3 days")]
)
def test_ages_are_told_in_words(seconds: int, words: str) -> None:
    assert operation._age(timedelta(seconds=seconds)) == words
