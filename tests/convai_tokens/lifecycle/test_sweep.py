"""The sweep: what is owed is revoked, and a step that fails leaves the others their turn."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from convai_tokens.convai.client import forget_client, get_client
from convai_tokens.lifecycle import sweep as sweeping
from convai_tokens.lifecycle.processes import last_passes
from convai_tokens.lifecycle.revocation import CLAIM, revoke_claimed
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, LearnerSession, TokenStatus
from convai_tokens.models.moments import utc_now
from tests.builders import open_breaker, open_breaker_whose_pause_is_over

MakeTokens = Callable[[int], None]


def test_all_that_is_owed_is_revoked_by_several_workers(
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    make_owed_tokens(20)
    assert len(convai.live()) == 20

    report = sweep(workers=4)

    assert (report.revoked, report.owed, report.more) == (20, 0, False)
    assert convai.live() == []


def test_two_sweeps_at_the_same_time_revoke_each_token_once(
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    make_owed_tokens(30)
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
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    make_owed_tokens(CLAIM * 3)
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 1

    report = sweep(workers=1, stopped=stopped)

    assert report.revoked == CLAIM
    assert report.owed == CLAIM * 2
    assert not ConvaiToken.objects.owed().filter(claimed_until__isnull=False).exists()


def test_a_convai_that_is_down_does_not_hold_the_sweep_up(
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    make_owed_tokens(50)
    convai.set(faults={"503": 1})
    calls = sum(convai.summary()["calls"].values())

    report = sweep(workers=1)

    assert report.revoked == 0
    assert report.owed == 50
    assert sum(convai.summary()["calls"].values()) - calls == 3  # then the breaker opened


def test_an_outage_does_not_grow_the_attempts_of_a_token_claimed_by_nobody(
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    make_owed_tokens(1)
    convai.set(reset=True)
    with time_machine.travel(utc_now()) as clock:
        for _ in range(4):
            clock.shift(3600)
            forget_client()
            sweep(workers=1)
    assert ConvaiToken.objects.get().attempts == 4


def test_a_sweep_is_seen_by_its_host_and_one_that_was_stopped_is_not(db: None) -> None:
    sweep(workers=1, stopped=lambda: True)
    assert last_passes() == []

    sweep(workers=1)
    sweep(workers=1)

    assert [(it.process, it.is_well) for it in last_passes()] == [(socket.gethostname(), True)]


def test_tokens_whose_values_do_not_open_do_not_hold_the_others_up(
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    """As after a new SECRET_KEY without its fallback: the values of older tokens don't open."""
    make_owed_tokens(4 * CLAIM)
    good = ConvaiToken.objects.latest("pk")
    ConvaiToken.objects.exclude(pk=good.pk).update(sealed="v1.broken")

    report = sweep(workers=1)

    assert (report.revoked, report.owed) == (1, 4 * CLAIM - 1)
    good.refresh_from_db()
    assert good.status == TokenStatus.REVOKED


def test_after_an_outage_one_call_probes_and_then_all_workers_revoke(
    convai: Any, make_owed_tokens: MakeTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_owed_tokens(24)
    convai.set(latency=0.02)
    breaker = get_client().revoking
    open_breaker_whose_pause_is_over(breaker)
    assert breaker.is_open
    revoked_in: list[str] = []

    def noted(token: ConvaiToken) -> str | None:
        dead = revoke_claimed(token)
        if dead:
            revoked_in.append(threading.current_thread().name)
        return dead

    monkeypatch.setattr(sweeping, "revoke_claimed", noted)

    report = sweep(workers=3)

    assert (report.revoked, report.owed) == (24, 0)
    assert revoked_in[0] == threading.current_thread().name
    assert len(set(revoked_in[1:])) == 3


def test_after_an_outage_a_value_that_does_not_open_does_not_pass_for_the_probe(
    convai: Any, make_owed_tokens: MakeTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_owed_tokens(13)
    first = ConvaiToken.objects.order_by("next_attempt_at")[0]
    ConvaiToken.objects.filter(pk=first.pk).update(sealed="v1.broken")
    convai.set(latency=0.02)
    breaker = get_client().revoking
    open_breaker_whose_pause_is_over(breaker)
    opened: list[bool] = []
    claims = sweeping._claims

    def noted(is_over: Any) -> Any:
        opened.append(breaker.is_open)
        return claims(is_over)

    monkeypatch.setattr(sweeping, "_claims", noted)

    report = sweep(workers=3)

    assert (report.revoked, report.owed) == (12, 1)
    assert opened == [False] * 3


def test_while_convai_is_known_to_be_down_no_row_is_touched(
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    make_owed_tokens(3)
    open_breaker(get_client().revoking)

    with CaptureQueriesContext(connection) as queries:
        assert sweep(workers=1).owed == 3

    of_tokens = f"UPDATE {connection.ops.quote_name(ConvaiToken._meta.db_table)}"
    touched = [query["sql"] for query in queries if query["sql"].startswith(of_tokens)]
    # Where a database has no SKIP LOCKED, an UPDATE of no row takes the lock.
    assert [sql for sql in touched if not re.search(r"= '?0+'?$", sql)] == []


def test_a_sweep_that_is_told_to_stop_probes_no_more(
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    make_owed_tokens(1)
    open_breaker_whose_pause_is_over(get_client().revoking)

    assert sweep(workers=1, stopped=lambda: True).owed == 1
    assert len(convai.live()) == 1


@pytest.mark.usefixtures("deadlocked_step")
def test_an_error_of_the_database_in_one_step_leaves_the_others_to_do_their_work(
    convai: Any,
    make_owed_tokens: MakeTokens,
    old_session: Callable[..., LearnerSession],
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_owed_tokens(2)
    old_session(status=TokenStatus.REVOKED)

    report = sweep(workers=2)

    assert (report.failed, report.revoked, report.purged, report.owed) == (1, 2, 2, 0)
    assert "deadlock detected" in caplog.text
    assert [it.is_well for it in last_passes()] == [False]  # the doctor and the overview tell


def test_an_error_of_the_database_while_revoking_leaves_the_rest_to_be_tidied_up(
    convai: Any,
    make_owed_tokens: MakeTokens,
    old_session: Callable[..., LearnerSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_owed_tokens(1)
    old_session(status=TokenStatus.REVOKED)

    def fail(limit: int) -> list[ConvaiToken]:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(sweeping, "claim", fail)

    report = sweep(workers=2)

    assert (report.failed, report.purged, report.owed) == (1, 2, 1)


def test_tokens_of_sessions_that_the_sweep_ends_are_revoked_by_itself_and_not_dispatched(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any
) -> None:
    dispatched: list[list[int]] = []
    convai_settings(DISPATCHER=dispatched.append)
    log_in()
    type(learner).objects.update(is_active=False)

    report = sweep(workers=1)

    assert (report.ended, report.revoked, report.owed) == (1, 1, 0)
    assert dispatched == []
    assert convai.live() == []


def test_what_is_owed_beyond_the_horizon_gets_one_more_try_before_it_lapses(
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    """As after a weekend without any sweep."""
    make_owed_tokens(1)
    ConvaiToken.objects.update(owed_since=utc_now() - timedelta(hours=30))

    report = sweep(workers=1)

    assert (report.revoked, report.lapsed) == (1, 0)


def test_nothing_lapses_while_the_time_of_a_pass_is_too_short_to_try_it(
    convai: Any, make_owed_tokens: MakeTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_owed_tokens(3)
    ConvaiToken.objects.update(owed_since=utc_now() - timedelta(hours=30))
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
