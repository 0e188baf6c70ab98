"""What a login ends that it has found. tests/stacks/test_kiosk.py has whole logins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DataError
from django.db.models.query import QuerySet
from django.test import RequestFactory

from convai_tokens.logins.kiosk import end_what_was_left
from convai_tokens.logins.notes import LoginNote
from convai_tokens.models import EndReason, LearnerSession
from tests.builders import make_session


def test_of_two_logins_at_once_the_later_one_stays(
    learner: Any, convai_settings: Callable[..., None]
) -> None:
    convai_settings(ONE_SESSION_PER_DEVICE=True)
    earlier, later = (make_session(learner, device="kiosk-7") for _ in range(2))
    request = RequestFactory().post("/login/")

    for own in (later, earlier):
        note = LoginNote(learner, device="kiosk-7", at=own.started_at - timedelta(seconds=1))
        end_what_was_left(request, note, own)

    assert list(LearnerSession.objects.open()) == [later]


def test_the_lmss_request_keeps_its_user(
    convai: Any, learner: Any, log_in: Any, bearer: Any
) -> None:
    request = RequestFactory().post("/login/", headers=bearer(log_in("/login/knox/")))
    request.user = User(username="second-learner")

    end_what_was_left(request, LoginNote(request.user))

    assert request.user.username == "second-learner"
    assert not hasattr(request, "auth")
    assert LearnerSession.objects.get().end_reason == EndReason.REPLACED


def test_a_device_that_the_database_cannot_hold_is_found_as_it_was_stored(
    learner: Any, convai_settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    convai_settings(ONE_SESSION_PER_DEVICE=True)
    left = make_session(learner, device="kiosk-\\U0001f600")
    ask = QuerySet.filter

    def no_emoji(rows: Any, *args: Any, **fields: Any) -> Any:
        if not fields.get("device", "").isascii():
            raise DataError("Incorrect string value")
        return ask(rows, *args, **fields)

    monkeypatch.setattr(QuerySet, "filter", no_emoji)
    end_what_was_left(
        RequestFactory().post("/login/"), LoginNote(learner, device="kiosk-\U0001f600")
    )

    left.refresh_from_db()
    assert left.end_reason == EndReason.REPLACED


def test_it_is_done_once_for_a_login(learner: Any, convai_settings: Callable[..., None]) -> None:
    convai_settings(ONE_SESSION_PER_DEVICE=True)
    note = LoginNote(learner, device="kiosk-7")
    end_what_was_left(RequestFactory().post("/login/"), note)
    session = make_session(learner, device="kiosk-7", started_at=note.at - timedelta(hours=1))

    end_what_was_left(RequestFactory().post("/login/"), note)

    assert LearnerSession.objects.open().get() == session
