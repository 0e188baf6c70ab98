"""A person is forgotten: revoked first, then named nowhere, and the chain still verifies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.test import Client

from convai_tokens.lifecycle import chain, forgetting
from convai_tokens.lifecycle.chain import extend_chain
from convai_tokens.lifecycle.ending import end_session
from convai_tokens.lifecycle.forgetting import Person, forget
from convai_tokens.lifecycle.verifying import verify
from convai_tokens.models import (
    ConvaiToken,
    EndReason,
    EventKind,
    LearnerRate,
    LearnerSession,
    StaffOrder,
    TokenEvent,
)

from .events import never


def everything() -> str:
    """Return all that the tables hold, as text."""
    models = (LearnerSession, ConvaiToken, TokenEvent, StaffOrder, LearnerRate, LogEntry)
    return repr([list(model.objects.values()) for model in models])


def test_nothing_names_the_person_and_nothing_is_alive(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 1)
    for device in ("learners-own-phone", "Ward 3"):
        log_in(client=Client(), device=device)
    session = LearnerSession.objects.latest("started_at")
    LogEntry.objects.log_actions(learner.pk, [session], CHANGE, "Ended the learner session.")
    person = Person("learner")

    done = forget(person)

    assert convai.live() == []
    assert (done.sessions, done.owed) == (2, 0)
    assert {*LearnerSession.objects.values_list("username", "device")} == {(person.pseudonym, "")}
    assert not LearnerSession.objects.exclude(user=None).exists()
    left = everything()
    assert "learners-own-phone" not in left
    assert "'learner'" not in left
    assert "learner, " not in left
    assert TokenEvent.objects.get(kind=EventKind.FORGOTTEN).detail == person.pseudonym


def test_the_chain_verifies_before_and_after(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SETTLED", "OLDEST"):
        monkeypatch.setattr(chain, name, -timedelta(minutes=1))
    log_in()
    end_session(LearnerSession.objects.get().pk, EndReason.STAFF, actor=learner)
    extend_chain(never)
    assert verify().chained > 3

    done = forget(Person("learner"))

    assert done.events > 2
    assert verify().problem == ""
    assert not TokenEvent.objects.filter(actor_name="learner").exists()


def test_a_second_time_finds_nothing_and_does_no_harm(
    convai: Any, learner: Any, log_in: Any
) -> None:
    log_in()
    forget(Person("learner"))
    before = LearnerSession.objects.values().get()

    done = forget(Person("learner"))

    assert (done.sessions, done.events) == (0, 0)
    assert LearnerSession.objects.values().get() == before


def test_a_person_whose_user_was_deleted_is_found_by_name(
    convai: Any, learner: Any, log_in: Any
) -> None:
    log_in()
    learner.delete()

    done = forget(Person("learner"))

    assert done.sessions == 1
    assert not LearnerSession.objects.filter(username="learner").exists()


def test_what_convai_does_not_confirm_stays_owed(convai: Any, learner: Any, log_in: Any) -> None:
    log_in()
    convai.set(faults={"503": 1})

    done = forget(Person("learner"))

    assert done.owed == 1
    assert ConvaiToken.objects.owed().count() == 1


def test_somebody_else_is_left_alone(
    convai: Any, learner: Any, make_user: Any, log_in: Any
) -> None:
    make_user("bystander")
    log_in(username="bystander")
    log_in(client=Client())

    forget(Person("learner"))

    assert LearnerSession.objects.get(username="bystander").ended_at is None
    assert len(convai.live()) == 1


def test_one_who_is_told_to_stop_goes_on_the_next_time(
    convai: Any, learner: Any, log_in: Any
) -> None:
    log_in()
    assert forget(Person("learner"), lambda: True).sessions == 0

    assert forget(Person("learner")).sessions == 1


def test_a_name_that_no_user_could_have_is_nobody(db: None) -> None:
    assert Person("nobody").sessions.count() == 0
    assert Person("nobody").acts.count() == 0
