"""The steps of tidying up: what expires, is given up, ends or is purged, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.utils import timezone

from convai_tokens.lifecycle import tidying
from convai_tokens.lifecycle.sweep import SweepReport, sweep
from convai_tokens.models import ConvaiToken, LearnerSession, TokenEvent, TokenStatus
from tests.builders import make_session


def test_expired_tokens_are_marked_in_batches(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH", 3)
    session = make_session(learner)
    past = timezone.now() - timedelta(minutes=1)
    for _ in range(7):
        ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE, expires_at=past)
    ConvaiToken.objects.create(
        session=session, status=TokenStatus.ACTIVE, expires_at=timezone.now() + timedelta(minutes=1)
    )

    assert sweep(workers=1).expired == 7
    assert ConvaiToken.objects.filter(status=TokenStatus.ACTIVE).count() == 1
    assert TokenEvent.objects.filter(kind="expired").count() == 7


def test_what_is_older_than_the_retention_is_purged(
    old_session: Callable[..., LearnerSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH", 2)
    for status in tidying.DEAD:
        old_session(status=status)

    assert sweep(workers=1).purged == 4 * len(tidying.DEAD)
    assert not TokenEvent.objects.exists()
    assert not LearnerSession.objects.exists()


def test_what_is_owed_or_alive_is_never_purged(
    convai: Any, old_session: Callable[..., LearnerSession]
) -> None:
    convai.set(faults={"503": 1})
    now = timezone.now()
    old_session(status=TokenStatus.REVOKING, sealed="x", owed_since=now, next_attempt_at=now)
    old_session(status=TokenStatus.ACTIVE, sealed="x", expires_at=now + timedelta(hours=1))
    old_session(status=TokenStatus.EXPIRED, sealed="x", expires_at=now)

    assert sweep(workers=1).purged == 0
    assert LearnerSession.objects.count() == 3


def test_what_is_younger_than_the_retention_stays(
    old_session: Callable[..., LearnerSession], convai_settings: Callable[..., None]
) -> None:
    old_session(status=TokenStatus.REVOKED)
    convai_settings(RETENTION=timedelta(days=201))

    assert sweep(workers=1).purged == 0


def test_a_user_model_without_a_flag_for_activity_is_fine(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_field(name: str) -> None:
        raise FieldDoesNotExist

    monkeypatch.setattr(type(learner)._meta, "get_field", no_field)

    assert tidying.end_sessions_of_lost_users(lambda: False) == 0


def test_a_session_that_ended_of_late_stays_however_long_ago_it_began(
    old_session: Callable[..., LearnerSession],
) -> None:
    session = old_session(status=TokenStatus.REVOKED)
    LearnerSession.objects.update(ended_at=timezone.now())
    TokenEvent.objects.create(session=session, kind="session_ended")

    sweep(workers=1)

    assert LearnerSession.objects.get() == session
    assert TokenEvent.objects.filter(kind="session_ended").exists()


def test_a_token_that_is_being_generated_saves_its_old_session_from_the_purge(
    old_session: Callable[..., LearnerSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = old_session(status=TokenStatus.REVOKED)
    ConvaiToken.objects.all().delete()
    LearnerSession.objects.update(ended_at=None)
    atomic = transaction.atomic

    class GenerateFirst:
        """Generates between the purge's look and its transaction."""

        @staticmethod
        def atomic(**kwargs: Any) -> Any:
            ConvaiToken.objects.get_or_create(session=session, status=TokenStatus.GENERATING)
            return atomic(**kwargs)

    monkeypatch.setattr(tidying, "transaction", GenerateFirst)

    assert tidying.purge(lambda: False) == 0
    assert ConvaiToken.objects.get().session == session


def test_a_stop_is_heard_between_the_batches_of_every_step(
    learner: Any, old_session: Callable[..., LearnerSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH", 2)
    session = make_session(learner)
    past = timezone.now() - timedelta(minutes=1)
    for _ in range(6):
        ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE, expires_at=past)
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 1

    assert tidying.expire(stopped) == 2

    past = timezone.now() - timedelta(days=200)
    for fields in (
        {"status": TokenStatus.GENERATING},
        {
            "status": TokenStatus.REVOKING,
            "sealed": "x",
            "owed_since": past,
            "next_attempt_at": past,
        },
        {"status": TokenStatus.EXPIRED, "sealed": "x", "next_attempt_at": past},
        {"status": TokenStatus.REVOKED},
    ):
        old_session(**fields)
    LearnerSession.objects.filter(pk=session.pk).update(user=None)
    before = SweepReport(owed=1)
    assert sweep(workers=2, stopped=lambda: True) == before
