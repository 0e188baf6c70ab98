"""The receivers of Django's signals: which they are connected to, and what they disturb."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models.signals import post_save, pre_delete
from django.test import RequestFactory

from convai_tokens.logins import receivers
from convai_tokens.logins.credentials import session_credential
from convai_tokens.logins.notes import noted_login
from convai_tokens.logins.receivers import _session_model
from convai_tokens.models import LearnerSession
from tests.lms.models import Pupil


def test_the_receivers_follow_the_engines_own_session_model() -> None:
    assert _session_model() is Session
    assert import_module("django.contrib.sessions.backends.cache")


def test_engines_without_rows_have_no_session_model(settings: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"

    assert _session_model() is None


@pytest.mark.parametrize("watched", [True, False])
def test_users_are_watched_with_all_their_proxies_and_session_rows_unless_switched_off(
    watched: bool, convai_settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    convai_settings(WATCH_SESSION_ROWS=watched)
    connected: set[tuple[Any, Any]] = set()
    monkeypatch.setattr(
        receivers, "_connect", lambda signal, receiver, sender=None: connected.add((signal, sender))
    )

    receivers.connect()

    assert {(post_save, User), (pre_delete, User), (post_save, Pupil)} <= connected
    assert ((pre_delete, Session) in connected) is watched
    assert ((post_save, Session) in connected) is watched


def test_a_login_without_a_request_is_nobodys_here(learner: Any) -> None:
    """As tests of the LMS's own send it."""
    sent = user_logged_in.send(sender=type(learner), request=None, user=learner)
    sent += user_logged_out.send(sender=type(learner), request=None, user=learner)

    assert {answer for receiver, answer in sent if receiver.__module__ == receivers.__name__} == {
        None
    }
    assert not LearnerSession.objects.exists()


def test_a_login_is_noted_and_writes_nothing_that_its_session_has_not(learner: Any) -> None:
    request = RequestFactory().post("/login/", {"device": "Ward 3"})
    request.session = SessionStore()

    login(request, learner, settings.AUTHENTICATION_BACKENDS[0])

    note = noted_login(request)
    assert note is not None
    assert (note.user, note.device, note.is_new) == (learner, "Ward 3", True)
    assert note.credential == session_credential(request.session)
    assert not LearnerSession.objects.exists()  # that is the middleware's to do


def test_a_logout_in_the_same_request_takes_the_note_back(learner: Any) -> None:
    request = RequestFactory().post("/login/")
    request.session = SessionStore()
    login(request, learner, settings.AUTHENTICATION_BACKENDS[0])

    logout(request)

    assert noted_login(request) is None
