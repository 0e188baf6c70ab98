"""Learner sessions, and how one is locked."""

from __future__ import annotations

from typing import Any

from convai_tokens.models import (
    LearnerSession,
)
from convai_tokens.models.moments import utc_now
from tests.builders import make_session


def test_an_open_session_is_locked_and_one_that_has_ended_is_not(learner: Any) -> None:
    session, ended = make_session(learner), make_session(learner, ended_at=utc_now())

    assert LearnerSession.objects.lock_open(session.pk)
    assert not LearnerSession.objects.lock_open(ended.pk)
    assert list(LearnerSession.objects.open()) == [session]
