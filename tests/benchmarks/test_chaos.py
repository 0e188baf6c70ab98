"""The chaos harness in its small sizes: the criteria hold, and the exit status tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from benchmarks.chaos import __main__ as chaos
from benchmarks.chaos.report import Report

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300  # seconds, on a busy machine; on an idle one each takes less than one minute

needs_processes = pytest.mark.skipif(
    os.environ.get("CHAOS") != "1"
    or not settings.DATABASES["default"]["ENGINE"].endswith(("postgresql", "mysql")),
    reason="takes a minute and wants no other tests beside it: set CHAOS=1, and DATABASE_URL to "
    "PostgreSQL or MariaDB",
)


def run(*arguments: str) -> tuple[int, str]:
    """Run the harness; return its exit status and what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.chaos", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=TIMEOUT)
    except BaseException:
        # SIGTERM, upon which it stops its processes and drops its database.
        process.terminate()
        process.communicate()
        raise
    return process.returncode, output


@needs_processes
@pytest.mark.concurrency
@pytest.mark.parametrize("scenario", ["outage", "kill-logins", "backlog"])
def test_what_the_app_promises_survives(scenario: str) -> None:
    status, output = run(scenario, "--small", "--database", os.environ["DATABASE_URL"])

    assert status == 0, output
    assert f"| {scenario} | " in output
    assert "| NO |" not in output


def test_a_criterion_that_is_not_met_shows_in_table_and_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report()
    report.judge("outage", "no token alive", "1 alive", met=False)
    report.judge("outage", "calls a second", "17", met=None)
    monkeypatch.setattr(chaos, "run", lambda options, names: report)
    monkeypatch.setattr("signal.signal", lambda *args: None)
    monkeypatch.setattr(sys, "argv", ["chaos", "--database", "postgres://nowhere"])

    assert chaos.main() == 1

    assert "| outage | no token alive | 1 alive | NO |" in capsys.readouterr().out
