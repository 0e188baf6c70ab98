"""The sweep and its command."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from convai_tokens import sweep as sweeping
from convai_tokens.convai.client import forget_client
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenEvent
from convai_tokens.sealing import seal
from convai_tokens.sweep import sweep

Status = ConvaiToken.Status


@pytest.fixture
def owe_real_tokens(
    convai: Any, convai_settings: Callable[..., None], learner: Any
) -> Callable[[int], None]:
    """Generate tokens at Convai, each in a session of its own that has ended."""
    from convai_tokens import lifecycle
    from convai_tokens.credentials import bearer_credential

    def make(count: int) -> None:
        convai_settings(DISPATCHER=lambda token_ids: None)
        for number in range(count):
            credential = bearer_credential("custom", str(number))
            session = lifecycle.open_session(credential, learner)
            lifecycle.generate(session)
            lifecycle.end_session(session.pk, EndReason.API)

    return make


def test_the_sweep_pays_all_that_is_owed_with_several_workers(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(20)
    assert len(convai.live()) == 20

    report = sweep(workers=4)

    assert (report.revoked, report.owed) == (20, 0)
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
    monkeypatch.setattr(sweeping, "BATCH", 3)
    session = LearnerSession.objects.create(user=learner, username="learner", stack="knox")
    past = timezone.now() - timedelta(minutes=1)
    for _ in range(7):
        ConvaiToken.objects.create(session=session, status=Status.ACTIVE, expires_at=past)
    ConvaiToken.objects.create(
        session=session, status=Status.ACTIVE, expires_at=timezone.now() + timedelta(minutes=1)
    )

    assert sweep(workers=1).expired == 7
    assert ConvaiToken.objects.filter(status=Status.ACTIVE).count() == 1
    assert TokenEvent.objects.filter(kind="expired").count() == 7


def test_a_token_extended_in_the_meantime_is_not_expired(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = LearnerSession.objects.create(user=learner, username="learner", stack="knox")
    past = timezone.now() - timedelta(minutes=1)
    token = ConvaiToken.objects.create(session=session, status=Status.ACTIVE, expires_at=past)
    move = type(ConvaiToken.objects.all()).move

    def extended_first(self: Any, *args: Any, **kwargs: Any) -> bool:
        future = timezone.now() + timedelta(hours=1)
        ConvaiToken.objects.filter(pk=token.pk).update(expires_at=future)
        return move(self, *args, **kwargs)

    monkeypatch.setattr(type(ConvaiToken.objects.all()), "move", extended_first)

    assert sweep(workers=1).expired == 0
    token.refresh_from_db()
    assert token.status == Status.ACTIVE


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
    monkeypatch.setattr(sweeping, "BATCH", 2)
    for status in sweeping.DEAD:
        old_session(status=status)

    assert sweep(workers=1).purged == 4 * len(sweeping.DEAD)
    assert not TokenEvent.objects.exists()
    assert not LearnerSession.objects.exists()


def test_what_is_owed_or_alive_is_never_purged(
    convai: Any, old_session: Callable[..., LearnerSession]
) -> None:
    convai.set(faults={"503": 1})
    now = timezone.now()
    old_session(status=Status.REVOKING, sealed="x", owed_since=now, next_attempt_at=now)
    old_session(status=Status.ACTIVE, sealed="x", expires_at=now + timedelta(hours=1))
    old_session(status=Status.EXPIRED, sealed="x", expires_at=now)

    assert sweep(workers=1).purged == 0
    assert LearnerSession.objects.count() == 3


def test_what_is_younger_than_the_retention_is_kept(
    old_session: Callable[..., LearnerSession], convai_settings: Callable[..., None]
) -> None:
    old_session(status=Status.REVOKED)
    convai_settings(RETENTION=timedelta(days=201))

    assert sweep(workers=1).purged == 0


def test_a_user_model_without_a_flag_for_activity_is_fine(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.exceptions import FieldDoesNotExist

    def no_field(name: str) -> None:
        raise FieldDoesNotExist

    monkeypatch.setattr(type(learner)._meta, "get_field", no_field)

    assert sweeping.end_sessions_of_lost_users() == 0


def test_the_command_tells_what_it_did(convai: Any, owe_real_tokens: Callable[[int], None]) -> None:
    owe_real_tokens(2)
    out = io.StringIO()

    call_command("convai_sweep", workers=1, stdout=out)

    assert "revoked=2" in out.getvalue()
    assert "owed=0" in out.getvalue()


@pytest.mark.parametrize("arguments", [["--workers", "0"], ["--watch", "soon"]])
def test_the_command_refuses_nonsense(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="not a whole number above 0"):
        call_command("convai_sweep", *arguments)


def test_watching_ends_when_it_is_told_to_stop(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    passes: list[int] = []

    def one_pass(workers: int, stopped: Any, progress: Any) -> sweeping.SweepReport:
        passes.append(workers)
        if len(passes) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return sweeping.SweepReport(owed=1)

    from convai_tokens.management.commands import convai_sweep

    monkeypatch.setattr(convai_sweep, "sweep", one_pass)
    out = io.StringIO()

    call_command("convai_sweep", "--watch", "1", stdout=out)

    assert len(passes) == 2
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.django_db(transaction=True)
def test_the_command_runs_as_a_process_of_its_own(
    convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(3)
    name = connection.settings_dict["NAME"]
    script = (
        "import django; from django.conf import settings; django.setup();"
        f"settings.DATABASES['default']['NAME'] = {str(name)!r};"
        f"settings.CONVAI_TOKENS['BASE_URL'] = {convai.url!r};"
        "from django.core.management import call_command; call_command('convai_sweep')"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert "revoked=3" in done.stdout, done.stderr
    assert convai.live() == []


def test_a_sweep_that_finds_nothing_is_quiet_when_watching(db: None) -> None:
    from convai_tokens.management.commands.convai_sweep import Command

    out = io.StringIO()
    Command(stdout=out)._sweep(1, lambda: False, quiet=True)

    assert out.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_is_one_line_of_a_terminal(
    workers: int, convai: Any, owe_real_tokens: Callable[[int], None]
) -> None:
    owe_real_tokens(6)
    convai.set(latency=0.8)
    out = Terminal()

    call_command("convai_sweep", workers=workers, stdout=out)

    *progress, last = out.getvalue().rstrip("\n").split("\r\033[K")
    assert "revoked=6" in last
    assert "owed=0" in last
    shown = [line for line in progress if line]
    assert shown
    assert all("\n" not in line for line in shown)
    assert "owed=0" not in shown[0]


def test_progress_goes_to_the_log_where_there_is_no_terminal(
    convai: Any,
    owe_real_tokens: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from convai_tokens.management.commands import convai_sweep

    owe_real_tokens(6)
    monkeypatch.setattr(convai_sweep, "LOG_EVERY", 0)
    out = io.StringIO()

    with caplog.at_level("INFO", logger="convai_tokens"):
        call_command("convai_sweep", workers=1, stdout=out)

    lines = [text for text in caplog.messages if text.startswith("Sweeping: ")]
    assert "revoked=4" in lines[0]
    assert "owed=2" in lines[0]
    assert out.getvalue().count("\n") == 1


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


def test_a_sweep_comes_to_its_end_without_the_cache(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("the cache is away")

    monkeypatch.setattr(cache, "set", away)

    assert sweep(workers=1).owed == 0
    assert "the cache is away" in caplog.text
