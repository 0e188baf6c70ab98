"""Learner sessions end, and their tokens are marked for revocation."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from convai_tokens.lifecycle import ending
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenEvent, TokenStatus
from tests.builders import make_session


def test_a_second_end_of_the_same_session_changes_nothing(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    session = LearnerSession.objects.get()

    assert ending.end_session(session.pk, EndReason.API)
    assert not ending.end_session(session.pk, EndReason.STAFF)
    session.refresh_from_db()
    assert session.end_reason == EndReason.API


@pytest.fixture
def dispatched(transactional_db: None, convai_settings: Callable[..., None]) -> list[int]:
    """The ids of the tokens that the dispatcher was given."""
    given: list[int] = []
    convai_settings(DISPATCHER=given.extend)
    return given


def make_tokens(session: LearnerSession, **sealed_by_status: str) -> dict[str, ConvaiToken]:
    return {
        status: ConvaiToken.objects.create(session=session, status=status, sealed=sealed)
        for status, sealed in sealed_by_status.items()
    }


def test_what_may_be_alive_is_marked_for_revocation_and_the_rest_is_left_alone(
    learner: Any, dispatched: list[int]
) -> None:
    session = make_session(learner)
    tokens = make_tokens(session, active="v1.x", expired="v1.x", generating="", revoked="")
    wiped = ConvaiToken.objects.create(session=session, status=TokenStatus.EXPIRED)

    with transaction.atomic():
        count = ending.mark_for_revocation(ConvaiToken.objects.all(), detail="by a test")
        assert dispatched == []  # not before the commit

    owed = [tokens[status].pk for status in ("active", "expired", "generating")]
    assert count == 3
    assert list(ConvaiToken.objects.owed().order_by("pk").values_list("pk", flat=True)) == owed
    assert dispatched == owed
    assert TokenEvent.objects.filter(kind="owed", detail="by a test").count() == 3
    wiped.refresh_from_db()
    assert wiped.status == TokenStatus.EXPIRED


def test_a_token_that_is_still_being_generated_is_owed_without_a_time_for_an_attempt(
    learner: Any, dispatched: list[int]
) -> None:
    session = make_session(learner)
    make_tokens(session, active="v1.x", generating="")

    ending.revoke_tokens(ConvaiToken.objects.all(), detail="by a test")

    due = dict(ConvaiToken.objects.values_list("sealed", "next_attempt_at"))
    assert due[""] is None
    assert due["v1.x"] is not None
    session.refresh_from_db()
    assert session.ended_at is None  # it goes on


def test_an_end_that_is_not_to_be_dispatched_is_left_to_the_sweep(
    learner: Any, dispatched: list[int]
) -> None:
    session = make_session(learner)
    make_tokens(session, active="v1.x")

    ended = ending.end_sessions(
        LearnerSession.objects.filter(pk=session.pk), EndReason.STAFF, actor=learner, dispatch=False
    )

    assert ended == 1
    assert dispatched == []
    assert ConvaiToken.objects.owed().count() == 1
    assert set(TokenEvent.objects.values_list("kind", "actor")) == {
        ("session_ended", learner.pk),
        ("owed", learner.pk),
    }


def test_a_session_that_never_was_opened_cannot_end(db: None) -> None:
    assert not ending.end_session(uuid.uuid4(), EndReason.API)
    assert not TokenEvent.objects.exists()
