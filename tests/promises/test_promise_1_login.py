"""Promise 1: login is never Convai's hostage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from convai_tokens.convai.client import ConvaiClient, forget_client, get_client
from convai_tokens.exceptions import ConvaiRefused, ConvaiUnavailable, ErrorCode
from convai_tokens.lifecycle import ending, issuing
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenStatus
from tests.builders import (
    hung_until_a_moment_ago,
    open_breaker,
    open_session,
    own_statements,
)
from tests.waiting import eventually

LOGINS = ["/login/json/", "/login/drf/", "/login/knox/"]
BAD_DAYS: list[dict[str, Any]] = [
    {"hang": True},
    {"hang_after": True},
    {"drip": True, "drip_interval": 0.2},
    {"drip_headers": True, "drip_interval": 0.2},
    {"reset": True},
    {"drop": True},
    {"redirect": 302},
    {"redirect": 307},
    {"faults": {"500": 1}},
    {"faults": {"503": 1}},
    {"faults": {"404": 1}},
    {"faults": {"429": 1}},
    {"accepted_keys": ["another-key"]},
    {"malformed": "not_json"},
    {"malformed": "empty_object"},
    {"malformed": "empty_token"},
    {"malformed": "token_number"},
    {"malformed": "ok_false"},
    {"malformed": "huge"},
    {"malformed": "truncated"},
    {"malformed": "not_http"},
]


@pytest.mark.parametrize("day", BAD_DAYS, ids=str)
def test_promise_1_login_succeeds_with_an_error_block_on_a_bad_day(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    log_in: Any,
    day: dict[str, Any],
) -> None:
    convai.set(**day)
    convai_settings(LOGIN_BUDGET=0.5)

    response = log_in()

    assert response.status_code == 200
    block = response.json()["convai"]
    assert block["apiAuthToken"] is None
    assert block["expirationTime"] is None
    assert block["error"]["code"]
    assert block["error"]["retryAfter"] >= 0
    assert block["endUserId"] == str(learner.pk)


@pytest.mark.parametrize("path", LOGINS)
def test_promise_1_login_succeeds_while_nobody_listens(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any, path: str
) -> None:
    convai_settings(BASE_URL="http://127.0.0.1:9")

    response = log_in(path)

    assert response.status_code == 200
    assert response.json()["convai"]["error"]["code"] == "convai_unavailable"
    assert ConvaiToken.objects.get().status == TokenStatus.FAILED


def test_promise_1_login_waits_no_longer_than_its_budget(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any
) -> None:
    """Not even for an answer that drips, so that no receive ever takes long."""
    convai.set(drip_headers=True, drip_interval=0.05)
    convai_settings(LOGIN_BUDGET=0.3, READ_TIMEOUT=30, CONNECT_TIMEOUT=30)
    threads, began = threading.active_count(), time.monotonic()

    login = log_in()

    assert time.monotonic() - began < 5
    assert login.json()["convai"]["error"]["code"] == "convai_timeout"
    assert threading.active_count() == threads  # nobody waits on in the learner's place


@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_promise_1_login_that_waited_for_a_place_has_less_left_for_its_call(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    session = open_session(learner)
    issuing.generate(session)
    convai_settings(MAX_CONCURRENT=1)
    budgets: list[float] = []
    call = getattr(ConvaiClient, verb)

    def noted(client: ConvaiClient, *arguments: Any, **options: Any) -> Any:
        budgets.append(arguments[-1])
        return call(client, *arguments, **options)

    monkeypatch.setattr(ConvaiClient, verb, noted)
    slot = get_client().reserve(10.0)
    slot.__enter__()
    free = threading.Timer(0.3, slot.__exit__, (None, None, None))
    free.start()
    getattr(issuing, verb)(session, budget=10.0)
    free.join()

    assert len(budgets) == 1
    assert budgets[0] < 9.9  # it waited for 0.3 s, or a little less


def test_promise_1_login_calls_nobody_while_convai_is_known_to_be_down(
    convai: Any, learner: Any, log_in: Any
) -> None:
    convai.set(faults={"503": 1})
    for _ in range(3):
        log_in()
    calls = convai.summary()["calls"]
    rows = ConvaiToken.objects.count()

    response = log_in()

    error = response.json()["convai"]["error"]
    assert error["code"] == "convai_unavailable"
    assert 0 < error["retryAfter"] <= 15
    assert convai.summary()["calls"] == calls
    assert ConvaiToken.objects.count() == rows


@pytest.mark.parametrize("path", LOGINS)
def test_promise_1_login_asks_not_even_the_database_while_convai_is_known_to_be_down(
    convai: Any, learner: Any, log_in: Any, path: str
) -> None:
    get_client().breaker.heard(ConvaiRefused("No such key.", code=ErrorCode.CONVAI_BAD_KEY))

    with CaptureQueriesContext(connection) as queries:
        response = log_in(path)

    assert response.json()["convai"]["error"]["retryAfter"] == 60
    assert own_statements(queries) == []


@pytest.mark.parametrize("path", ["/login/json/", "/login/drf/"])
def test_promise_1_login_again_while_convai_is_down_still_renews_a_learner_session_that_ended(
    convai: Any, learner: Any, client: Client, log_in: Any, path: str
) -> None:
    log_in(path)
    ending.end_sessions(LearnerSession.objects.all(), EndReason.STAFF)
    open_breaker(get_client().breaker)
    assert log_in(path).json()["convai"]["error"]["code"] == "convai_unavailable"
    forget_client()  # Convai is back

    assert client.post("/convai/token/").status_code == 200


def no_background_probe() -> bool:
    return all(thread.name != "convai-probe" for thread in threading.enumerate())


@pytest.mark.parametrize("path", LOGINS)
def test_promise_1_login_is_not_the_probe_that_waits_for_a_convai_that_hangs(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any, path: str
) -> None:
    convai_settings(READ_TIMEOUT=0.5)  # as long as the test waits for the background probe
    convai.set(hang=True)
    hung_until_a_moment_ago(get_client().breaker)

    errors = [log_in(path).json()["convai"]["error"] for _ in range(3)]

    assert [error["code"] for error in errors] == ["convai_unavailable"] * 3
    assert all(0 < error["retryAfter"] <= 15 for error in errors)
    eventually(lambda: convai.summary()["calls"])
    assert convai.summary()["calls"] == {"/user/revoke-token": 1}  # of no token
    assert not ConvaiToken.objects.exists()
    eventually(no_background_probe)


ANSWERS: list[dict[str, Any]] = [
    *({"revoke_unknown": status} for status in (200, 400, 401, 404)),
    {"faults": {"500": 1}, "fault_paths": ["revoke"]},
    {"faults": {"401": 1}, "fault_paths": ["revoke"]},
]


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_promise_1_login_gets_a_token_again_once_a_background_probe_was_answered(
    convai: Any, learner: Any, log_in: Any, answer: dict[str, Any]
) -> None:
    """Whatever Convai says of a token that doesn't exist: whoever answers doesn't hang."""
    convai.set(**answer)
    breaker = get_client().breaker
    hung_until_a_moment_ago(breaker)

    first = log_in().json()["convai"]
    eventually(lambda: not breaker.pause_left)
    second = log_in().json()["convai"]

    assert first["error"]["code"] == "convai_unavailable"
    assert second["apiAuthToken"]
    assert not breaker.is_open


def test_promise_1_login_does_not_rush_into_a_convai_that_revokes_and_does_not_generate(
    convai: Any, learner: Any, log_in: Any, bearer: Any, client: Client
) -> None:
    headers = bearer(log_in("/login/knox/"))
    convai.set(faults={"503": 1}, fault_paths=["generate"])
    for _ in range(3):
        log_in()
    breaker = get_client().breaker
    assert breaker.pause_left > 0

    assert client.post("/logout/knox/", headers=headers).status_code == 204

    assert convai.live() == []  # it was revoked at once,
    assert breaker.pause_left > 0  # which says nothing about the next login


def test_promise_1_login_stays_without_a_token_when_convai_answers_429_to_a_background_probe(
    convai: Any, learner: Any, log_in: Any
) -> None:
    convai.set(faults={"429": 1}, retry_after="42", fault_paths=["revoke"])
    breaker = get_client().breaker
    hung_until_a_moment_ago(breaker)

    log_in()
    eventually(no_background_probe)

    assert 0 < log_in().json()["convai"]["error"]["retryAfter"] <= 42
    assert breaker.pause_left > 15
    assert not ConvaiToken.objects.exists()


def test_promise_1_login_succeeds_where_the_system_gives_no_thread_for_a_background_probe(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    hung_until_a_moment_ago(get_client().breaker)
    monkeypatch.setattr(threading.Thread, "start", none_left)

    response = log_in()

    assert response.status_code == 200
    assert response.json()["convai"]["error"]["code"] == "convai_unavailable"


@pytest.mark.parametrize(
    "outage",
    [
        {"hang": True},
        {"faults": {"503": 1}},
        {"faults": {"429": 1}, "retry_after": "1"},
        {"reset": True},
        {"in_front": "maintenance"},
    ],
    ids=str,
)
def test_promise_1_login_gets_a_token_for_whoever_waits_as_told_and_convai_is_well(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    outage: dict[str, Any],
) -> None:
    """On a site with a single kiosk, too: nobody else comes by to find out."""
    monkeypatch.setattr(ConvaiUnavailable, "pause", 0.9)
    convai_settings(READ_TIMEOUT=0.2, LOGIN_BUDGET=0.3)
    convai.set(**outage)
    told = [log_in().json()["convai"]["error"]["retryAfter"] for _ in range(4)]
    convai.call("DELETE", "/switches")  # well again, from this very moment

    time.sleep(told[-1])  # in real time, for a timer of the app's is what this is about
    block = log_in().json()["convai"]

    assert told[-1] == 1
    assert block["apiAuthToken"] in convai.live()


def test_promise_1_login_tells_the_vendors_retry_after(
    convai: Any, learner: Any, log_in: Any
) -> None:
    convai.set(faults={"429": 1}, retry_after="42")

    first = log_in().json()["convai"]["error"]
    second = log_in().json()["convai"]["error"]

    assert first["code"] == "convai_rate_limited"
    assert first["retryAfter"] == 42
    assert 40 <= second["retryAfter"] <= 42


@pytest.mark.parametrize("path", LOGINS)
def test_promise_1_login_survives_a_failure_of_our_own(
    convai: Any, learner: Any, log_in: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the tables are not there")

    monkeypatch.setattr("convai_tokens.logins.response.session_of", broken)

    response = log_in(path)

    assert response.status_code == 200
    assert response.json()["convai"]["error"]["code"] == "convai_error"


@pytest.mark.parametrize("name", ["ISSUE_IF", "END_USER", "PAYLOAD"])
def test_promise_1_login_survives_a_failure_of_the_projects_own_functions(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any, name: str
) -> None:
    def broken(*args: Any) -> None:
        raise ValueError("not today")

    convai_settings(**{name: broken})

    response = log_in()

    assert response.status_code == 200
    assert response.json()["hello"] == "learner"


def test_promise_1_login_signal_never_raises(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise ValueError("not today")

    monkeypatch.setattr("convai_tokens.logins.receivers.note_login", broken)

    assert log_in().json() == {"hello": "learner"}
