"""Ends of Django sessions that no ``user_logged_out`` tells of, on all engines."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.db import OperationalError
from django.test import Client
from knox.models import AuthToken

from convai_tokens.lifecycle import retrying
from convai_tokens.lifecycle.ending import end_sessions
from convai_tokens.logins import ends
from convai_tokens.logins.datum import SESSION_DATA_KEY
from convai_tokens.models import EndReason, LearnerSession
from convai_tokens.secret import Secret
from tests.waiting import eventually

IDLE_TIMEOUT = "tests.lms.middleware.IdleTimeout"


def reasons(stack: str = "session") -> list[str]:
    found = LearnerSession.objects.filter(stack=stack).order_by("started_at")
    return [session.end_reason for session in found]


def store(key: str) -> Any:
    return import_module(django_settings.SESSION_ENGINE).SessionStore(key)


@pytest.fixture
def bearer(learner: Any) -> dict[str, str]:
    return {"Authorization": f"Token {AuthToken.objects.create(learner)[1]}"}


def test_logout_in_a_request_that_a_bearer_authenticated_ends_the_session_that_it_flushes(
    engine: str, convai: Any, learner: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    log_in()

    assert client.post("/logout/bearer/", headers=bearer).status_code == 204

    assert reasons() == [EndReason.LOGOUT]
    assert convai.live() == []


def test_knoxs_own_logout_beside_a_cookie_leaves_the_session_alive(
    engine: str, convai: Any, learner: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    token = log_in().json()["convai"]["apiAuthToken"]

    assert client.post("/logout/knox/", headers=bearer).status_code == 204

    assert reasons() == [""]
    assert convai.live() == [token]


@pytest.mark.parametrize("place", ["outside", "inside"])
def test_an_idle_timeout_that_flushes_ends_the_session(
    engine: str, convai: Any, learner: Any, client: Client, log_in: Any, settings: Any, place: str
) -> None:
    middleware = list(settings.MIDDLEWARE)
    at = len(middleware) - (1 if place == "outside" else 0)
    settings.MIDDLEWARE = [*middleware[:at], IDLE_TIMEOUT, *middleware[at:]]
    log_in()

    client.get("/convai/token/", headers={"X-Idle": "1"})

    (reason,) = reasons()
    assert reason
    assert convai.live() == []


def test_a_session_that_is_deleted_by_its_key_ends_and_the_one_that_does_it_goes_on(
    engine: str, convai: Any, learner: Any, make_user: Any, log_in: Any
) -> None:
    if engine == "signed_cookies":
        pytest.skip("a signed cookie is kept by the client: nobody else can delete it")
    make_user("another-learner")
    first, second = Client(), Client()
    log_in(client=first)
    kept = log_in(client=second, username="another-learner").json()["convai"]["apiAuthToken"]

    # As single-session enforcement does, from another session's store or from a fresh one.
    store(second.cookies["sessionid"].value).delete(first.cookies["sessionid"].value)

    assert reasons() == [EndReason.SESSION_DELETED, ""]
    assert convai.live() == [kept]


def test_a_session_whose_key_is_cycled_goes_on(
    engine: str, convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    token = log_in().json()["convai"]["apiAuthToken"]
    session = store(client.cookies["sessionid"].value)
    session.load()
    session.cycle_key()
    session.save()

    assert reasons() == [""]
    client.cookies["sessionid"] = session.session_key
    client.post("/logout/json/")
    assert reasons() == [EndReason.LOGOUT]
    assert token not in convai.live()


def test_a_datum_lost_to_a_save_in_parallel_hides_no_logout(
    engine: str, convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    if engine == "signed_cookies":
        pytest.skip("nothing but the datum tells a signed cookie's learner session")
    log_in()
    session = store(client.cookies["sessionid"].value)
    del session[SESSION_DATA_KEY]
    session.save()

    client.post("/logout/json/")

    assert reasons() == [EndReason.LOGOUT]
    assert convai.live() == []


@pytest.mark.django_db(transaction=True)
def test_an_end_that_the_database_refuses_is_tried_until_it_takes_it(
    convai: Any,
    make_user: Any,
    client: Client,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is read-only for a moment, as in a failover."""
    make_user("learner")
    log_in()
    left = [4]

    def refuse(*args: Any, **kwargs: Any) -> int:
        if left[0]:
            left[0] -= 1
            raise OperationalError("cannot execute UPDATE in a read-only transaction")
        return end_sessions(*args, **kwargs)

    monkeypatch.setattr(ends, "end_sessions", refuse)
    monkeypatch.setattr("convai_tokens.logins.receivers.end_session", refuse)
    monkeypatch.setattr(retrying, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(retrying, "LONGEST_DELAY", 0.01)

    assert client.post("/logout/json/").status_code == 204

    eventually(lambda: reasons() != [""])
    eventually(lambda: convai.live() == [])


def test_a_signed_cookie_of_nobody_ends_nothing(db: None) -> None:
    ends.end_cookie(Secret("no signature at all"), EndReason.LOGOUT)

    assert SignedCookieStore("no signature at all").load() == {}
