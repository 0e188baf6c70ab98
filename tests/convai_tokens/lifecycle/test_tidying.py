"""The steps of tidying up: what expires, is given up, ends or is purged, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction

from convai_tokens.exceptions import SessionEnded
from convai_tokens.lifecycle import tidying
from convai_tokens.lifecycle.ending import end_session
from convai_tokens.lifecycle.issuing import generate
from convai_tokens.lifecycle.sealing import key_ids
from convai_tokens.lifecycle.sweep import SweepReport, sweep
from convai_tokens.models import (
    ConvaiToken,
    EndReason,
    LearnerSession,
    TokenEvent,
    TokenStatus,
)
from convai_tokens.models.moments import utc_now
from tests.builders import make_session


def test_expired_tokens_are_marked_in_batches(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH", 3)
    session = make_session(learner, stack="session")
    past = utc_now() - timedelta(minutes=1)
    for _ in range(7):
        ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE, expires_at=past)
    ConvaiToken.objects.create(
        session=session, status=TokenStatus.ACTIVE, expires_at=utc_now() + timedelta(minutes=1)
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
    assert TokenEvent.objects.get().kind == "purged"
    assert not LearnerSession.objects.exists()


def test_what_is_owed_or_alive_is_never_purged(
    convai: Any, old_session: Callable[..., LearnerSession]
) -> None:
    convai.set(faults={"503": 1})
    now = utc_now()
    old_session(status=TokenStatus.REVOKING, sealed="x", owed_since=now, next_attempt_at=now)
    old_session(status=TokenStatus.ACTIVE, sealed="x", expires_at=now + timedelta(hours=1))
    old_session(status=TokenStatus.EXPIRED, sealed="x", expires_at=now)

    sweep(workers=1)

    assert LearnerSession.objects.count() == ConvaiToken.objects.count() == 3


def test_what_is_younger_than_the_retention_stays(
    old_session: Callable[..., LearnerSession], convai_settings: Callable[..., None]
) -> None:
    old_session(status=TokenStatus.REVOKED)
    convai_settings(RETENTION=timedelta(days=201))

    assert sweep(workers=1).purged == 0


def test_a_user_model_without_a_flag_for_activity_is_fine(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_field = type(learner)._meta.get_field

    def no_flag(name: str) -> Any:
        if name == "is_active":
            raise FieldDoesNotExist
        return get_field(name)

    monkeypatch.setattr(type(learner)._meta, "get_field", no_flag)

    assert tidying.end_sessions_of_lost_users(lambda: False) == 0


DAYS_AGO = timedelta(days=2)


def test_a_session_that_had_no_token_for_a_day_is_no_longer_open(learner: Any) -> None:
    began = utc_now() - DAYS_AGO
    unseen = make_session(learner, key_id=key_ids()[0], started_at=began)
    ConvaiToken.objects.create(session=unseen, status="revoked", generated_at=began)
    without_any = make_session(learner, key_id=key_ids()[0], started_at=began)

    assert sweep(workers=1).unseen == 2
    for session in (unseen, without_any):
        session.refresh_from_db()
        assert (session.end_reason, session.has_ended) == (EndReason.UNSEEN, False)
    assert TokenEvent.objects.filter(kind="session_ended", detail="unseen").count() == 2
    assert sweep(workers=1).unseen == 0


@pytest.mark.parametrize(
    "token",
    [
        {"status": "active", "sealed": "x", "expires_at": utc_now() + timedelta(hours=99)},
        {"status": "generating"},
        {"status": "revoking", "sealed": "x"},
        {"status": "expired", "sealed": "x"},
        {"status": "revoked", "generated_at": utc_now() - timedelta(hours=23)},
    ],
    ids=lambda token: token["status"],
)
def test_a_session_whose_token_may_live_or_was_generated_of_late_stays_open(
    learner: Any, token: dict[str, Any]
) -> None:
    session = make_session(learner, key_id=key_ids()[0], started_at=utc_now() - DAYS_AGO)
    began = {"generated_at": session.started_at}
    ConvaiToken.objects.create(session=session, **began | token)

    assert tidying.end_unseen(lambda: False) == 0


def test_a_session_that_is_seen_again_goes_on(convai: Any, learner: Any) -> None:
    session = make_session(learner, key_id=key_ids()[0], started_at=utc_now() - DAYS_AGO)
    tidying.end_unseen(lambda: False)
    session.refresh_from_db()

    generate(session)

    session.refresh_from_db()
    assert (session.ended_at, session.end_reason) == (None, "")
    assert convai.live()
    kinds = TokenEvent.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["session_ended", "session_resumed", "generated"]


def test_a_session_that_ended_while_it_was_unseen_does_not_go_on(convai: Any, learner: Any) -> None:
    session = make_session(learner, key_id=key_ids()[0], started_at=utc_now() - DAYS_AGO)
    tidying.end_unseen(lambda: False)

    assert end_session(session.pk, EndReason.LOGOUT)
    session.refresh_from_db()
    with pytest.raises(SessionEnded):
        generate(session)
    assert session.end_reason == EndReason.LOGOUT


def test_a_session_that_ended_of_late_stays_however_long_ago_it_began(
    old_session: Callable[..., LearnerSession],
) -> None:
    session = old_session(status=TokenStatus.REVOKED)
    LearnerSession.objects.update(ended_at=utc_now())
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
    past = utc_now() - timedelta(minutes=1)
    for _ in range(6):
        ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE, expires_at=past)
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 1

    assert tidying.expire(stopped) == 2

    past = utc_now() - timedelta(days=200)
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
