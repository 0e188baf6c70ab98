"""What the overview says of each thing that may be wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from convai_tokens.admin import health
from convai_tokens.admin.health import ATTENTION, BAD, OK, findings, headline
from convai_tokens.lifecycle.audit import record
from convai_tokens.lifecycle.processes import note_pass
from convai_tokens.models import (
    ConvaiToken,
    EventKind,
    ProcessState,
    TokenEvent,
    TokenStatus,
)
from convai_tokens.models.moments import utc_now
from tests.convai_tokens.admin.rows import make_session, make_token

pytestmark = pytest.mark.django_db


def told() -> dict[str, tuple[str, str]]:
    """Return level and text of each finding, by what looked."""
    names = ["convai", "failures", "sweep", "owed", "shut", "lapsed"]
    return {name: (it.level, it.text) for name, it in zip(names, findings(), strict=True)}


def test_all_is_well_where_a_sweep_came_to_its_end() -> None:
    note_pass(0)

    assert {finding.level for finding in findings()} == {OK}
    assert headline(findings()).text == "Convai tokens work."


def test_it_asks_as_often_whatever_it_finds(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(10):
        findings()


@pytest.mark.parametrize(
    ("part", "words"), [("generating", "their logins get no token"), ("revoking", "can't revoke")]
)
def test_processes_that_hold_convai_for_down_are_counted(part: str, words: str) -> None:
    for number, minutes in enumerate((5, 20, 90)):
        at = utc_now() - timedelta(minutes=minutes)
        ProcessState.objects.create(process=f"host:{number}", part=part, is_well=False, at=at)

    level, text = told()["convai"]

    assert level == BAD
    assert text.startswith("2 processes")
    assert words in text
    assert "20 min" in text


@pytest.mark.parametrize(("good", "bad", "level"), [(3, 0, OK), (3, 1, ATTENTION), (1, 2, BAD)])
def test_failures_of_the_last_hour_are_weighed_against_what_was_given(
    good: int, bad: int, level: str
) -> None:
    session = make_session()
    for kind, count in ((EventKind.GENERATED, good), (EventKind.FAILED, bad)):
        for _ in range(count):
            record(kind, session.pk)
    ConvaiToken.objects.create(session=session, status="failed", last_error="convai_timeout: x")

    found = findings()[1]

    assert (found.level, f"{good} tokens were given" in found.text) == (level, True)
    assert ("convai_timeout" in found.action) == (level != OK)


@pytest.mark.parametrize(
    ("minutes", "level"), [(1, OK), (30, BAD), (None, ATTENTION)], ids=["now", "late", "never"]
)
def test_the_sweep_is_judged_by_its_last_pass(minutes: float | None, level: str) -> None:
    if minutes is not None:
        note_pass(0)
        ProcessState.objects.update(at=utc_now() - timedelta(minutes=minutes))

    assert told()["sweep"][0] == level


def test_a_sweep_that_fails_says_in_how_many_steps() -> None:
    note_pass(2)

    assert told()["sweep"] == (BAD, "The sweep fails in 2 steps of each pass; its log tells why.")


@pytest.mark.parametrize(("minutes", "level"), [(2, OK), (40, ATTENTION)])
def test_what_is_owed_is_told_with_its_age_and_why(minutes: int, level: str) -> None:
    since = utc_now() - timedelta(minutes=minutes)
    make_token(status=TokenStatus.REVOKING, owed_since=since, last_error="convai_timeout: x")

    found = findings()[3]

    assert found.level == level
    assert found.text.startswith("1 revocation is owed, for ")
    assert ("convai_timeout" in found.action) == (level == ATTENTION)


def test_tokens_that_no_key_opens_are_told() -> None:
    make_token(status=TokenStatus.REVOKING, last_error="seal_broken: No key opens it.")

    assert told()["shut"] == (BAD, "1 token can't be revoked: no encryption key opens it.")


def test_lapsed_tokens_of_the_week_are_told() -> None:
    record(EventKind.LAPSED, make_session().pk)
    old = TokenEvent(kind=EventKind.LAPSED, at=utc_now() - timedelta(days=8))
    TokenEvent.objects.bulk_create([old])

    assert told()["lapsed"][0] == ATTENTION
    assert "1 token lapsed" in told()["lapsed"][1]


def test_counts_stop_at_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CAP", 1)
    make_token(value="one")
    make_token(value="two")

    assert health.capped(ConvaiToken.objects.all()) == 1


def test_the_worst_finding_decides_the_line_on_top() -> None:
    note_pass(2)

    assert headline(findings()).level == BAD
