"""Promise 4: a key that changed is told, and what it made unfindable ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from convai_tokens.doctor import installation
from convai_tokens.doctor.step import Status
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenStatus

OLD, NEW = "an-old-secret-key-" + "o" * 40, "a-new-secret-key-" + "n" * 40


@pytest.fixture
def logged_in_under_the_old_key(
    convai: Any, settings: Any, learner: Any, log_in: Any
) -> Callable[[], Any]:
    """Log in by a bearer while the keys are derived from the old SECRET_KEY."""

    def login() -> Any:
        settings.SECRET_KEY = OLD
        return log_in("/login/knox/", client=Client())

    return login


def test_promise_4_a_secret_key_rotated_without_a_fallback_ends_what_nobody_finds(
    logged_in_under_the_old_key: Any,
    convai: Any,
    settings: Any,
    bearer: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    login = logged_in_under_the_old_key()
    settings.SECRET_KEY = NEW

    logout = Client().post("/logout/knox/", headers=bearer(login))

    # The bearer's own end can't be seen any more: its session has another id under the new key.
    assert logout.status_code == 204
    session = LearnerSession.objects.get()
    assert session.ended_at is None
    found = installation.encryption_keys()
    assert found.status is Status.FAILED
    report = sweep(workers=1)

    session.refresh_from_db()
    assert (report.keyless, session.end_reason) == (1, EndReason.KEY_LOST)
    assert "1 learner sessions were digested under an encryption key that is gone" in caplog.text
    # Its value doesn't open any more either: it stays owed, and the log says so.
    token = ConvaiToken.objects.get()
    assert token.status == TokenStatus.REVOKING
    assert token.last_error.startswith("seal_broken")


def test_promise_4_a_secret_key_rotated_with_a_fallback_loses_nothing(
    logged_in_under_the_old_key: Any, convai: Any, settings: Any, bearer: Any
) -> None:
    login = logged_in_under_the_old_key()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]

    report = sweep(workers=1)
    Client().post("/logout/knox/", headers=bearer(login))

    assert report.keyless == 0
    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT
    assert convai.live() == []
    assert installation.encryption_keys().status is Status.OK


def test_promise_4_sessions_that_ended_long_ago_are_no_news(
    logged_in_under_the_old_key: Any, convai: Any, settings: Any, bearer: Any
) -> None:
    login = logged_in_under_the_old_key()
    Client().post("/logout/knox/", headers=bearer(login))
    settings.SECRET_KEY = NEW

    assert installation.encryption_keys().status is Status.OK
    assert sweep(workers=1).keyless == 0


@pytest.mark.parametrize("engine", ["db", "cache"], indirect=True)
def test_promise_4_a_django_session_goes_on_under_the_new_key(
    convai: Any, settings: Any, learner: Any, client: Client, log_in: Any, engine: str
) -> None:
    """Its learner session's id is in the session itself, so that its logout is still seen."""
    settings.SECRET_KEY_FALLBACKS = []
    settings.SECRET_KEY = OLD
    log_in()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]

    client.post("/logout/json/")

    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT
    assert convai.live() == []


def test_promise_3_a_token_row_moved_to_another_learners_session_opens_for_nobody(
    convai: Any, learner: Any, make_user: Any, log_in: Any
) -> None:
    make_user("another")
    log_in()
    other = Client()
    log_in(username="another", client=other)
    mine, theirs = ConvaiToken.objects.order_by("pk")
    ConvaiToken.objects.filter(pk=mine.pk).update(session_id=theirs.session_id)
    ConvaiToken.objects.filter(pk=theirs.pk).delete()

    answer = other.post("/convai/token/extend/")

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "seal_broken"
    assert "apiAuthToken" not in answer.json()
