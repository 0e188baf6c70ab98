"""Django sessions, with each of Django's engines."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import pre_delete
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from convai_tokens.convai.client import get_client
from convai_tokens.exceptions import SessionEnded
from convai_tokens.lifecycle import ending, opening
from convai_tokens.lifecycle.opening import Opener
from convai_tokens.logins.credentials import (
    renewed_credential,
    session_credential,
)
from convai_tokens.logins.datum import SESSION_DATA_KEY
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession
from tests.builders import open_breaker, own_statements


def reasons() -> dict[str, str]:
    return dict(LearnerSession.objects.values_list("username", "end_reason"))


@pytest.mark.parametrize("path", ["/login/json/", "/login/drf/"])
def test_login_token_logout(
    convai: Any, learner: Any, client: Client, log_in: Any, engine: str, path: str
) -> None:
    login = log_in(path)
    again = client.post("/convai/token/")
    logout = client.post("/logout/drf/" if "drf" in path else "/logout/json/")

    assert login.json()["hello"] == "learner"
    assert login.json()["convai"]["apiAuthToken"] != again.json()["apiAuthToken"]
    assert logout.status_code == 204
    assert reasons() == {"learner": EndReason.LOGOUT}
    assert convai.summary()["generated"] == 2
    assert convai.live() == []


def test_a_second_learner_over_a_first_ones_session_revokes_the_first_ones_token(
    convai: Any, learner: Any, make_user: Any, log_in: Any, engine: str
) -> None:
    """The kiosk: Django flushes the first session and sends no logout signal."""
    make_user("second-learner")
    log_in(device="Ward 3")

    second = log_in(username="second-learner", device="Ward 3").json()["convai"]

    assert reasons() == {"learner": EndReason.REPLACED, "second-learner": ""}
    assert convai.live() == [second["apiAuthToken"]]
    assert set(LearnerSession.objects.values_list("device", flat=True)) == {"Ward 3"}


def test_the_third_learner_at_the_kiosk_ends_the_second_ones_session(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any, engine: str
) -> None:
    make_user("second-learner")
    make_user("third-learner")
    log_in()
    log_in(username="second-learner")

    third = log_in(username="third-learner").json()["convai"]
    client.post("/logout/json/")

    assert reasons() == {
        "learner": EndReason.REPLACED,
        "second-learner": EndReason.REPLACED,
        "third-learner": EndReason.LOGOUT,
    }
    assert third["apiAuthToken"]
    assert convai.live() == []


def test_a_kiosk_login_as_html_ends_the_first_session_too(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any, engine: str
) -> None:
    make_user("second-learner")
    log_in()

    log_in("/login/html/", username="second-learner")

    assert reasons() == {"learner": EndReason.REPLACED}
    assert convai.live() == []


def test_the_same_learner_logging_in_again_goes_on_in_the_session_and_gets_a_fresh_token(
    convai: Any, learner: Any, log_in: Any, engine: str
) -> None:
    first = log_in().json()["convai"]["apiAuthToken"]
    second = log_in().json()["convai"]["apiAuthToken"]

    assert sorted(convai.live()) == sorted([first, second])
    assert LearnerSession.objects.get().ended_at is None


def test_a_login_in_a_django_session_that_outlived_its_learner_session_starts_a_new_one(
    convai: Any, learner: Any, client: Client, log_in: Any, engine: str
) -> None:
    log_in()
    ending.end_sessions(LearnerSession.objects.all(), EndReason.STAFF)
    refused = client.post("/convai/token/")

    block = log_in().json()["convai"]

    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "session_ended"
    assert convai.live() == [block["apiAuthToken"]]
    assert LearnerSession.objects.count() == 2
    assert client.post("/convai/token/").status_code == 200


def test_an_html_login_costs_no_token_until_it_asks_for_one(
    convai: Any, learner: Any, client: Client, log_in: Any, engine: str
) -> None:
    log_in("/login/html/", device="Hall")
    assert convai.summary()["generated"] == 0
    assert not LearnerSession.objects.exists()

    answer = client.post("/convai/token/")
    client.post("/logout/json/")

    assert answer.status_code == 200
    assert convai.summary()["generated"] == 1
    assert convai.live() == []


def test_a_session_from_before_the_app_was_installed_gets_a_learner_session(
    convai: Any, learner: Any, client: Client, engine: str
) -> None:
    client.force_login(learner)
    session = client.session
    session.pop(SESSION_DATA_KEY, None)
    session.save()
    client.cookies["sessionid"] = str(session.session_key)

    answers = [client.post("/convai/token/") for _ in range(2)]
    client.post("/logout/json/")

    assert [answer.status_code for answer in answers] == [200, 200]
    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT
    assert convai.live() == []


def test_a_password_change_ends_the_learners_other_sessions_and_not_this_one(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any, engine: str
) -> None:
    make_user("second-learner")
    log_in(client=Client())
    log_in(username="second-learner", client=Client())
    own = log_in().json()["convai"]["apiAuthToken"]

    body = {"password": "another-password"}
    client.post("/password/", body, content_type="application/json")

    assert len(convai.live()) == 2  # this session's, and the other learner's
    assert own in convai.live()
    assert client.post("/convai/token/").status_code == 200
    client.post("/logout/json/")  # found although its key has changed
    assert len(convai.live()) == 1
    ended = LearnerSession.objects.filter(username="learner").order_by("started_at")
    assert [s.end_reason for s in ended] == [EndReason.PASSWORD_CHANGED, EndReason.LOGOUT]


def test_a_kiosk_login_after_a_password_change_still_finds_the_old_session(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any, engine: str
) -> None:
    make_user("second-learner")
    log_in()
    client.post("/password/", {"password": "another-password"}, content_type="application/json")

    second = log_in(username="second-learner").json()["convai"]

    assert convai.live() == [second["apiAuthToken"]]


def test_a_password_change_that_kills_its_own_session_ends_it(
    convai: Any, learner: Any, client: Client, log_in: Any, engine: str
) -> None:
    log_in()

    body = {"password": "another-password", "stay_logged_in": False}
    client.post("/password/", body, content_type="application/json")

    assert reasons() == {"learner": EndReason.PASSWORD_CHANGED}
    assert convai.live() == []


@pytest.mark.parametrize("engine", ["db", "cached_db"], indirect=True)
def test_a_session_row_deleted_by_staff_or_by_clearsessions_ends_it(
    convai: Any, learner: Any, make_user: Any, log_in: Any, engine: str
) -> None:
    make_user("second-learner")
    first, second = Client(), Client()
    log_in(client=first)
    other = log_in(username="second-learner", client=second).json()["convai"]["apiAuthToken"]

    Session.objects.get(session_key=first.session.session_key).delete()

    assert reasons() == {"learner": EndReason.SESSION_DELETED, "second-learner": ""}
    assert convai.live() == [other]
    Session.objects.update(expire_date=timezone.now() - timedelta(days=9))
    call_command("clearsessions")
    assert convai.live() == []


def test_two_first_requests_of_one_session_in_parallel_meet_in_one_learner_session(
    convai: Any, learner: Any, client: Client
) -> None:
    client.force_login(learner)
    key = client.session.session_key
    assert key is not None
    for _ in range(2):  # neither sees what the other wrote into the session
        session = client.session
        session.pop(SESSION_DATA_KEY, None)
        session.save()
        assert client.post("/convai/token/").status_code == 200

    assert LearnerSession.objects.count() == 1
    assert ConvaiToken.objects.count() == 2


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file"], indirect=True)
def test_a_learner_session_that_opens_while_its_django_session_is_being_deleted_ends_with_it(
    convai: Any,
    learner: Any,
    client: Client,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
) -> None:
    """A login over a session races its logout: our receivers have looked, and the row is there."""
    log_in()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    going = store(client.cookies["sessionid"].value)
    going.load()

    def open_another(**kwargs: Any) -> None:
        late = opening.open_session(Opener(renewed_credential(going), learner))
        assert late.ended_at is None

    if engine in ("db", "cached_db"):
        pre_delete.connect(open_another, sender=Session)
    else:
        delete = store.delete

        def delete_after_another_opened(self: Any, *args: Any) -> None:
            open_another()
            delete(self, *args)

        monkeypatch.setattr(store, "delete", delete_after_another_opened)
    try:
        assert client.post("/logout/json/").status_code == 204
    finally:
        pre_delete.disconnect(open_another, sender=Session)

    assert LearnerSession.objects.count() == 2
    assert set(LearnerSession.objects.values_list("end_reason", flat=True)) == {EndReason.LOGOUT}
    assert convai.live() == []


def test_a_logout_that_is_rolled_back_ends_no_learner_session(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()

    with pytest.raises(RuntimeError, match="after the logout"):
        client.post("/logout/rolled-back/")

    assert client.post("/convai/token/").status_code == 200
    assert LearnerSession.objects.get().ended_at is None
    assert len(convai.live()) == 2


def test_a_learner_session_that_opens_while_its_django_session_gets_a_new_key_goes_on(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    """The first token request races a password change after which the session goes on."""
    log_in("/login/html/")
    going = import_module(settings.SESSION_ENGINE).SessionStore(client.cookies["sessionid"].value)
    going.load()

    def open_it(**kwargs: Any) -> None:
        if not LearnerSession.objects.exists():
            with pytest.raises(SessionEnded):
                opening.open_session(Opener(session_credential(going), learner))

    pre_delete.connect(open_it, sender=Session)
    try:
        answer = client.post(
            "/password/", {"password": "another-password"}, content_type="application/json"
        )
    finally:
        pre_delete.disconnect(open_it, sender=Session)

    assert answer.status_code == 200
    assert LearnerSession.objects.get().ended_at is None
    assert client.post("/convai/token/").status_code == 200


def test_a_session_row_deleted_by_a_task_is_looked_at_once_more_when_it_is_gone(
    convai: Any, learner: Any, log_in: Any
) -> None:
    """A login over the session races a task of the LMS's, which is no request."""
    log_in()
    row = Session.objects.get()
    going = import_module(settings.SESSION_ENGINE).SessionStore(row.session_key)
    going.load()

    def open_another(**kwargs: Any) -> None:
        opening.open_session(Opener(renewed_credential(going), learner))

    pre_delete.connect(open_another, sender=Session)
    try:
        row.delete()
    finally:
        pre_delete.disconnect(open_another, sender=Session)

    assert LearnerSession.objects.count() == 2
    assert not LearnerSession.objects.open().exists()


@pytest.mark.parametrize("path", ["/login/json/", "/login/drf/"])
def test_a_strangers_cookie_disturbs_no_login(
    convai: Any, learner: Any, client: Client, log_in: Any, caplog: Any, engine: str, path: str
) -> None:
    """Left by another application, or by the engine that the site had before."""
    client.cookies["sessionid"] = "No:Key:Of:Ours"

    assert log_in(path).json()["convai"]["apiAuthToken"]

    assert [record for record in caplog.records if record.name == "convai_tokens"] == []


def test_a_login_over_another_session_looks_for_it_once(
    convai: Any, learner: Any, client: Client, log_in: Any, settings: Any
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    client.cookies["sessionid"] = "of-an-old-session"
    open_breaker(get_client().breaker)

    with CaptureQueriesContext(connection) as queries:
        log_in()

    assert [sql.split()[0] for sql in own_statements(queries)] == [
        "SELECT" if connection.features.has_select_for_update_nowait else "UPDATE"
    ]
