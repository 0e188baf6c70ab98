"""This host's clock and the database's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from convai_tokens.lifecycle import clock, sweep
from convai_tokens.models import TokenStatus
from convai_tokens.models.moments import utc_now
from tests.builders import make_session


def test_on_one_machine_they_agree(db: None) -> None:
    assert abs(clock.host_ahead()) < clock.AGREE


@pytest.mark.parametrize("off", [timedelta(minutes=3), -timedelta(hours=26)])
def test_a_difference_is_measured_where_there_are_two(db: None, off: timedelta) -> None:
    with time_machine.travel(utc_now() + off):
        ahead = clock.host_ahead()

    expected = off if connection.vendor in clock.STATEMENTS else timedelta()
    assert abs(ahead - expected) < timedelta(seconds=5)


@pytest.mark.parametrize("off", [timedelta(minutes=3), -timedelta(minutes=3), timedelta(hours=26)])
def test_while_they_differ_the_sweep_revokes_and_does_nothing_that_time_decides(
    convai: Any,
    learner: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    off: timedelta,
) -> None:
    monkeypatch.setattr(sweep, "host_ahead", lambda: off)
    generating = make_session(learner).tokens.create(generated_at=utc_now() - timedelta(minutes=10))
    owed = make_session(learner, username="gone").tokens.create(
        status=TokenStatus.REVOKING,
        sealed="v1.of-another-key",
        owed_since=utc_now() - timedelta(days=2),
        next_attempt_at=utc_now() + timedelta(hours=1),
    )

    report = sweep.sweep(workers=1)

    generating.refresh_from_db()
    owed.refresh_from_db()
    assert (generating.status, owed.status) == (TokenStatus.GENERATING, TokenStatus.REVOKING)
    assert owed.sealed
    assert (report.failed, report.unknown, report.lapsed, report.purged) == (1, 0, 0, 0)
    assert "clock" in caplog.text

    monkeypatch.setattr(sweep, "host_ahead", timedelta)
    assert sweep.sweep(workers=1).unknown == 1
