"""Promise 6: logout never fails and never waits because of Convai."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from convai_tokens import dispatch
from convai_tokens.dispatch import threads
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import (
    ConvaiToken,
    EndReason,
    EventKind,
    LearnerSession,
    TokenEvent,
    TokenStatus,
)
from tests.builders import own_statements
from tests.conftest import ENGINES
from tests.waiting import dispatcher_is_done, eventually


@pytest.mark.parametrize("day", [{"hang": True}, {"faults": {"503": 1}}, {"reset": True}], ids=str)
@pytest.mark.parametrize("stack", ["json", "knox"])
def test_promise_6_logout_answers_at_once_and_the_sweep_revokes_later(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    bearer: Any,
    stack: str,
    day: dict[str, Any],
) -> None:
    convai_settings(DISPATCHER="convai_tokens.dispatch.thread", READ_TIMEOUT=0.3)
    login = log_in(f"/login/{stack}/")
    headers = bearer(login)
    convai.set(**day)

    logout = client.post(f"/logout/{stack}/", headers=headers)

    assert logout.status_code == 204
    # The dispatcher is another thread: wait until it has tried, and gave the lease back.
    eventually(dispatcher_is_done)
    assert ConvaiToken.objects.get().status == TokenStatus.REVOKING
    assert convai.live() == [login.json()["convai"]["apiAuthToken"]]
    convai.set(hang=False, reset=False, faults={})
    ConvaiToken.objects.update(next_attempt_at="2000-01-01T00:00:00Z")
    assert sweep(workers=1).revoked == 1
    assert convai.live() == []


def test_promise_6_logout_does_not_run_the_call_in_its_own_thread(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, called_in = threading.Event(), []

    def hold(token_ids: list[int]) -> None:
        called_in.append(threading.current_thread())
        release.wait(30)

    convai_settings(DISPATCHER="convai_tokens.dispatch.thread")
    monkeypatch.setattr(dispatch, "attempt", hold)
    log_in()

    logout = client.post("/logout/json/")

    assert logout.status_code == 204  # while the dispatcher still holds
    release.set()
    eventually(dispatcher_is_done)
    assert called_in
    assert threading.main_thread() not in called_in


@pytest.mark.parametrize("stack", ["json", "knox"])
def test_promise_6_logout_survives_a_failure_of_our_own(
    convai: Any,
    learner: Any,
    client: Client,
    log_in: Any,
    bearer: Any,
    stack: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    login = log_in(f"/login/{stack}/")
    headers = bearer(login)

    def broken(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the tables are not there")

    monkeypatch.setattr("convai_tokens.contrib.knox.end_sessions", broken)
    monkeypatch.setattr("convai_tokens.logins.receivers.end_session", broken)

    logout = client.post(f"/logout/{stack}/", headers=headers)

    assert logout.status_code == 204
    assert client.post("/convai/token/", headers=headers).status_code == 401


def test_promise_6_a_logout_makes_its_learner_wait_for_few_statements(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    bearer: Any,
) -> None:
    """Three tokens of one session, and no statement of its own for each."""
    headers = bearer(log_in("/login/knox/"))
    for _ in range(2):
        assert client.post("/convai/token/", headers=headers).status_code == 200
    convai_settings(DISPATCHER=lambda token_ids: None)

    with CaptureQueriesContext(connection) as queries:
        assert client.post("/logout/knox/", headers=headers).status_code == 204

    ours = own_statements(queries)
    verbs = [sql.split()[0] for sql in ours]
    # Where rows have locks, they are asked for without waiting.
    locks = ["SELECT"] * connection.features.has_select_for_update_nowait
    assert verbs == [*locks, "UPDATE", "SELECT", "SELECT", "UPDATE", "INSERT"], ours
    assert TokenEvent.objects.filter(kind=EventKind.OWED).count() == 3


@pytest.mark.parametrize(
    ("stack", "engine"),
    [("knox", "db"), *(("json", name) for name in ENGINES)],
    indirect=["engine"],
)
def test_promise_6_a_logout_that_the_database_refused_is_made_good_after_the_commit(
    convai: Any,
    learner: Any,
    client: Client,
    log_in: Any,
    bearer: Any,
    refused: list[Any],
    stack: str,
    engine: str,
) -> None:
    login = log_in(f"/login/{stack}/")
    headers = bearer(login)

    assert client.post(f"/logout/{stack}/", headers=headers).status_code == 204

    assert refused
    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT
    assert convai.live() == []


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("deactivate", EndReason.USER_DEACTIVATED),
        ("change the password", EndReason.PASSWORD_CHANGED),
        ("delete the row", EndReason.SESSION_DELETED),
    ],
)
def test_promise_6_any_end_that_the_database_refused_is_made_good_after_the_commit(
    convai: Any, learner: Any, log_in: Any, refused: list[Any], action: str, reason: EndReason
) -> None:
    log_in()

    with transaction.atomic():
        if action == "deactivate":
            learner.is_active = False
            learner.save()
        elif action == "change the password":
            learner.set_password("another")
            learner.save()
        else:
            Session.objects.all().delete()
        assert refused
        assert LearnerSession.objects.get().ended_at is None

    assert LearnerSession.objects.get().end_reason == reason
    assert convai.live() == []


@pytest.mark.parametrize("stack", ["json", "knox"])
def test_promise_6_logout_survives_a_dispatcher_that_fails(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    bearer: Any,
    stack: str,
) -> None:
    def broken(token_ids: list[int]) -> None:
        raise ConnectionError("the broker is away")

    login = log_in(f"/login/{stack}/")
    headers = bearer(login)
    convai_settings(DISPATCHER=broken)

    assert client.post(f"/logout/{stack}/", headers=headers).status_code == 204
    assert ConvaiToken.objects.get().status == TokenStatus.REVOKING


def test_promise_6_a_full_queue_leaves_the_rest_to_the_sweep(
    convai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, ended = threading.Event(), threading.Event()

    def hold(token_ids: list[int]) -> None:
        release.wait(30)
        ended.set()

    monkeypatch.setattr(dispatch, "attempt", hold)

    dispatch.thread(list(range(threads.QUEUE_LENGTH * 2)))

    assert not ended.is_set()  # it did not wait for a place
    release.set()
    eventually(dispatcher_is_done)


def test_promise_6_logout_of_a_learner_who_deleted_the_account_is_committed(
    convai: Any, learner: Any, client: Client, log_in: Any, engine: str
) -> None:
    """No learner session had started, and none can refer to a user who is gone."""
    log_in("/login/html/")

    assert client.post("/logout/for-good/").status_code == 204

    assert not get_user_model().objects.exists()
    assert not LearnerSession.objects.open().exists()
