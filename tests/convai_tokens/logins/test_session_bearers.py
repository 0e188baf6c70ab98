"""Django sessions that a client presents by something else than their cookie."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from convai_tokens.logins import session_bearers
from convai_tokens.logins.credentials import credential_of_request, session_credential
from convai_tokens.logins.session_bearers import SessionBearer, borne_session, stands_for
from convai_tokens.secret import Secret


class InHeader(BaseAuthentication):
    """Authenticates by a session's key in a header."""

    def __init__(self, user: Any) -> None:
        self.user = user

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        return self.user, SessionStore(request.headers["X-Key"])


def session_of(request: Request) -> SessionBase | None:
    session: Any = request.auth
    return session if isinstance(request.successful_authenticator, InHeader) else None


def is_key(text: Secret, session: SessionBase) -> bool:
    return text == Secret(session.session_key or "")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_bearers, "_session_bearers", {})
    session_bearers.register_session_bearer(SessionBearer("header", session_of, is_key, ()))


@pytest.fixture
def session(learner: Any) -> SessionStore:
    session = SessionStore()
    session[SESSION_KEY] = str(learner.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = learner.get_session_auth_hash()
    session.save()
    return session


def test_the_session_in_the_header_is_the_credential(learner: Any, session: SessionStore) -> None:
    http = RequestFactory().post("/", headers={"X-Key": str(session.session_key)})
    request = Request(http, authenticators=[InHeader(learner)])

    found = borne_session(request)

    assert found is not None
    assert found.session_key == session.session_key
    assert credential_of_request(request) == session_credential(session)


def test_a_request_of_another_kind_presents_none(learner: Any) -> None:
    http = RequestFactory().post("/")

    assert borne_session(http) is None
    assert borne_session(Request(http)) is None


def test_what_a_login_hands_out_may_present_its_session(session: SessionStore) -> None:
    assert stands_for(Secret(session.session_key or ""), session)
    assert not stands_for(Secret("another"), session)
    assert not stands_for(Secret("a key"), None)
