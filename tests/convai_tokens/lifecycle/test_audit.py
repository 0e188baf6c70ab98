"""Audit events, and the hooks that run once a step was committed."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from convai_tokens import signals
from convai_tokens.lifecycle.audit import after_commit, event, record, send_on_commit
from convai_tokens.models import ConvaiToken, EventKind, TokenEvent
from tests.builders import make_session


def test_a_recorded_step_is_one_event_and_one_log_line(
    learner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    session = make_session(learner)
    token = ConvaiToken.objects.create(session=session)

    with caplog.at_level("INFO", logger="convai_tokens"):
        record(EventKind.OWED, session.pk, token.pk, "Ended by staff", learner)

    added = TokenEvent.objects.get()
    assert (added.session, added.token, added.kind) == (session, token, EventKind.OWED)
    assert (added.detail, added.actor, added.actor_name) == ("Ended by staff", learner, "learner")
    assert caplog.messages == [f"owed session={session.pk} token={token.pk} Ended by staff"]


def test_an_event_to_be_added_with_others_is_not_added_yet(learner: Any) -> None:
    made = event(EventKind.SESSION_STARTED, make_session(learner).pk)

    assert made.kind == EventKind.SESSION_STARTED
    assert made.actor_id is None
    assert not TokenEvent.objects.exists()


def test_a_step_that_is_rolled_back_leaves_no_event_and_calls_nobody(
    transactional_db: None, learner: Any
) -> None:
    session, called = make_session(learner), list[str]()

    with transaction.atomic():
        record(EventKind.SESSION_ENDED, session.pk)
        after_commit("default", called.append, "called")
        transaction.set_rollback(True)

    assert not TokenEvent.objects.exists()
    assert called == []


def test_what_a_hook_raises_is_logged_and_neither_the_callers_nor_the_next_hooks(
    transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[str] = []

    def fail(reason: str) -> None:
        raise ConnectionError(reason)

    with transaction.atomic():
        after_commit("default", fail, "the broker is away")
        after_commit("default", called.append, "the next one")
        assert called == []  # not before the commit

    assert called == ["the next one"]
    assert "the broker is away" in caplog.text


def test_a_signal_that_nobody_listens_to_costs_no_query(
    transactional_db: None, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        send_on_commit(signals.token_generated, 1)


def test_a_signal_carries_the_row_as_it_is_after_the_commit(
    transactional_db: None, learner: Any
) -> None:
    token = ConvaiToken.objects.create(session=make_session(learner))
    heard: list[str] = []

    def receiver(token: ConvaiToken, **kwargs: Any) -> None:
        heard.append(token.status)

    signals.token_failed.connect(receiver)
    try:
        with transaction.atomic():
            send_on_commit(signals.token_failed, token.pk, error=None)
            ConvaiToken.objects.update(status="failed")
    finally:
        signals.token_failed.disconnect(receiver)

    assert heard == ["failed"]
