"""Rows for the tests of the lifecycle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from convai_tokens.lifecycle.sealing import seal
from convai_tokens.models import ConvaiToken, LearnerSession, TokenEvent
from convai_tokens.models.moments import utc_now
from convai_tokens.secret import Secret
from tests.builders import make_session


@pytest.fixture
def old_session(learner: Any) -> Callable[..., LearnerSession]:
    """Make a session of 200 days ago with one token in a given state."""

    def make(**fields: Any) -> LearnerSession:
        then = utc_now() - timedelta(days=200)
        session = make_session(learner, started_at=then, ended_at=then)
        token = ConvaiToken.objects.create(session=session, generated_at=then, **fields)
        if fields.get("sealed"):
            ConvaiToken.objects.filter(pk=token.pk).update(
                sealed=seal(Secret("a value"), token.pk, token.session_id)
            )
        TokenEvent.objects.create(session=session, token=token, kind="generated", at=then)
        TokenEvent.objects.create(session=session, kind="session_started", at=then)
        return session

    return make
