"""Promise 4: no revocation is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
import time_machine
from django.db import OperationalError, connections
from django.test import Client

from convai_tokens.convai.client import ConvaiClient, forget_client
from convai_tokens.exceptions import SessionEnded, TokenSuperseded
from convai_tokens.lifecycle import ending, issuing, revocation, storing
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import (
    ConvaiToken,
    ConvaiTokenQuerySet,
    EndReason,
    EventKind,
    LearnerSession,
    TokenEvent,
    TokenStatus,
)
from convai_tokens.models.moments import utc_now


@pytest.fixture
def while_generating(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Do something once, after Convai has generated a token and before anybody here knows it."""

    def arrange(action: Callable[[], Any]) -> None:
        generate, todo = ConvaiClient.generate, [action]

        def late(self: Any, *args: Any, **options: Any) -> Any:
            generated = generate(self, *args, **options)
            if todo:
                todo.pop()()
            return generated

        monkeypatch.setattr(ConvaiClient, "generate", late)

    return arrange


def test_promise_4_a_logout_that_races_a_login_leaves_nothing_alive(
    convai: Any, learner: Any, log_in: Any, while_generating: Any
) -> None:
    def end() -> None:
        ending.end_session(LearnerSession.objects.get().pk, EndReason.LOGOUT)

    while_generating(end)

    block = log_in().json()["convai"]

    assert block["apiAuthToken"] is None
    assert block["error"]["code"] == "session_ended"
    assert convai.summary()["generated"] == 1
    assert convai.live() == []
    assert ConvaiToken.objects.get().status == TokenStatus.REVOKED


def test_promise_4_a_real_logout_request_during_a_real_token_request_leaves_nothing_alive(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    convai.set(latency=0.5)
    answers: list[Any] = []

    def refresh() -> None:
        other = Client()
        other.cookies = client.cookies
        answers.append(other.post("/convai/token/"))
        connections.close_all()

    thread = threading.Thread(target=refresh)
    thread.start()
    while ConvaiToken.objects.filter(status=TokenStatus.GENERATING).count() == 0:
        assert thread.is_alive()
    client.post("/logout/json/")
    thread.join()

    assert answers[0].status_code == 409
    assert answers[0].json()["error"]["code"] == "session_ended"
    assert convai.summary()["generated"] == 2
    assert convai.live() == []


def test_promise_4_a_token_that_the_cap_overtook_while_it_was_generated_is_revoked(
    convai: Any, convai_settings: Any, learner: Any, log_in: Any, while_generating: Any
) -> None:
    log_in()
    session = LearnerSession.objects.get()
    convai_settings(MAX_LIVE_TOKENS=1)
    while_generating(lambda: issuing.generate(session))

    with pytest.raises(TokenSuperseded):
        issuing.generate(session)

    assert len(convai.live()) == 1
    assert ConvaiToken.objects.filter(status=TokenStatus.ACTIVE).count() == 1


def test_promise_4_a_caller_given_up_for_dead_revokes_what_it_brings_back(
    convai: Any, learner: Any, log_in: Any, while_generating: Any
) -> None:
    log_in()
    session = LearnerSession.objects.get()

    def give_up() -> None:
        ConvaiToken.objects.filter(status=TokenStatus.GENERATING).update(
            generated_at=utc_now() - timedelta(hours=1)
        )
        assert sweep(workers=1).unknown == 1

    while_generating(give_up)

    with pytest.raises(TokenSuperseded):
        issuing.generate(session)

    assert len(convai.live()) == 1  # the login's own
    assert ConvaiToken.objects.order_by("-pk")[0].status == TokenStatus.REVOKED


@pytest.fixture
def database_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the database fail so many times to store a token that was generated."""

    def arrange(times: int) -> None:
        move, left = ConvaiTokenQuerySet.move, [None] * times

        def failing(self: Any, *args: Any, **kwargs: Any) -> bool:
            moved = move(self, *args, **kwargs)
            if kwargs["to"] == TokenStatus.ACTIVE and left:
                left.pop()
                raise OperationalError("Deadlock found when trying to get lock")
            return moved

        monkeypatch.setattr(ConvaiTokenQuerySet, "move", failing)

    return arrange


def test_promise_4_a_token_that_met_a_deadlock_is_stored_all_the_same(
    convai: Any, learner: Any, log_in: Any, database_fails: Any
) -> None:
    database_fails(1)

    block = log_in().json()["convai"]

    assert convai.live() == [block["apiAuthToken"]]
    assert ConvaiToken.objects.get().status == TokenStatus.ACTIVE
    assert TokenEvent.objects.filter(kind="generated").count() == 1


def test_promise_4_a_token_that_the_database_would_not_store_is_said_to_be_unknown(
    convai: Any, learner: Any, log_in: Any, database_fails: Any
) -> None:
    database_fails(2)

    block = log_in().json()["convai"]
    with time_machine.travel(utc_now() + timedelta(hours=1)):
        sweep(workers=1)

    assert block["error"]["code"] == "convai_error"
    assert ConvaiToken.objects.get().status == TokenStatus.UNKNOWN


def test_promise_4_a_token_whose_commit_went_through_unheard_is_its_learners(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection broke on COMMIT: the second try finds the row active, and in its own name."""
    store, times = storing._store_once, [0]

    def unheard(*args: Any) -> Any:
        stored = store(*args)
        times[0] += 1
        if times[0] == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return stored

    monkeypatch.setattr(storing, "_store_once", unheard)

    block = log_in().json()["convai"]

    assert [block["apiAuthToken"]] == convai.live()
    assert not TokenEvent.objects.filter(kind="owed").exists()
    ending.end_session(LearnerSession.objects.get().pk, EndReason.LOGOUT)
    assert convai.live() == []


def test_promise_4_sessions_that_are_picked_by_their_end_are_refused_and_stay_open(
    convai: Any, learner: Any, log_in: Any
) -> None:
    """Once they have ended they aren't found any more, nor are their tokens."""
    log_in()

    with pytest.raises(ValueError, match="filtered by how they ended"):
        ending.end_sessions(LearnerSession.objects.open(), EndReason.API)

    assert LearnerSession.objects.get().ended_at is None
    assert ending.end_sessions(LearnerSession.objects.all(), EndReason.API) == 1
    assert convai.live() == []


def test_promise_4_an_ended_session_gets_no_further_token(
    convai: Any, learner: Any, log_in: Any
) -> None:
    log_in()
    session = LearnerSession.objects.get()
    ending.end_session(session.pk, EndReason.API)

    with pytest.raises(SessionEnded):
        issuing.generate(session)
    with pytest.raises(SessionEnded):
        issuing.extend(session)

    assert convai.summary()["generated"] == 1


def test_promise_4_a_session_that_ends_while_its_token_is_extended_is_revoked(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in()
    session = LearnerSession.objects.get()
    extend = ConvaiClient.extend

    def late(self: Any, *args: Any) -> Any:
        until = extend(self, *args)
        ending.end_session(session.pk, EndReason.LOGOUT)
        return until

    monkeypatch.setattr(ConvaiClient, "extend", late)

    with pytest.raises(SessionEnded):
        issuing.extend(session)

    assert convai.live() == []


def test_promise_4_an_outage_is_outlasted(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    convai.set(faults={"503": 1})
    client.post("/logout/json/")

    with time_machine.travel(utc_now()) as clock:
        for _ in range(24 * 2):
            clock.shift(1800)
            forget_client()  # each pass is a new process, as a cron line's is
            sweep(workers=1)
        assert ConvaiToken.objects.get().status == TokenStatus.REVOKING
        assert ConvaiToken.objects.get().attempts == 1 + 24 * 2
        convai.set(faults={})
        clock.shift(600)
        forget_client()
        assert sweep(workers=1).revoked == 1
    assert convai.live() == []


def test_promise_4_what_could_not_be_confirmed_within_the_horizon_is_said_so(
    convai: Any, learner: Any, client: Client, log_in: Any, caplog: pytest.LogCaptureFixture
) -> None:
    log_in()
    convai.set(faults={"503": 1})
    client.post("/logout/json/")

    with time_machine.travel(utc_now() + timedelta(hours=24, minutes=59)) as clock:
        assert sweep(workers=1).lapsed == 0
        clock.shift(120)
        report = sweep(workers=1)

    assert report.lapsed == 1
    assert report.owed == 0
    token = ConvaiToken.objects.get()
    assert token.status == TokenStatus.LAPSED
    assert token.sealed == ""
    assert token.events.order_by("-pk")[0].kind == EventKind.LAPSED
    assert "lapsed" in caplog.text


def test_promise_4_a_bad_key_leaves_it_owed(
    convai: Any, learner: Any, client: Client, log_in: Any, caplog: pytest.LogCaptureFixture
) -> None:
    log_in()
    convai.set(accepted_keys=["another-key"])

    client.post("/logout/json/")

    token = ConvaiToken.objects.get()
    assert token.status == TokenStatus.REVOKING
    assert token.last_error.startswith("convai_bad_key")
    assert "ERROR" in {record.levelname for record in caplog.records}
    convai.set(accepted_keys=[])
    with time_machine.travel(utc_now() + timedelta(minutes=20)):
        forget_client()
        assert sweep(workers=1).revoked == 1


def test_promise_4_a_dead_workers_claim_comes_free(
    convai: Any, convai_settings: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    convai_settings(DISPATCHER=lambda token_ids: None)
    client.post("/logout/json/")
    [claimed] = revocation.claim(10)  # and now this worker dies

    assert revocation.claim(10) == []
    with time_machine.travel(utc_now() + revocation.LEASE + timedelta(seconds=1)):
        assert sweep(workers=1).revoked == 1
    assert claimed.pk == ConvaiToken.objects.get().pk
    assert convai.live() == []


def test_promise_4_a_generate_call_that_died_stands_as_unknown(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*args: Any) -> None:
        raise Killed

    monkeypatch.setattr(storing, "store", die)
    with pytest.raises(Killed):
        log_in()
    assert ConvaiToken.objects.get().status == TokenStatus.GENERATING

    assert sweep(workers=1).unknown == 0
    with time_machine.travel(utc_now() + timedelta(minutes=3)):
        assert sweep(workers=1).unknown == 1
    assert ConvaiToken.objects.get().status == TokenStatus.UNKNOWN


def test_promise_4_a_revoking_row_without_a_value_becomes_unknown(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def end_and_die(*args: Any) -> None:
        ending.end_session(LearnerSession.objects.get().pk, EndReason.LOGOUT)
        raise Killed

    monkeypatch.setattr(storing, "store", end_and_die)
    with pytest.raises(Killed):
        log_in()
    assert ConvaiToken.objects.get().status == TokenStatus.REVOKING

    with time_machine.travel(utc_now() + timedelta(minutes=3)):
        report = sweep(workers=1)
    assert (report.unknown, report.owed) == (1, 0)


@pytest.mark.parametrize("answer", [200, 400, 401, 403, 404, 410])
@pytest.mark.parametrize("named", [True, False])
def test_promise_4_a_token_that_convai_does_not_know_counts_as_dead_in_the_end(
    convai: Any, learner: Any, client: Client, log_in: Any, answer: int, named: bool
) -> None:
    login = log_in()
    assert convai.connect(login.json()["convai"]["apiAuthToken"]) == 200
    # As if somebody had revoked it elsewhere.
    convai.set(revoke_dead=answer, name_token=named)
    requests.post(
        convai.url + "/user/revoke-token",
        json={"apiAuthToken": login.json()["convai"]["apiAuthToken"]},
        headers={"CONVAI-API-KEY": "any"},
        timeout=5,
    ).raise_for_status()

    client.post("/logout/json/")
    with time_machine.travel(utc_now()) as clock:
        for _ in range(6):
            clock.shift(1200)  # after an hour it is expired too
            sweep(workers=1)

    assert ConvaiToken.objects.get().status in (TokenStatus.REVOKED, TokenStatus.GONE)
    assert ConvaiToken.objects.get().attempts <= 6
