"""Promise 4: no end is lost, whatever opens, fails or dies beside it."""

from __future__ import annotations

import copy
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth import get_user_model, login
from django.db import connection, transaction
from django.test import Client, RequestFactory
from knox.models import AuthToken

from convai_tokens.lifecycle import opening
from convai_tokens.lifecycle.ending_all import end_sessions_of_user
from convai_tokens.lifecycle.opening import Opener
from convai_tokens.logins import receivers
from convai_tokens.logins.credentials import session_credential
from convai_tokens.logins.notes import current_request
from convai_tokens.models import EndReason, LearnerSession
from tests.conftest import ENGINES


@pytest.mark.parametrize(
    ("stack", "engine"),
    [("knox", "db"), *(("session", engine) for engine in ENGINES)],
    indirect=["engine"],
)
def test_promise_4_a_logout_before_the_first_tokens_session_was_opened_leaves_nothing_alive(
    convai: Any,
    learner: Any,
    client: Client,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    stack: str,
    engine: str,
) -> None:
    """The learner logged in without a block, so that the logout finds no row to end."""
    headers = {}
    if stack == "session":
        log_in("/login/html/")
    else:
        headers = {"Authorization": f"Token {AuthToken.objects.create(learner)[1]}"}
    session_of = opening.session_of

    def after_a_logout(*args: Any) -> LearnerSession:
        elsewhere = Client()
        elsewhere.cookies = copy.deepcopy(client.cookies)
        path = "/logout/json/" if stack == "session" else "/logout/knox/"
        assert elsewhere.post(path, headers=headers).status_code == 204
        return session_of(*args)

    monkeypatch.setattr("convai_tokens.logins.token_requests.session_of", after_a_logout)

    answer = client.post("/convai/token/", headers=headers)

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "session_ended"
    assert convai.summary()["generated"] == 0


@pytest.mark.parametrize("opens", ["before the commit", "after the commit"])
def test_promise_4_a_password_change_reaches_a_session_that_opens_beside_it(
    convai: Any,
    learner: Any,
    client: Client,
    log_in: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    opens: str,
) -> None:
    """Whoever still knew the old password was authenticated by it, and opens just now."""
    log_in("/login/html/")
    session_of = opening.session_of

    def change_the_password() -> None:
        changed = get_user_model().objects.get(pk=learner.pk)
        changed.set_password("another-password")
        changed.save()

    if opens == "after the commit":

        def late(*args: Any) -> LearnerSession:
            monkeypatch.undo()
            change_the_password()
            return session_of(*args)

        monkeypatch.setattr("convai_tokens.logins.token_requests.session_of", late)
        answer = client.post("/convai/token/")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "session_ended"
        assert convai.summary()["generated"] == 0
    else:
        tokens: list[Any] = []

        def look_too_early(*args: Any, **kwargs: Any) -> int:
            ended = end_sessions_of_user(*args, **kwargs)
            if not tokens:  # the other request doesn't see what isn't committed
                was_changed = "convai_tokens.logins.credentials.password_has_changed"
                monkeypatch.setattr(was_changed, lambda user: False)
                session = session_credential(going)
                tokens.append(opening.open_session(Opener(session, learner)))
            return ended

        store = import_module(settings.SESSION_ENGINE).SessionStore
        going = store(client.cookies["sessionid"].value)
        going.load()
        monkeypatch.setattr(receivers, "end_sessions_of_user", look_too_early)
        with transaction.atomic():
            change_the_password()
        [opened] = tokens
        opened.refresh_from_db()
        assert opened.end_reason == EndReason.PASSWORD_CHANGED
    assert convai.live() == []


@pytest.fixture
def first(learner: Any, make_user: Any, log_in: Any) -> LearnerSession:
    """The learner session of a learner who left the kiosk without a logout; a second one comes."""
    make_user("second-learner")
    log_in()
    return LearnerSession.objects.get()


@pytest.mark.parametrize("path", ["/login/json/", "/login/drf/", "/login/html/"])
def test_promise_4_a_kiosks_end_that_the_database_refused_is_made_good(
    convai: Any,
    log_in: Any,
    engine: str,
    first: LearnerSession,
    refused: list[Any],
    path: str,
) -> None:
    response = log_in(path, username="second-learner")

    if path == "/login/html/":
        assert convai.live() == []
    else:
        assert convai.live() == [response.json()["convai"]["apiAuthToken"]]

    assert refused
    first.refresh_from_db()
    assert first.end_reason == EndReason.REPLACED


@pytest.mark.parametrize("engine", ["cache", "file"], indirect=True)
def test_promise_4_a_kiosks_end_is_written_down_before_the_view_goes_on(
    convai: Any, client: Client, settings: Any, engine: str, first: LearnerSession
) -> None:
    """No row of a session tells of it, and the process may be killed before the view is done."""
    key = client.cookies["sessionid"].value
    request = RequestFactory().post("/login/json/")
    request.COOKIES = {"sessionid": key}
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    second = get_user_model().objects.get(username="second-learner")
    served = current_request.set(request)  # as the middleware does

    login(request, second, settings.AUTHENTICATION_BACKENDS[0])

    current_request.reset(served)
    first.refresh_from_db()
    assert first.end_reason == EndReason.REPLACED
    assert convai.live() == []


@pytest.mark.parametrize("engine", ["cache", "file"], indirect=True)
def test_promise_4_a_kiosks_end_outlives_the_rollback_of_the_login_that_flushed_the_session(
    convai: Any,
    client: Client,
    log_in: Any,
    engine: str,
    first: LearnerSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What no transaction has deleted no rollback brings back."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    client.raise_request_exception = False

    assert log_in("/login/fails/", username="second-learner").status_code == 500

    first.refresh_from_db()
    assert first.end_reason == EndReason.REPLACED
    assert convai.live() == []


def test_promise_4_a_password_change_with_autocommit_off_ends_the_learners_sessions(
    convai: Any, learner: Any, log_in: Any, engine: str
) -> None:
    log_in()
    transaction.set_autocommit(False)
    try:
        learner.set_password("another-password")
        learner.save()
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)

    assert LearnerSession.objects.get().end_reason == EndReason.PASSWORD_CHANGED
