"""Credentials that ended where nobody told of it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from rest_framework.authtoken.models import Token

from convai_tokens.contrib import authtoken
from convai_tokens.lifecycle import vanished
from convai_tokens.lifecycle.credential import bearer_digests
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession
from convai_tokens.models.moments import utc_now
from tests.builders import make_session

STACK = "custom"


def never() -> bool:
    return False


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The credentials that the stack of the test knows."""
    alive: list[str] = []

    def living(user_ids: Collection[Any]) -> list[str]:
        assert None not in user_ids
        return alive

    monkeypatch.setattr(vanished, "_living", {STACK: living})
    return alive


def session_with_token(user: Any, identity: str, **fields: Any) -> LearnerSession:
    """Make the session of a credential, with a token that is live unless the fields say more."""
    digest = bearer_digests(STACK, identity)[0]
    session = make_session(user, stack=STACK, credential_digest=digest)
    live = {"status": "active", "expires_at": utc_now() + timedelta(hours=1), "sealed": "x"}
    ConvaiToken.objects.create(session=session, **{**live, **fields})
    return session


def test_sessions_of_credentials_that_are_gone_end(learner: Any, alive: list[str]) -> None:
    alive.append("one that lives")
    lives = session_with_token(learner, "one that lives")
    gone = session_with_token(learner, "one that is gone")

    assert vanished.end_vanished(never) == 1

    lives.refresh_from_db()
    gone.refresh_from_db()
    assert (lives.ended_at, gone.end_reason) == (None, EndReason.CREDENTIAL_DELETED)
    assert ConvaiToken.objects.owed().get().session == gone
    assert vanished.end_vanished(never) == 0


@pytest.mark.parametrize(
    "fields", [{"status": "revoked"}, {"expires_at": utc_now() - timedelta(minutes=1)}]
)
def test_nobody_is_asked_where_nothing_is_alive(
    learner: Any, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    monkeypatch.setattr(vanished, "_living", {STACK: lambda ids: pytest.fail("asked")})
    session_with_token(learner, "a credential", **fields)

    assert vanished.end_vanished(never) == 0


def test_many_are_asked_for_in_batches(
    learner: Any, alive: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vanished, "BATCH", 3)
    same = utc_now() + timedelta(hours=1)
    for number in range(8):
        session_with_token(learner, str(number), expires_at=same)
    alive.append("5")

    assert vanished.end_vanished(never) == 7
    assert LearnerSession.objects.open().count() == 1


def test_it_stops_when_it_is_told_to(learner: Any, alive: list[str]) -> None:
    session_with_token(learner, "one that is gone")

    assert vanished.end_vanished(lambda: True) == 0


def test_a_stack_that_fails_costs_nobody_a_session(
    learner: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(user_ids: object) -> list[str]:
        raise LookupError("no such table")

    monkeypatch.setattr(vanished, "_living", {STACK: fail})
    session_with_token(learner, "a credential")

    with caplog.at_level(logging.ERROR, "convai_tokens"):
        assert sweep(workers=1).vanished == 0
    assert "'custom' doesn't tell" in caplog.text
    assert LearnerSession.objects.open().count() == 1


def test_a_failure_of_the_database_is_the_sweeps_to_count(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(user_ids: object) -> list[str]:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(vanished, "_living", {STACK: fail})
    session_with_token(learner, "a credential")

    with pytest.raises(OperationalError):
        vanished.end_vanished(never)


def test_a_row_that_raw_sql_deleted_is_missed(convai: Any, learner: Any, log_in: Any) -> None:
    log_in("/login/authtoken/")
    assert len(convai.live()) == 1
    assert sweep(workers=1).vanished == 0

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM authtoken_token")

    assert [*authtoken.living([learner.pk])] == []
    assert Token.objects.count() == 0
    assert sweep(workers=1).vanished == 1
    assert convai.live() == []
