"""The tables' querysets: where they read, what is due, and how a status moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from convai_tokens.models import ConvaiToken, LearnerSession, TokenEvent, TokenStatus, database
from tests.builders import make_session
from tests.lms import routers


@pytest.mark.parametrize("model", [LearnerSession, ConvaiToken, TokenEvent])
def test_the_primary_manager_reads_where_the_rows_are_written(model: Any, settings: Any) -> None:
    settings.DATABASE_ROUTERS = [routers.PATH]

    assert model.objects.all().db == "a replica"
    assert model.primary.all().db == database() == "default"


def test_a_status_moves_from_where_it_may_and_from_nowhere_else(learner: Any) -> None:
    token = ConvaiToken.objects.create(session=make_session(learner))
    move = ConvaiToken.objects.move

    assert move(token.pk, TokenStatus.GENERATING, to=TokenStatus.ACTIVE, fingerprint="f")
    assert not move(token.pk, TokenStatus.GENERATING, to=TokenStatus.FAILED, fingerprint="g")

    token.refresh_from_db()
    assert (token.status, token.fingerprint) == (TokenStatus.ACTIVE, "f")


@pytest.mark.parametrize(
    ("changes", "is_due"),
    [
        ({}, True),
        ({"status": TokenStatus.ACTIVE}, False),
        ({"sealed": ""}, False),
        ({"next_attempt_at": None}, False),
        ({"next_attempt_at": timedelta(seconds=5)}, False),
        ({"claimed_until": timedelta(seconds=5)}, False),
        ({"claimed_until": timedelta(seconds=-5)}, True),
    ],
)
def test_an_owed_revocation_is_due_when_its_time_has_come_and_nobody_holds_it(
    changes: dict[str, Any], is_due: bool, learner: Any
) -> None:
    now = timezone.now()
    fields = {"status": TokenStatus.REVOKING, "sealed": "v1.x", "next_attempt_at": now, **changes}
    fields = {
        name: now + value if isinstance(value, timedelta) else value
        for name, value in fields.items()
    }
    ConvaiToken.objects.create(session=make_session(learner), **fields)

    assert ConvaiToken.objects.due(now).exists() is is_due


def test_an_open_session_is_locked_and_one_that_has_ended_is_not(learner: Any) -> None:
    session, ended = make_session(learner), make_session(learner, ended_at=timezone.now())

    assert LearnerSession.objects.lock_open(session.pk)
    assert not LearnerSession.objects.lock_open(ended.pk)
    assert list(LearnerSession.objects.open()) == [session]


def test_a_row_goes_by_what_people_may_see(learner: Any) -> None:
    session = make_session(learner, started_at=datetime(2026, 11, 22, 14, tzinfo=UTC))
    token = ConvaiToken(pk=7, session=session, sealed="CANARY", fingerprint="0123456789ab")
    at = session.started_at

    assert str(session) == "learner, 2026-11-22 14:00:00"
    assert (str(token), str(ConvaiToken(pk=8))) == ("7 (0123456789ab)", "8 (generating)")
    assert str(TokenEvent(session=session, kind="owed", at=at)) == "owed 2026-11-22 14:00:00"
