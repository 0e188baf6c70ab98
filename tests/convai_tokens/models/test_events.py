"""Events are added, and never changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from convai_tokens.models import (
    ConvaiToken,
    EventKind,
    TokenEvent,
)
from convai_tokens.models.events import APPEND_ONLY
from tests.builders import make_session


def test_a_row_goes_by_what_people_may_see(learner: Any) -> None:
    session = make_session(learner, started_at=datetime(2026, 11, 22, 14, tzinfo=UTC))
    token = ConvaiToken(pk=7, session=session, sealed="CANARY", fingerprint="0123456789ab")
    at = session.started_at

    assert str(session) == "learner, 2026-11-22 14:00:00"
    assert (str(token), str(ConvaiToken(pk=8))) == ("7 (0123456789ab)", "8 (generating)")
    assert str(TokenEvent(session=session, kind="owed", at=at)) == "owed 2026-11-22 14:00:00"


def test_an_event_is_never_changed_nor_deleted_by_its_model(learner: Any) -> None:
    event = TokenEvent.objects.create(session=make_session(learner), kind=EventKind.SESSION_STARTED)

    for change in (
        event.save,
        event.delete,
        TokenEvent.objects.all().delete,
        lambda: TokenEvent.objects.update(detail="another"),
        lambda: TokenEvent._base_manager.update(detail="another"),
    ):
        with pytest.raises(TypeError, match=APPEND_ONLY):
            change()
