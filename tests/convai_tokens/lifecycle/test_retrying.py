"""What the database refuses is tried again in the background."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from convai_tokens.lifecycle import retrying
from convai_tokens.lifecycle.retrying import try_until_taken
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(retrying, "LONGEST_DELAY", 0.02)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_what_is_refused_is_tried_until_it_is_taken(error: type[Exception]) -> None:
    tries: list[str] = []

    def step(name: str) -> None:
        tries.append(name)
        if len(tries) < 5:
            raise error("read-only")

    try_until_taken(step, "an end")

    eventually(lambda: len(tries) == 5)
    eventually(retrying._waiting.empty)
    eventually(lambda: retrying._thread is None)
    assert {*tries} == {"an end"}


def test_what_is_taken_at_once_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_start", lambda: pytest.fail("a thread"))

    try_until_taken(lambda: None)


def test_what_fails_for_another_reason_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        try_until_taken(lambda: 1 // 0)


def test_what_fails_for_another_reason_later_is_logged_and_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[int] = []

    def step() -> None:
        tries.append(1)
        raise OperationalError if len(tries) == 1 else ValueError

    try_until_taken(step)

    eventually(lambda: "fails now" in caplog.text)
    assert len(tries) == 2


def test_no_more_waits_than_the_memory_bears(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(retrying, "MOST", 1)
    monkeypatch.setattr(retrying, "_start", lambda: None)

    def step() -> Any:
        raise OperationalError

    try_until_taken(step)
    try_until_taken(step)

    assert "too much waits" in caplog.text


def test_a_forked_child_tries_nothing_of_its_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_start", lambda: None)

    def step() -> Any:
        raise OperationalError

    try_until_taken(step)
    assert retrying._waiting.qsize() == 1

    retrying.forget_retries()

    assert retrying._waiting.empty()
