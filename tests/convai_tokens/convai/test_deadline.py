"""A call with a deadline: back in time whatever happens, and bounded in its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from convai_tokens.convai.deadline import NoThreadLeft, call_within

LONG = 60.0  # seconds, which no test takes
NAME = "convai-deadline-test"


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    """Give what abandoned calls wait for; they have ended when the test has."""
    event = threading.Event()
    yield event
    event.set()
    join_calls()


def join_calls() -> None:
    for thread in threading.enumerate():
        if thread.name == NAME:
            thread.join(LONG)


def test_what_the_call_returns_is_returned_from_a_thread_of_that_name() -> None:
    thread = call_within(LONG, threading.current_thread, thread_name=NAME)

    assert (thread.name, thread.daemon) == (NAME, True)


def test_what_the_call_raises_is_raised() -> None:
    def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        call_within(LONG, fail, thread_name=NAME)


def test_an_exception_that_the_call_returns_is_a_result() -> None:
    outcome = LookupError("nothing there")

    assert call_within(LONG, lambda: outcome, thread_name=NAME) is outcome


@pytest.mark.parametrize("seconds", [0.05, 0.0, -1.0])
def test_a_call_that_is_late_is_abandoned(seconds: float, let_go: threading.Event) -> None:
    started = time.monotonic()

    with pytest.raises(TimeoutError):
        call_within(seconds, lambda: let_go.wait(LONG), thread_name=NAME)

    assert time.monotonic() - started < LONG / 2


def test_an_abandoned_call_counts_until_it_ends(let_go: threading.Event) -> None:
    limit = threading.BoundedSemaphore(1)
    with pytest.raises(TimeoutError):
        call_within(0.0, lambda: let_go.wait(LONG), thread_name=NAME, limit=limit)

    with pytest.raises(NoThreadLeft, match="Too many calls"):
        call_within(LONG, str, thread_name=NAME, limit=limit)

    let_go.set()
    join_calls()
    assert call_within(LONG, lambda: "a result", thread_name=NAME, limit=limit) == "a result"


def test_a_call_that_fails_makes_room_for_the_next() -> None:
    limit = threading.BoundedSemaphore(1)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            call_within(LONG, lambda: 1 / 0, thread_name=NAME, limit=limit)
        join_calls()  # for the caller has the outcome a moment before the thread has ended


@pytest.mark.parametrize("limit", [None, threading.BoundedSemaphore(1)], ids=["none", "one"])
def test_where_the_system_gives_no_thread_no_call_is_made_and_none_is_counted(
    limit: threading.BoundedSemaphore | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(NoThreadLeft, match="no further thread"):
            call_within(LONG, str, thread_name=NAME, limit=limit)

    assert call_within(LONG, lambda: "a result", thread_name=NAME, limit=limit) == "a result"
