"""A learner's own sessions: which are told, and which may be ended by whom."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from convai_tokens.lifecycle import own_sessions as module
from convai_tokens.lifecycle.own_sessions import (
    end_other_sessions,
    end_own_session,
    own_sessions,
)
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenEvent
from convai_tokens.models.moments import utc_now
from tests.builders import make_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(learner: Any, make_user: Any) -> list[LearnerSession]:
    """Three open sessions of the learner, beside an ended one and another learner's."""
    now = utc_now()
    make_session(learner, ended_at=now, end_reason=EndReason.LOGOUT)
    make_session(make_user("another"))
    return [make_session(learner, started_at=now - timedelta(minutes=n)) for n in range(3)]


def test_the_open_ones_are_told_newest_first_with_their_live_tokens(
    learner: Any, three: list[LearnerSession], django_assert_num_queries: Any
) -> None:
    soon, past = utc_now() + timedelta(hours=1), utc_now() - timedelta(hours=1)
    for status, expires in (("active", soon), ("active", past), ("revoked", soon)):
        ConvaiToken.objects.create(session=three[1], status=status, expires_at=expires)

    with django_assert_num_queries(2):
        found = own_sessions(learner, [three[2].pk])

    assert [it.session for it in found] == three
    assert [(it.live_tokens, it.is_current) for it in found] == [
        (0, False),
        (1, False),
        (0, True),
    ]


def test_no_more_than_so_many_are_told(
    learner: Any, three: list[LearnerSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 2)

    assert [it.session for it in own_sessions(learner, [])] == three[:2]


def test_one_of_the_learners_ends_by_the_learner(learner: Any, three: list[LearnerSession]) -> None:
    assert end_own_session(learner, three[0].pk)
    assert not end_own_session(learner, three[0].pk)

    assert TokenEvent.objects.get().actor == learner


def test_another_learners_does_not_end(learner: Any, three: list[LearnerSession]) -> None:
    others = LearnerSession.objects.exclude(user=learner).get()

    assert not end_own_session(learner, others.pk)
    assert not end_own_session(learner, uuid.uuid4())
    assert not TokenEvent.objects.exists()


def test_all_others_end_and_this_one_goes_on(learner: Any, three: list[LearnerSession]) -> None:
    assert end_other_sessions(learner, [three[1].pk]) == 2

    assert LearnerSession.objects.get(user=learner, ended_at=None) == three[1]


def test_without_a_session_of_this_one_all_end(learner: Any, three: list[LearnerSession]) -> None:
    assert end_other_sessions(learner, [uuid.uuid4()]) == 3
