"""``LEARNER_RATE``: how many tokens one learner gets, however often she logs in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.test import Client

from convai_tokens.convai.client import forget_client, get_client
from convai_tokens.exceptions import ConvaiUnavailable, LearnerLimited, SessionEnded
from convai_tokens.lifecycle import issuing
from convai_tokens.lifecycle.ending import end_session
from convai_tokens.lifecycle.rate import HOUR, give_back_to_rate, take_from_rate
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, EndReason, LearnerRate
from convai_tokens.models.moments import utc_now
from tests.builders import open_breaker_whose_pause_is_over, open_session

Settings = Callable[..., None]


def test_logging_in_again_gives_no_more_tokens_than_the_rate(
    convai: Any, learner: Any, log_in: Any, convai_settings: Settings
) -> None:
    convai_settings(LEARNER_RATE=3)

    logins = [log_in(client=Client()) for _ in range(5)]

    blocks = [login.json()["convai"] for login in logins]
    assert [login.status_code for login in logins] == [200] * 5
    assert [bool(block["apiAuthToken"]) for block in blocks] == [True] * 3 + [False] * 2
    assert blocks[4]["error"]["code"] == "learner_rate_limited"
    assert 1190 <= blocks[4]["error"]["retryAfter"] <= 1200
    assert convai.summary()["generated"] == 3
    assert ConvaiToken.objects.count() == 3


def test_the_endpoint_answers_429_and_when_to_come_again(
    convai: Any, learner: Any, client: Client, log_in: Any, convai_settings: Settings
) -> None:
    convai_settings(LEARNER_RATE=1)
    log_in()

    answer = client.post("/convai/token/")

    assert answer.status_code == 429
    error = answer.json()["error"]
    assert error["code"] == "learner_rate_limited"
    assert answer["Retry-After"] == str(error["retryAfter"])
    assert 3590 <= error["retryAfter"] <= 3600
    assert client.post("/convai/token/extend/").status_code == 200  # that is no new token


def test_who_waits_as_told_gets_a_token_and_a_moment_earlier_none(
    convai: Any, learner: Any, convai_settings: Settings
) -> None:
    convai_settings(LEARNER_RATE=2)
    session = open_session(learner)
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        issuing.generate(session)
        clock.shift(60)
        issuing.generate(session)
        with pytest.raises(LearnerLimited) as limited:
            issuing.generate(session)
        told = limited.value.retry_after
        assert told == 1740

        clock.shift(told - 1)
        with pytest.raises(LearnerLimited):
            issuing.generate(session)
        clock.shift(1)
        issuing.generate(session)

    assert convai.summary()["generated"] == 3


def test_after_an_hour_the_whole_allowance_is_free_again(
    learner: Any, convai_settings: Settings
) -> None:
    convai_settings(LEARNER_RATE=4)
    start = utc_now()
    for moment in (start, start + HOUR, start + 5 * HOUR):
        with time_machine.travel(moment, tick=False):
            assert taken(learner, 6) == 4


def test_other_learners_and_the_breaker_do_not_hear_of_it(
    convai: Any,
    learner: Any,
    make_user: Callable[..., Any],
    log_in: Any,
    convai_settings: Settings,
) -> None:
    convai_settings(LEARNER_RATE=1)
    make_user("another-learner")
    for _ in range(5):
        log_in(client=Client())

    assert not get_client().breaker.is_open
    other = log_in(username="another-learner", client=Client()).json()["convai"]
    assert other["apiAuthToken"] in convai.live()


def test_the_probe_of_an_open_breaker_is_given_back(
    convai: Any, learner: Any, convai_settings: Settings
) -> None:
    convai_settings(LEARNER_RATE=1)
    session = open_session(learner)
    take_from_rate(learner.pk)
    open_breaker_whose_pause_is_over(get_client().breaker)

    with pytest.raises(LearnerLimited):
        issuing.generate(session)

    give_back_to_rate(learner.pk)
    assert issuing.generate(session).value.reveal() in convai.live()
    assert not get_client().breaker.is_open


def test_a_call_that_generated_nothing_does_not_count(
    convai: Any, learner: Any, convai_settings: Settings
) -> None:
    convai_settings(LEARNER_RATE=1)
    session = open_session(learner)
    convai.set(faults={"429": 1})
    with pytest.raises(ConvaiUnavailable):
        issuing.generate(session)
    convai.set(faults={})
    forget_client()  # whose breaker is open

    issuing.generate(session)


def test_a_call_of_which_nobody_knows_what_it_did_counts(
    convai: Any, learner: Any, convai_settings: Settings
) -> None:
    convai_settings(LEARNER_RATE=1)
    session = open_session(learner)
    convai.set(malformed="not_json")
    with pytest.raises(ConvaiUnavailable):
        issuing.generate(session)
    convai.set(malformed="")

    with pytest.raises(LearnerLimited):
        issuing.generate(session)


def test_a_session_that_has_ended_uses_up_nothing(
    convai: Any, learner: Any, convai_settings: Settings
) -> None:
    convai_settings(LEARNER_RATE=1)
    ended, session = open_session(learner, "first"), open_session(learner, "second")
    end_session(ended.pk, EndReason.LOGOUT)
    for _ in range(3):
        with pytest.raises(SessionEnded):
            issuing.generate(ended)

    issuing.generate(session)


def test_a_user_who_is_gone_is_not_counted(db: None) -> None:
    take_from_rate(None)

    assert not LearnerRate.objects.exists()


def test_it_costs_one_statement_whatever_the_history(
    learner: Any, django_assert_num_queries: Any
) -> None:
    take_from_rate(learner.pk)

    with django_assert_num_queries(1):
        take_from_rate(learner.pk)


def test_an_allowance_that_is_free_again_is_swept_away(
    convai: Any, learner: Any, make_user: Callable[..., Any]
) -> None:
    take_from_rate(learner.pk)
    LearnerRate.objects.create(user=make_user("another-learner"), used_until=utc_now() - 2 * HOUR)

    sweep(workers=1)

    assert LearnerRate.objects.get().user_id == learner.pk


def taken(user: Any, tries: int) -> int:
    """Return how many of so many tries count."""
    count = 0
    for _ in range(tries):
        try:
            take_from_rate(user.pk)
        except LearnerLimited:
            continue
        count += 1
    return count


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_exactly_what_there_is(
    make_user: Callable[..., Any], convai_settings: Settings
) -> None:
    convai_settings(LEARNER_RATE=10)
    learner = make_user()
    together = threading.Barrier(8)

    def work(_: int) -> int:
        together.wait(30)
        try:
            return taken(learner, 5)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        counts = list(threads.map(work, range(8)))

    assert sum(counts) == 10
