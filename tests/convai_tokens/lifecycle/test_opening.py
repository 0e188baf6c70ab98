"""Learner sessions are opened, and follow their credentials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from convai_tokens.exceptions import SessionEnded
from convai_tokens.lifecycle.ending import end_session
from convai_tokens.lifecycle.opening import Opener, follow_credential, open_session
from convai_tokens.logins.bearer_stacks import bearer_credential
from convai_tokens.models import EndReason, LearnerSession, LearnerSessionQuerySet, TokenEvent
from tests.builders import open_session as open_session_of


def test_two_parallel_first_requests_open_one_session(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = bearer_credential("custom", "a digest")
    first = open_session(Opener(credential, learner))
    monkeypatch.setattr(LearnerSessionQuerySet, "first", lambda self: None)  # it looked too early

    second = open_session(Opener(credential, learner))

    assert second.pk == first.pk
    assert LearnerSession.objects.count() == 1


def test_a_session_is_opened_once_with_one_event(learner: Any) -> None:
    credential = bearer_credential("custom", "a digest")

    first = open_session(Opener(credential, learner), device="Ward 3")
    second = open_session(Opener(credential, learner), device="Ward 4")

    assert first == second == LearnerSession.objects.get()
    assert (second.device, second.username, second.stack) == ("Ward 4", "learner", "custom")
    assert second.credential_digest == credential.digest
    assert [event.kind for event in TokenEvent.objects.all()] == ["session_started"]


def test_a_session_whose_credential_is_dead_by_then_ends_at_once(learner: Any) -> None:
    credential = replace(bearer_credential("custom", "a digest"), is_alive=lambda user: False)

    with pytest.raises(SessionEnded, match="logged out"):
        open_session(Opener(credential, learner))

    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT


def test_a_session_of_a_password_that_was_changed_meanwhile_is_refused_and_not_ended(
    learner: Any,
) -> None:
    credential = bearer_credential("custom", "a digest")

    with pytest.raises(SessionEnded, match="password was changed"):
        open_session(Opener(replace(credential, password_changed=lambda user: True), learner))

    assert LearnerSession.objects.get().ended_at is None


def test_a_session_follows_its_credential_and_no_other_does(learner: Any) -> None:
    session, other = open_session_of(learner, "one"), open_session_of(learner, "another")

    follow_credential(session.pk, "a-new-digest")

    assert list(LearnerSession.objects.by_digest(["a-new-digest"])) == [session]
    assert LearnerSession.objects.get(pk=other.pk).credential_digest == other.credential_digest


@pytest.mark.parametrize("ended", [False, True])
def test_one_that_goes_on_is_on_the_device_of_the_latest_login(learner: Any, ended: bool) -> None:
    opener = Opener(bearer_credential("custom", "a credential"), learner)
    session = open_session(opener, "headset-1")
    if ended:
        end_session(session.pk, EndReason.STAFF)

    open_session(opener, "kiosk-7")

    assert LearnerSession.objects.get().device == ("headset-1" if ended else "kiosk-7")
