"""``convai_sweep``: its options, what it prints, exit status and stop signals."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from convai_tokens.lifecycle import sweep as sweeping
from convai_tokens.lifecycle.revocation import CLAIM
from convai_tokens.lifecycle.sweep import SweepReport
from convai_tokens.management.commands import convai_sweep

MakeTokens = Callable[[int], None]


def test_the_command_tells_what_it_did(convai: Any, make_owed_tokens: MakeTokens) -> None:
    make_owed_tokens(2)
    out = io.StringIO()

    call_command("convai_sweep", workers=1, stdout=out)

    assert "revoked=2" in out.getvalue()
    assert "owed=0" in out.getvalue()


@pytest.mark.parametrize("arguments", [["--workers", "0"], ["--watch", "soon"]])
def test_the_command_refuses_nonsense(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="not a whole number above 0"):
        call_command("convai_sweep", *arguments)


@pytest.mark.parametrize("workers", ["65", "1000"])
def test_more_calls_at_once_than_a_process_makes_are_refused(db: None, workers: str) -> None:
    with pytest.raises(CommandError, match="more than 64; run several processes"):
        call_command("convai_sweep", "--workers", workers)


def test_watching_ends_when_it_is_told_to_stop(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    passes: list[int] = []

    def one_pass(workers: int, stopped: Any, progress: Any) -> SweepReport:
        passes.append(workers)
        if len(passes) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return SweepReport(owed=1, more=True)  # so that it goes straight on

    monkeypatch.setattr(convai_sweep, "sweep", one_pass)
    out = io.StringIO()

    call_command("convai_sweep", "--watch", "1", stdout=out)

    assert len(passes) == 2
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.django_db(transaction=True)
def test_the_command_runs_as_a_process_of_its_own(
    convai: Any, make_owed_tokens: MakeTokens
) -> None:
    make_owed_tokens(3)
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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--watch"], ["Sweeping every 10 s, until stopped."]),
        (["--watch", "7"], ["Sweeping every 7 s, until stopped."]),
        ([], [convai_sweep.line(SweepReport())]),
    ],
)
def test_only_one_who_watches_is_told_at_the_start_for_how_long(
    arguments: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convai_sweep, "sweep", lambda *args: SweepReport())
    monkeypatch.setattr(convai_sweep, "pause", lambda seconds, stopped: True)
    out = io.StringIO()

    call_command("convai_sweep", *arguments, stdout=out)

    assert out.getvalue().splitlines() == expected


def test_a_sweep_that_finds_nothing_is_quiet_when_watching(db: None) -> None:
    out = io.StringIO()
    convai_sweep.Command(stdout=out)._sweep(1, lambda: False, quiet=True)

    assert out.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_is_one_line_of_a_terminal(
    workers: int, convai: Any, make_owed_tokens: MakeTokens
) -> None:
    make_owed_tokens(6)
    convai.set(latency=0.4)
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
    make_owed_tokens: MakeTokens,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_owed_tokens(6)
    monkeypatch.setattr(convai_sweep, "LOG_EVERY", 0)
    out = io.StringIO()

    with caplog.at_level("INFO", logger="convai_tokens"):
        call_command("convai_sweep", workers=1, stdout=out)

    lines = [text for text in caplog.messages if text.startswith("Sweeping: ")]
    assert "revoked=4" in lines[0]
    assert "owed=2" in lines[0]
    assert out.getvalue().count("\n") == 1


def test_a_long_backlog_is_worked_off_in_passes_between_which_the_rest_is_tidied_up(
    convai: Any, make_owed_tokens: MakeTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_owed_tokens(CLAIM * 2)
    monkeypatch.setattr(sweeping, "REVOKE_FOR", 0.0)
    pauses: list[int] = []

    def pause(seconds: int, stopped: Callable[[], bool]) -> bool:
        pauses.append(seconds)
        monkeypatch.setattr(sweeping, "REVOKE_FOR", 60.0)
        return len(pauses) == 2

    monkeypatch.setattr(convai_sweep, "pause", pause)

    call_command("convai_sweep", watch=7, workers=1, stdout=io.StringIO())

    # Straight on as long as there is more, and then a pause.
    assert pauses == [0, 7]
    assert convai.live() == []


@pytest.mark.usefixtures("transactional_db", "deadlocked_step")
def test_the_command_fails_with_the_database_and_says_what_to_do() -> None:
    with pytest.raises(CommandError, match=r"1 steps met an error of the database.*sweep again"):
        call_command("convai_sweep", workers=1, stdout=io.StringIO())


@pytest.mark.usefixtures("transactional_db", "deadlocked_step")
def test_watching_goes_on_after_an_error_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    pauses = iter([False, False, True])
    monkeypatch.setattr(convai_sweep, "pause", lambda seconds, stopped: next(pauses))

    call_command("convai_sweep", watch=1, workers=1, stdout=out)

    assert out.getvalue().count("failed=1") == 3
