"""Races on databases with row locks: many threads, each with a connection of its own."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from convai_tokens.exceptions import ConvaiTokensError
from convai_tokens.lifecycle import ending, issuing, revocation
from convai_tokens.lifecycle.sealing import seal
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import LIVE, ConvaiToken, EndReason, LearnerSession, TokenEvent
from convai_tokens.models.moments import utc_now
from convai_tokens.secret import Secret
from tests.builders import make_session, open_session

pytestmark = pytest.mark.concurrency

# Of four requests each: a thousand requests, unless more are asked for.
ROUNDS = int(os.environ.get("RACE_ROUNDS", "250"))


@pytest.fixture(autouse=True)
def _row_locks(transactional_db: None) -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("needs a database with row locks: set DATABASE_URL to PostgreSQL or MariaDB")


@pytest.fixture
def at_once() -> Callable[..., list[Any]]:
    """Run functions in threads that start together; return what they return or raise."""

    def run(*functions: Callable[[], Any]) -> list[Any]:
        barrier = threading.Barrier(len(functions))
        outcomes: list[Any] = [None] * len(functions)

        def work(number: int, function: Callable[[], Any]) -> None:
            barrier.wait()
            try:
                outcomes[number] = function()
            except Exception as error:  # noqa: BLE001 - the test judges it
                outcomes[number] = error
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work, args=pair) for pair in enumerate(functions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    return run


def only_expected(outcomes: list[Any]) -> None:
    """Fail if any thread met an error that isn't one of the app's own, such as a deadlock."""
    unexpected = [
        outcome
        for outcome in outcomes
        if isinstance(outcome, Exception) and not isinstance(outcome, ConvaiTokensError)
    ]
    assert unexpected == []


def test_fifty_parallel_token_requests_of_one_session_respect_the_cap(
    convai: Any, convai_settings: Any, learner: Any, log_in: Any, bearer: Any, at_once: Any
) -> None:
    convai_settings(MAX_LIVE_TOKENS=5, MAX_CONCURRENT=50, LOGIN_BUDGET=30, READ_TIMEOUT=30)
    convai.set(latency=0.02)
    headers = bearer(log_in("/login/knox/"))

    outcomes = at_once(*[lambda: Client().post("/convai/token/", headers=headers)] * 50)

    only_expected(outcomes)
    answers = [outcome.status_code for outcome in outcomes]
    assert set(answers) <= {200, 409}
    assert answers.count(200) >= 5
    assert ConvaiToken.objects.filter(status__in=LIVE).count() == 5
    assert len(convai.live()) == 5
    assert LearnerSession.objects.count() == 1


def test_login_logout_and_token_requests_interleaved_a_thousand_times_leave_nothing_alive(
    convai: Any, convai_settings: Any, learner: Any, at_once: Any
) -> None:
    convai_settings(MAX_CONCURRENT=50, LOGIN_BUDGET=30, READ_TIMEOUT=30)
    source = random.Random(20261122)
    every: list[Any] = []

    def generate(session: LearnerSession) -> Callable[[], Any]:
        return lambda: issuing.generate(session)

    def extend(session: LearnerSession) -> Callable[[], Any]:
        return lambda: issuing.extend(session)

    def end(session: LearnerSession) -> Callable[[], Any]:
        # An end is quicker than a call to Convai: without this most would come before any.
        pause = source.uniform(0, 0.05)

        def after_a_moment() -> bool:
            time.sleep(pause)
            return ending.end_session(session.pk, EndReason.LOGOUT)

        return after_a_moment

    for number in range(125):  # 125 sessions, 8 steps each at once: a thousand
        session = open_session(learner, str(number))
        steps = [
            generate(session),
            generate(session),
            generate(session),
            extend(session),
            extend(session),
            generate(session),
            end(session),
            end(session),
        ]
        source.shuffle(steps)
        every += at_once(*steps)

    only_expected(every)
    # A revocation that met another's claim is due again; nothing is left to wait for else.
    revocation.attempt(list(ConvaiToken.objects.owed().values_list("pk", flat=True)))
    assert LearnerSession.objects.open().count() == 0
    assert TokenEvent.objects.filter(kind="session_ended").count() == 125
    assert not ConvaiToken.objects.filter(status__in=LIVE).exists()
    assert convai.summary()["generated"] > 125
    assert convai.live() == []


def test_requests_of_one_session_interleaved_a_thousand_times_leave_nothing_alive(
    convai: Any, convai_settings: Any, learner: Any, log_in: Any, at_once: Any
) -> None:
    convai_settings(MAX_CONCURRENT=50, LOGIN_BUDGET=30, READ_TIMEOUT=30)
    answers: list[Any] = []

    def sent(cookie: str, path: str) -> Callable[[], Any]:
        browser = Client()
        browser.cookies["sessionid"] = cookie
        if path.startswith("/login/"):
            return lambda: log_in(path, client=browser)
        return lambda: browser.post(path)

    for _ in range(ROUNDS):
        cookie = log_in(client=Client()).cookies["sessionid"].value
        paths = ["/login/json/", "/logout/json/", "/convai/token/", "/convai/token/"]
        together = at_once(*[sent(cookie, path) for path in paths])
        only_expected(together)
        answers += together
        # The login over the same session may have gone on under a new key.
        if "sessionid" in together[0].cookies:
            sent(together[0].cookies["sessionid"].value, "/logout/json/")()

    # 400: Django's, for a session that another request deleted meanwhile.
    assert {answer.status_code for answer in answers} <= {200, 204, 400, 401, 403, 409}
    revocation.attempt(list(ConvaiToken.objects.owed().values_list("pk", flat=True)))
    assert not LearnerSession.objects.open().exists()
    assert convai.summary()["generated"] > ROUNDS
    assert convai.live() == []


def test_two_workers_never_claim_the_same_row(learner: Any, at_once: Any) -> None:
    now = utc_now()
    session = make_session(learner)
    for _ in range(200):
        token = ConvaiToken.objects.create(
            session=session, status="revoking", owed_since=now, next_attempt_at=now
        )
        ConvaiToken.objects.filter(pk=token.pk).update(
            sealed=seal(Secret("a value"), token.pk, token.session_id)
        )

    def claim_all() -> list[int]:
        claimed: list[int] = []
        while batch := revocation.claim(7):
            claimed += [token.pk for token in batch]
        return claimed

    outcomes = at_once(*[claim_all] * 8)

    only_expected(outcomes)
    claimed = [token_id for outcome in outcomes for token_id in outcome]
    assert len(claimed) == len(set(claimed)) == 200


@pytest.fixture
def held() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Do something in a transaction of another connection, and leave that open for the test."""
    may_commit = threading.Event()
    threads: list[threading.Thread] = []

    def hold(step: Callable[[], Any]) -> None:
        holds = threading.Event()

        def run() -> None:
            try:
                with transaction.atomic():
                    step()
                    holds.set()
                    may_commit.wait(60)
            finally:
                connections.close_all()

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        assert holds.wait(60)

    def commit() -> None:
        may_commit.set()
        for thread in threads:
            thread.join()

    hold.commit = commit  # type: ignore[attr-defined]
    yield hold
    commit()


def test_a_long_transaction_of_the_lms_holds_the_sweep_up_at_nothing_but_its_own_rows(
    convai: Any, convai_settings: Any, learner: Any, make_user: Any, held: Any
) -> None:
    """It deactivates and ends, say, and does not commit; meanwhile tokens expire."""
    convai_settings(DISPATCHER=lambda token_ids: None)
    users = [learner, learner, make_user("lost"), make_user("lost-too"), learner, learner]
    sessions = []
    for number, user in enumerate(users):
        session = open_session(user, str(number))
        issuing.generate(session)
        sessions.append(session)
    for owed in sessions[:2]:
        ending.end_session(owed.pk, EndReason.API)
    type(learner).objects.filter(username__startswith="lost").update(is_active=False)
    ConvaiToken.objects.filter(session__in=sessions[4:]).update(expires_at=utc_now())

    # A session of a lost user, and one with a token that has expired.
    held(lambda: LearnerSession.objects.filter(pk=sessions[2].pk).update(device="held"))
    held(lambda: ending.end_session(sessions[4].pk, EndReason.API))
    report = sweep(workers=2)
    held.commit()

    # The two owed, and the token of the other lost user.
    assert (report.revoked, report.ended, report.expired, report.failed) == (3, 1, 1, 0)
    report = sweep(workers=2)
    assert (report.revoked, report.ended, report.expired, report.failed) == (2, 1, 0, 0)
    assert len(convai.live()) == 1


def test_the_purge_leaves_a_session_alone_whose_token_is_being_generated(
    convai: Any, learner: Any, held: Any
) -> None:
    then = utc_now() - timedelta(days=200)
    sessions = [make_session(learner, started_at=then) for _ in range(2)]

    def generate() -> None:
        """What issuing._write_intent() does before it commits."""
        assert LearnerSession.objects.lock_open(sessions[0].pk)
        ConvaiToken.objects.create(session=sessions[0])

    held(generate)
    assert sweep(workers=1).purged == 1
    held.commit()

    assert sweep(workers=1).purged == 0
    assert LearnerSession.objects.get() == sessions[0]


def test_first_requests_of_one_credential_at_once_open_one_session(
    learner: Any, at_once: Any
) -> None:
    outcomes = at_once(*[lambda: open_session(learner).pk] * 16)

    only_expected(outcomes)
    assert len(set(outcomes)) == 1
    assert TokenEvent.objects.filter(kind="session_started").count() == 1


def test_a_session_ended_by_many_at_once_ends_once(convai: Any, learner: Any, at_once: Any) -> None:
    session = open_session(learner)
    issuing.generate(session)

    outcomes = at_once(*[lambda: ending.end_session(session.pk, EndReason.LOGOUT)] * 16)

    only_expected(outcomes)
    assert outcomes.count(True) == 1
    assert TokenEvent.objects.filter(kind="owed").count() == 1
    assert convai.live() == []
