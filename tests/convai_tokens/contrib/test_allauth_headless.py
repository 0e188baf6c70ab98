"""How allauth's app clients present a session; what they see is in ``tests/stacks``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.headless.contrib.rest_framework.authentication import (
    JWTTokenAuthentication,
    XSessionTokenAuthentication,
)
from allauth.headless.tokens.strategies.jwt import internal
from django.contrib.auth import login
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from convai_tokens.contrib import allauth_headless
from convai_tokens.exceptions import SessionEnded
from convai_tokens.secret import Secret


@pytest.fixture
def session(learner: Any) -> SessionStore:
    """The session of an app client that is logged in."""
    request = RequestFactory().post("/")
    request.session = SessionStore()
    login(request, learner, "django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return request.session


@pytest.fixture
def presenting() -> Callable[..., Request]:
    def present(by: BaseAuthentication, **headers: str) -> Request:
        return Request(RequestFactory().post("/", headers=headers), authenticators=[by])

    return present


def test_by_its_key(session: Any, presenting: Any) -> None:
    request = presenting(XSessionTokenAuthentication(), **{"X-Session-Token": session.session_key})
    assert request.user.is_authenticated

    found = allauth_headless.session_of(request)

    assert found is not None
    assert found.session_key == session.session_key


def test_by_an_access_token(session: Any, learner: Any, presenting: Any) -> None:
    token = internal.create_access_token(learner, session, {})
    request = presenting(JWTTokenAuthentication(), Authorization=f"Bearer {token}")
    assert request.user.is_authenticated

    found = allauth_headless.session_of(request)
    assert found is not None
    assert found.session_key == session.session_key

    session.delete()
    with pytest.raises(SessionEnded):
        allauth_headless.session_of(request)


def test_what_another_class_authenticated_is_none_of_its_ways(learner: Any) -> None:
    assert allauth_headless.session_of(Request(RequestFactory().post("/"))) is None


def test_the_tokens_of_a_login_stand_for_its_session(session: Any, learner: Any) -> None:
    another = SessionStore()
    another.save()
    for token in (
        internal.create_access_token(learner, session, {}),
        internal.create_refresh_token(learner, session),
    ):
        assert allauth_headless.stands_for(Secret(token), session)
        assert not allauth_headless.stands_for(Secret(token), another)
    assert not allauth_headless.stands_for(Secret("a text"), session)


def test_an_allauth_from_before_its_tokens_has_none(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allauth_headless, "app_settings", object())

    assert not allauth_headless.stands_for(Secret("a text"), session)
