"""What is noted on a request, for the middleware."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory

from convai_tokens.api import bind_login
from convai_tokens.logins.notes import (
    LoginNote,
    changed_password,
    current_request,
    deleted_sessions,
    forget_login,
    has_token_in_page,
    note_deleted_session,
    note_login,
    note_password_change,
    note_token_in_page,
    noted_login,
)
from convai_tokens.models import EndReason, LearnerSession
from convai_tokens.secret import Secret


@pytest.mark.parametrize(
    ("given", "device"),
    [("Ward 3", "Ward 3"), ("Ward\n3", "Ward 3"), (7, ""), ("w " * 100, ("w " * 60)[:119] + "…")],
)
def test_the_device_is_noted_clean_and_short(
    convai: Any, learner: Any, log_in: Any, given: Any, device: str
) -> None:
    log_in(device=given)

    assert LearnerSession.objects.get().device == device


def test_a_body_that_is_no_json_has_no_device(learner: Any) -> None:
    request = RequestFactory().post("/", "{", content_type="application/json")

    bind_login(request, learner, stack="custom", identity="a credential")

    note = noted_login(request)
    assert note is not None
    assert note.device == ""


def test_a_login_is_noted_on_its_request_and_may_be_forgotten(learner: Any) -> None:
    request, other = RequestFactory().post("/"), RequestFactory().post("/")
    note = LoginNote(learner)

    note_login(request, note)
    assert noted_login(request) is note
    assert noted_login(other) is None

    forget_login(request)
    assert noted_login(request) is None


def test_the_reason_that_was_noted_first_for_a_deleted_session_stands() -> None:
    request = RequestFactory().post("/")

    assert note_deleted_session(request, Secret("key"), EndReason.LOGOUT) == EndReason.LOGOUT
    assert note_deleted_session(request, Secret("key"), EndReason.REPLACED) == EndReason.LOGOUT
    assert note_deleted_session(request, Secret(), EndReason.REPLACED) == EndReason.REPLACED

    assert deleted_sessions(request) == {Secret("key"): EndReason.LOGOUT}
    assert deleted_sessions(RequestFactory().post("/")) == {}


def test_a_changed_password_is_the_requests_if_its_session_is_that_users(
    learner: Any, make_user: Any
) -> None:
    request = RequestFactory().post("/")
    request.session = SessionStore()
    request.session[SESSION_KEY] = str(learner.pk)

    def change(user: Any) -> Any:
        token = current_request.set(request)
        note_password_change(user)
        current_request.reset(token)
        return changed_password(request)

    assert changed_password(request) is None
    assert change(make_user("second-learner")) is None  # as staff does for a learner
    assert change(learner) is learner


def test_a_page_with_a_token_in_it_is_noted() -> None:
    request = RequestFactory().get("/")
    assert not has_token_in_page(request)

    note_token_in_page(request)

    assert has_token_in_page(request)
