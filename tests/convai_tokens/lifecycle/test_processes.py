"""What processes tell of themselves: when, at what cost, and for how long it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError

from convai_tokens.convai.client import get_client
from convai_tokens.lifecycle.processes import (
    forget_told,
    last_passes,
    note_breakers,
    note_pass,
    open_breakers,
    purge_states,
)
from convai_tokens.models import ProcessPart, ProcessState
from convai_tokens.models.moments import utc_now
from tests.builders import open_breaker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _untold(convai: Any) -> Iterator[None]:
    forget_told()
    yield
    forget_told()


def test_a_breaker_that_opens_is_told_once_and_again_when_it_has_closed(
    django_assert_num_queries: Any,
) -> None:
    with django_assert_num_queries(0):
        note_breakers()
    open_breaker(get_client().breaker)

    note_breakers()
    with django_assert_num_queries(0):
        note_breakers()

    assert [it.part for it in open_breakers()] == [ProcessPart.GENERATING]
    assert open_breakers()[0].process.endswith(f":{os.getpid()}")

    get_client().breaker._state = get_client().revoking._state  # closed
    note_breakers()
    assert open_breakers() == []


def test_the_login_that_opens_the_breaker_and_the_one_that_finds_convai_again_tell(
    convai: Any, learner: Any, log_in: Any
) -> None:
    convai.set(faults={"503": 1})
    for _ in range(3):
        log_in()
    convai.set(faults={})
    assert [it.part for it in open_breakers()] == [ProcessPart.GENERATING]

    get_client().breaker._state = get_client().revoking._state  # as after the pause and a probe
    log_in()

    assert open_breakers() == []


@pytest.mark.parametrize("error", [OperationalError("read-only"), IntegrityError("was first")])
def test_what_the_database_refuses_is_nobodys_failure(
    monkeypatch: pytest.MonkeyPatch, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**kwargs: object) -> None:
        raise error

    monkeypatch.setattr(ProcessState.primary, "filter", refuse)

    note_pass(0)

    assert ("read-only" in caplog.text) == isinstance(error, OperationalError)


def test_a_host_has_one_row_for_its_sweep_which_tells_of_failed_steps() -> None:
    note_pass(0)
    note_pass(2)

    assert [(it.is_well, it.detail) for it in last_passes()] == [(False, "2")]


def test_what_was_last_heard_of_long_ago_goes_but_for_the_newest_sweep() -> None:
    old = utc_now() - timedelta(days=3)
    for number, part in enumerate([ProcessPart.SWEEP, ProcessPart.SWEEP, ProcessPart.REVOKING]):
        ProcessState.objects.create(
            process=f"host-{number}", part=part, is_well=False, at=old + timedelta(hours=number)
        )

    assert open_breakers() == []
    assert purge_states() == 2
    assert [it.process for it in last_passes()] == ["host-1"]
