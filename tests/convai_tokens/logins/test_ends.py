"""What ends with a Django session, at the first look and at the second."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.cache import SessionStore
from django.http import HttpResponse
from django.test import RequestFactory

from convai_tokens.lifecycle.opening import Opener, open_session
from convai_tokens.logins.credentials import session_credential, session_key
from convai_tokens.logins.ends import (
    end_although_unopened,
    end_django_session,
    end_unless_stored,
    look_again,
)
from convai_tokens.logins.notes import note_deleted_session
from convai_tokens.models import EndReason, LearnerSession
from convai_tokens.secret import Secret


@pytest.fixture
def store(learner: Any) -> SessionBase:
    """A Django session of the learner that has a learner session, and no row whose end is seen."""
    store = SessionStore()
    store[SESSION_KEY] = str(learner.pk)
    store.create()
    open_session(Opener(session_credential(store), learner))
    return store


def end_reason() -> str:
    return LearnerSession.objects.get().end_reason


def test_a_django_sessions_learner_session_ends_by_the_key_and_by_no_other(
    store: SessionBase,
) -> None:
    end_django_session(Secret("another key"), EndReason.LOGOUT)
    assert end_reason() == ""

    end_django_session(Secret(str(store.session_key)), EndReason.LOGOUT)
    assert end_reason() == EndReason.LOGOUT


def test_a_django_session_that_is_stored_again_ends_nothing(store: SessionBase) -> None:
    key = str(store.session_key)
    end_unless_stored(store, Secret(key), EndReason.REPLACED)
    assert end_reason() == ""

    store.delete()
    end_unless_stored(store, Secret(key), EndReason.REPLACED)
    assert end_reason() == EndReason.REPLACED


def test_a_learner_session_that_was_not_opened_yet_cannot_be_any_more(learner: Any) -> None:
    store = SessionStore()
    store[SESSION_KEY] = str(learner.pk)
    store.create()
    credential = session_credential(store)

    end_although_unopened(credential, learner)

    assert end_reason() == EndReason.LOGOUT
    assert open_session(Opener(credential, learner)).ended_at is not None


def test_the_second_look_ends_what_opened_after_the_first(store: SessionBase) -> None:
    request = RequestFactory().post("/logout/")
    request.session = store
    look_again(request, HttpResponse())
    assert end_reason() == ""  # the request has deleted nothing

    note_deleted_session(request, session_key(store), EndReason.LOGOUT)
    store.delete()
    look_again(request, HttpResponse())
    assert end_reason() == EndReason.LOGOUT
