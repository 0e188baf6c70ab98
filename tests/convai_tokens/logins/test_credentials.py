"""Credentials, hashed; and whether they are still good."""

from __future__ import annotations

from typing import Any, cast

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.core.cache import InvalidCacheKey
from django.test import RequestFactory
from rest_framework.authentication import SessionAuthentication

from convai_tokens.exceptions import CredentialNotSupported
from convai_tokens.logins.credentials import (
    belongs_to,
    credential_of_request,
    is_stored,
    password_has_changed,
    renewed_credential,
    session_credential,
    warn_if_the_endpoint_knows_no_sessions,
)
from convai_tokens.logins.datum import (
    remember,
)
from convai_tokens.models import LearnerSession
from convai_tokens.secret import Secret


class SessionLike(SessionAuthentication):
    """What sites derive from DRF's own."""


def test_a_key_that_the_cache_takes_none_of_is_not_stored(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Memcached has it; the tests' cache only warns."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"

    def exists(self: Any, key: str) -> bool:
        raise InvalidCacheKey

    monkeypatch.setattr(CacheStore, "exists", exists)

    assert not is_stored(CacheStore(), Secret("a key"))


def test_a_user_model_without_a_password_has_none_that_changes() -> None:
    assert not password_has_changed(cast(Any, LearnerSession()))


@pytest.fixture
def session(learner: Any) -> SessionBase:
    """A Django session of the learner, as ``login()`` leaves it."""
    session = SessionStore()
    session[SESSION_KEY] = str(learner.pk)
    session.create()
    session.modified = False
    return session


def test_the_credential_of_a_session_is_derived_and_nothing_is_written_into_it(
    session: SessionBase,
) -> None:
    first, second = session_credential(session), session_credential(session)

    assert first == second
    assert not session.modified
    assert dict(session.items()).keys() == {SESSION_KEY}


def test_a_session_that_remembers_its_learner_session_goes_on_in_it_under_a_new_key(
    session: SessionBase,
) -> None:
    before = session_credential(session)
    remember(session, before)

    session.cycle_key()

    after = session_credential(session)
    assert after.session_ids == before.session_ids
    assert after.digest != before.digest


def test_a_renewed_credential_is_of_another_learner_session(session: SessionBase) -> None:
    renewed = renewed_credential(session)

    assert renewed.session_ids != session_credential(session).session_ids
    assert renewed.digest == session_credential(session).digest


def test_a_session_is_alive_as_long_as_it_is_stored_and_a_signed_cookie_always(
    session: SessionBase, learner: Any
) -> None:
    credential = session_credential(session)
    assert credential.is_alive(learner)

    session.delete()

    assert not credential.is_alive(learner)
    assert session_credential(SignedCookieStore()).is_alive(learner)


def test_a_session_belongs_to_its_user_alone(
    session: SessionBase, learner: Any, make_user: Any
) -> None:
    assert belongs_to(session, learner)
    assert not belongs_to(session, make_user("second-learner"))
    assert not belongs_to(SessionStore(), learner)
    assert not belongs_to(None, learner)


def test_a_password_has_changed_when_the_row_has_another_or_is_gone(learner: Any) -> None:
    assert not password_has_changed(learner)

    type(learner).objects.update(password="another")
    assert password_has_changed(learner)
    type(learner).objects.all().delete()
    assert password_has_changed(learner)


def test_a_request_without_a_session_carries_no_credential_that_is_known() -> None:
    with pytest.raises(CredentialNotSupported):
        credential_of_request(RequestFactory().get("/"))


@pytest.mark.parametrize(
    ("accepted", "warned"),
    [
        (["knox.auth.TokenAuthentication"], True),
        ([f"{__name__}.SessionLike"], False),
        (["rest_framework.authentication.SessionAuthentication"], False),
    ],
)
def test_a_login_by_session_that_the_endpoint_will_not_know_is_told_once(
    convai: Any,
    learner: Any,
    log_in: Any,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    accepted: list[str],
    warned: bool,
) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": accepted}
    warn_if_the_endpoint_knows_no_sessions.cache_clear()

    for _ in range(2):
        assert log_in().json()["convai"]["apiAuthToken"] in convai.live()

    assert caplog.text.count("the token endpoint will not know it") == warned
    warn_if_the_endpoint_knows_no_sessions.cache_clear()
