"""What a Django session carries of its learner session."""

from __future__ import annotations

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.cache import SessionStore

from convai_tokens.logins.credentials import renewed_credential, session_credential
from convai_tokens.logins.datum import (
    SESSION_DATA_KEY,
    device_in,
    learner_session_id,
    learner_session_id_of,
    remember,
)


@pytest.fixture
def session() -> SessionBase:
    session = SessionStore()
    session[SESSION_KEY] = "1"
    session.create()
    session.modified = False
    return session


def test_a_session_of_another_user_by_now_is_another_learners(session: SessionBase) -> None:
    before = session_credential(session)
    remember(session, before)
    assert learner_session_id(session) == before.session_ids[0]

    session[SESSION_KEY] = "of somebody else"

    assert learner_session_id(session) is None
    assert session_credential(session).session_ids != before.session_ids


@pytest.mark.parametrize("datum", [None, "text", 7, [], ["no id", "1"], [None, "1"]])
def test_a_datum_that_is_no_id_counts_as_none(datum: object) -> None:
    assert learner_session_id_of(datum, "1") is None


def test_the_device_of_the_login_is_remembered_for_the_first_token(session: SessionBase) -> None:
    credential = session_credential(session)
    assert device_in(session) == ""

    remember(session, credential, "kiosk-7")
    assert device_in(session) == "kiosk-7"
    session.modified = False
    remember(session, credential)
    assert not session.modified

    remember(session, renewed_credential(session))
    assert device_in(session) == "kiosk-7"


def test_without_a_device_the_datum_is_as_short_as_it_was(session: SessionBase) -> None:
    remember(session, session_credential(session))

    assert len(session[SESSION_DATA_KEY]) == 2


def test_the_device_of_another_user_is_none_of_this_ones(session: SessionBase) -> None:
    remember(session, session_credential(session), "kiosk-7")

    session[SESSION_KEY] = "of somebody else"

    assert device_in(session) == ""
