"""The sweep."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import OperationalError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from convai_tokens.convai.client import forget_client, get_client
from convai_tokens.exceptions import ConvaiUnavailable, ErrorCode
from convai_tokens.lifecycle import sweep as sweeping
from convai_tokens.lifecycle import tidying
from convai_tokens.lifecycle.sealing import seal
from convai_tokens.lifecycle.sweep import Step, SweepReport, sweep
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenEvent, TokenStatus


@pytest.fixture
def owe_real_tokens(
    convai: Any, convai_settings: Callable[..., None], learner: Any
) -> Callable[[int], None]:
    """Generate tokens at Convai, each in a session of its own that has ended."""
    from convai_tokens.lifecycle import ending, issuing
    from convai_tokens.logins.credentials import bearer_credential

    def make(count: int) -> None:
        convai_settings(DISPATCHER=lambda token_ids: None)
        for number in range(count):
            credential = bearer_credential("custom", str(number))
            session = issuing.open_session(credential, learner)
            issuing.generate(session)
            ending.end_session(session.pk, EndReason.API)

    return make


def test_the_sweep_pays_all_that_is_owed_with_several_workers(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(20)
    assert len(convai.live()) == 20

    report = sweep(workers=4)

    assert (report.revoked, report.owed, report.more) == (20, 0, False)
    assert convai.live() == []


def test_two_sweeps_at_the_same_time_revoke_each_token_once(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(30)
    convai.set(latency=0.01)
    reports: list[Any] = []

    def run() -> None:
        reports.append(sweep(workers=2))
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(report.revoked for report in reports) == 30
    assert {token["revoke_count"] for token in convai.ledger()["tokens"]} == {1}


def test_a_sweep_that_is_stopped_finishes_what_it_holds(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(sweeping.CLAIM * 3)
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 1

    report = sweep(workers=1, stopped=stopped)

    assert report.revoked == sweeping.CLAIM
    assert report.owed == sweeping.CLAIM * 2
    assert not ConvaiToken.objects.owed().filter(claimed_until__isnull=False).exists()


def test_a_convai_that_is_down_does_not_hold_the_sweep_up(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(50)
    convai.set(faults={"503": 1})
    calls = sum(convai.summary()["calls"].values())

    report = sweep(workers=1)

    assert report.revoked == 0
    assert report.owed == 50
    assert sum(convai.summary()["calls"].values()) - calls == 3  # then the breaker opened


def test_expired_tokens_are_marked_in_batches(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH", 3)
    session = LearnerSession.objects.create(user=learner, username="learner", stack="knox")
    past = timezone.now() - timedelta(minutes=1)
    for _ in range(7):
        ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE, expires_at=past)
    ConvaiToken.objects.create(
        session=session, status=TokenStatus.ACTIVE, expires_at=timezone.now() + timedelta(minutes=1)
    )

    assert sweep(workers=1).expired == 7
    assert ConvaiToken.objects.filter(status=TokenStatus.ACTIVE).count() == 1
    assert TokenEvent.objects.filter(kind="expired").count() == 7


def test_a_token_extended_in_the_meantime_is_not_expired(learner: Any) -> None:
    session = LearnerSession.objects.create(user=learner, username="learner", stack="knox")
    past = timezone.now() - timedelta(minutes=1)
    token = ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE, expires_at=past)
    passed = ConvaiToken.objects.filter(status=TokenStatus.ACTIVE, expires_at__lte=timezone.now())
    found = list(passed)
    future = timezone.now() + timedelta(hours=1)
    ConvaiToken.objects.filter(pk=token.pk).update(expires_at=future)

    assert found == [token]
    assert passed.take(1, status=TokenStatus.EXPIRED) == []
    assert ConvaiToken.objects.get().status == TokenStatus.ACTIVE


@pytest.fixture
def old_session(learner: Any) -> Callable[..., LearnerSession]:
    """Make a session of 200 days ago with one token in a given state."""

    def make(**fields: Any) -> LearnerSession:
        then = timezone.now() - timedelta(days=200)
        session = LearnerSession.objects.create(
            user=learner, username="learner", stack="knox", started_at=then, ended_at=then
        )
        token = ConvaiToken.objects.create(session=session, generated_at=then, **fields)
        if fields.get("sealed"):
            ConvaiToken.objects.filter(pk=token.pk).update(sealed=seal("a value", token.pk))
        TokenEvent.objects.create(session=session, token=token, kind="generated", at=then)
        TokenEvent.objects.create(session=session, kind="session_started", at=then)
        return session

    return make


def test_what_is_older_than_the_retention_is_purged(
    old_session: Callable[..., LearnerSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH", 2)
    for status in tidying.DEAD:
        old_session(status=status)

    assert sweep(workers=1).purged == 4 * len(tidying.DEAD)
    assert not TokenEvent.objects.exists()
    assert not LearnerSession.objects.exists()


def test_what_is_owed_or_alive_is_never_purged(
    convai: Any, old_session: Callable[..., LearnerSession]
) -> None:
    convai.set(faults={"503": 1})
    now = timezone.now()
    old_session(status=TokenStatus.REVOKING, sealed="x", owed_since=now, next_attempt_at=now)
    old_session(status=TokenStatus.ACTIVE, sealed="x", expires_at=now + timedelta(hours=1))
    old_session(status=TokenStatus.EXPIRED, sealed="x", expires_at=now)

    assert sweep(workers=1).purged == 0
    assert LearnerSession.objects.count() == 3


def test_what_is_younger_than_the_retention_is_kept(
    old_session: Callable[..., LearnerSession], convai_settings: Callable[..., None]
) -> None:
    old_session(status=TokenStatus.REVOKED)
    convai_settings(RETENTION=timedelta(days=201))

    assert sweep(workers=1).purged == 0


def test_a_user_model_without_a_flag_for_activity_is_fine(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.exceptions import FieldDoesNotExist

    def no_field(name: str) -> None:
        raise FieldDoesNotExist

    monkeypatch.setattr(type(learner)._meta, "get_field", no_field)

    assert tidying.end_sessions_of_lost_users(lambda: False) == 0


def test_an_outage_does_not_grow_the_attempts_of_a_token_claimed_by_nobody(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(1)
    convai.set(reset=True)
    with time_machine.travel(timezone.now()) as clock:
        for _ in range(4):
            clock.shift(3600)
            forget_client()
            sweep(workers=1)
    assert ConvaiToken.objects.get().attempts == 4


def test_the_client_of_the_suite_is_not_shared(client: Client) -> None:
    from convai_tokens.convai.client import get_client

    first = get_client()
    assert get_client() is first
    forget_client()
    assert get_client() is not first


def test_there_is_one_client_as_long_as_its_settings_stay_the_same(settings: Any) -> None:
    """Its breaker must remember, also where somebody forgot the settings altogether."""
    first = get_client()
    settings.CONVAI_TOKENS = {**settings.CONVAI_TOKENS, "MAX_LIVE_TOKENS": 3}
    assert get_client() is first
    settings.CONVAI_TOKENS["MAX_CONCURRENT"] = 3
    second = get_client()
    del settings.CONVAI_TOKENS
    third = get_client()

    assert len({first, second, third}) == 3
    assert get_client() is third


def test_a_sweep_comes_to_its_end_without_the_cache(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("the cache is away")

    monkeypatch.setattr(cache, "set", away)

    assert sweep(workers=1).owed == 0
    assert "the cache is away" in caplog.text


def test_rows_that_cannot_be_paid_do_not_keep_the_others_waiting(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    """As after a new SECRET_KEY without its fallback: the values of older tokens don't open."""
    owe_real_tokens(4 * sweeping.CLAIM)
    good = ConvaiToken.objects.latest("pk")
    ConvaiToken.objects.exclude(pk=good.pk).update(sealed="v1.broken")

    report = sweep(workers=1)

    assert (report.revoked, report.owed) == (1, 4 * sweeping.CLAIM - 1)
    good.refresh_from_db()
    assert good.status == TokenStatus.REVOKED


def test_after_an_outage_one_call_probes_and_then_all_workers_pay(
    convai: Any, owe_real_tokens: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    owe_real_tokens(24)
    convai.set(latency=0.02)
    breaker = get_client().revoking
    breaker.heard(ConvaiUnavailable("no", code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=0.01))
    assert breaker.is_open
    payers: list[str] = []

    def noted(token: ConvaiToken) -> str | None:
        dead = sweeping_pay(token)
        if dead:
            payers.append(threading.current_thread().name)
        return dead

    sweeping_pay = sweeping.revoke_claimed
    monkeypatch.setattr(sweeping, "revoke_claimed", noted)
    while breaker.pause_left:
        pass

    report = sweep(workers=3)

    assert (report.revoked, report.owed) == (24, 0)
    assert payers[0] == threading.current_thread().name
    assert len(set(payers[1:])) == 3


def test_after_an_outage_a_value_that_does_not_open_does_not_pass_for_the_probe(
    convai: Any, owe_real_tokens: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    owe_real_tokens(13)
    first = ConvaiToken.objects.order_by("next_attempt_at")[0]
    ConvaiToken.objects.filter(pk=first.pk).update(sealed="v1.broken")
    convai.set(latency=0.02)
    breaker = get_client().revoking
    breaker.heard(ConvaiUnavailable("no", code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=0.01))
    while breaker.pause_left:
        pass
    opened: list[bool] = []
    payments = sweeping._claims

    def noted(is_over: Any) -> Any:
        opened.append(breaker.is_open)
        return payments(is_over)

    monkeypatch.setattr(sweeping, "_claims", noted)

    report = sweep(workers=3)

    assert (report.revoked, report.owed) == (12, 1)
    assert opened == [False] * 3


def test_while_convai_is_known_to_be_down_no_row_is_touched(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(3)
    get_client().revoking.heard(ConvaiUnavailable("no", code=ErrorCode.CONVAI_RATE_LIMITED))

    with CaptureQueriesContext(connection) as queries:
        assert sweep(workers=1).owed == 3

    touched = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    # Where a database has no SKIP LOCKED, an UPDATE of no row takes the lock.
    assert [sql for sql in touched if not re.search(r"= '?0+'?$", sql)] == []


def test_a_sweep_that_is_told_to_stop_probes_no_more(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(1)
    breaker = get_client().revoking
    breaker.heard(ConvaiUnavailable("no", code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=0.001))
    while breaker.pause_left:
        pass

    assert sweep(workers=1, stopped=lambda: True).owed == 1
    assert len(convai.live()) == 1


@pytest.fixture
def a_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database fails one step of the sweep."""

    def fail(stopped: Any) -> int:
        raise OperationalError("deadlock detected")

    steps = [Step(it.name, fail) if it.name == "expired" else it for it in sweeping.STEPS]
    monkeypatch.setattr(sweeping, "STEPS", steps)


@pytest.mark.usefixtures("a_deadlock")
def test_an_error_of_the_database_in_one_step_leaves_the_others_to_do_their_work(
    convai: Any,
    owe_real_tokens: Callable[[int], None],
    old_session: Callable[..., LearnerSession],
    caplog: pytest.LogCaptureFixture,
) -> None:
    owe_real_tokens(2)
    old_session(status=TokenStatus.REVOKED)

    report = sweep(workers=2)

    assert (report.failed, report.revoked, report.purged, report.owed) == (1, 2, 4, 0)
    assert "deadlock detected" in caplog.text
    assert sweeping.last_seen() is None  # the doctor tells of a sweep that never succeeds


def test_an_error_of_the_database_while_paying_leaves_the_rest_to_be_tidied_up(
    convai: Any,
    owe_real_tokens: Callable[[int], None],
    old_session: Callable[..., LearnerSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owe_real_tokens(1)
    old_session(status=TokenStatus.REVOKED)

    def fail(limit: int) -> list[ConvaiToken]:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(sweeping, "claim", fail)

    report = sweep(workers=2)

    assert (report.failed, report.purged, report.owed) == (1, 4, 1)


def test_a_stop_is_heard_between_the_batches_of_every_step(
    learner: Any, old_session: Callable[..., LearnerSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH", 2)
    session = LearnerSession.objects.create(user=learner, username="learner", stack="knox")
    past = timezone.now() - timedelta(minutes=1)
    for _ in range(6):
        ConvaiToken.objects.create(session=session, status=TokenStatus.ACTIVE, expires_at=past)
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 1

    assert tidying.expire(stopped) == 2

    past = timezone.now() - timedelta(days=200)
    for fields in (
        {"status": TokenStatus.GENERATING},
        {
            "status": TokenStatus.REVOKING,
            "sealed": "x",
            "owed_since": past,
            "next_attempt_at": past,
        },
        {"status": TokenStatus.EXPIRED, "sealed": "x", "next_attempt_at": past},
        {"status": TokenStatus.REVOKED},
    ):
        old_session(**fields)
    LearnerSession.objects.filter(pk=session.pk).update(user=None)
    before = SweepReport(owed=1)
    assert sweep(workers=2, stopped=lambda: True) == before


def test_sessions_that_the_sweep_ends_are_paid_by_the_sweep_and_not_by_hints(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any
) -> None:
    hints: list[list[int]] = []
    convai_settings(DISPATCHER=hints.append)
    log_in()
    type(learner).objects.update(is_active=False)

    report = sweep(workers=1)

    assert (report.ended, report.revoked, report.owed) == (1, 1, 0)
    assert hints == []
    assert convai.live() == []


def test_what_is_owed_beyond_the_horizon_gets_one_more_try_before_it_lapses(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    """As after a weekend without any sweep."""
    owe_real_tokens(1)
    ConvaiToken.objects.update(owed_since=timezone.now() - timedelta(hours=30))

    report = sweep(workers=1)

    assert (report.revoked, report.lapsed) == (1, 0)


def test_nothing_lapses_while_the_time_of_a_pass_is_too_short_to_try_it(
    convai: Any, owe_real_tokens: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    owe_real_tokens(3)
    ConvaiToken.objects.update(owed_since=timezone.now() - timedelta(hours=30))
    monkeypatch.setattr(sweeping, "REVOKE_FOR", 0.0)

    report = sweep(workers=1)

    assert (report.lapsed, report.owed, report.more) == (0, 3, True)


def test_tidying_up_has_its_time_too(
    learner: Any, old_session: Callable[..., LearnerSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "TIDY_FOR", 0.0)
    old_session(status=TokenStatus.REVOKED)

    report = sweep(workers=1)

    assert (report.purged, report.more) == (0, True)


def test_a_session_that_ended_of_late_is_kept_however_long_ago_it_began(
    old_session: Callable[..., LearnerSession],
) -> None:
    session = old_session(status=TokenStatus.REVOKED)
    LearnerSession.objects.update(ended_at=timezone.now())
    TokenEvent.objects.create(session=session, kind="session_ended")

    sweep(workers=1)

    assert LearnerSession.objects.get() == session
    assert TokenEvent.objects.filter(kind="session_ended").exists()


def test_a_token_that_is_being_generated_saves_its_old_session_from_the_purge(
    old_session: Callable[..., LearnerSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = old_session(status=TokenStatus.REVOKED)
    ConvaiToken.objects.all().delete()
    LearnerSession.objects.update(ended_at=None)
    atomic = tidying.transaction.atomic

    class GenerateFirst:
        """Generates between the purge's look and its transaction."""

        @staticmethod
        def atomic(**kwargs: Any) -> Any:
            ConvaiToken.objects.get_or_create(session=session, status=TokenStatus.GENERATING)
            return atomic(**kwargs)

    monkeypatch.setattr(tidying, "transaction", GenerateFirst)

    assert tidying.purge(lambda: False) == 0
    assert ConvaiToken.objects.get().session == session
