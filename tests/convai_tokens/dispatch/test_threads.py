"""The pool of threads behind the dispatchers."""

from __future__ import annotations

import queue
import threading

import pytest
from django.db import connections

from convai_tokens import dispatch
from convai_tokens.dispatch import threads
from tests.waiting import dispatcher_is_done, eventually


def test_after_a_failure_a_thread_drops_its_connections_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(threads, "THREADS", 1)
    threads.forget_threads()
    first_is_in, rest_is_queued = threading.Event(), threading.Event()
    done: list[str] = []

    really_close_all = connections.close_all

    def close_all() -> None:
        # Threads of an earlier test may be closing theirs.
        if threading.current_thread() in threads._threads:
            done.append("closed")
        really_close_all()

    def attempt(token_ids: list[int]) -> None:
        if token_ids == [1]:
            first_is_in.set()
            rest_is_queued.wait(30)
            raise ConnectionError("the database went away")
        done.append("tried")

    monkeypatch.setattr(dispatch, "attempt", attempt)
    monkeypatch.setattr(connections, "close_all", close_all)
    dispatch.thread([1])
    assert first_is_in.wait(30)
    dispatch.thread([2])  # so that the queue isn't empty when the first one fails
    rest_is_queued.set()
    eventually(dispatcher_is_done)

    eventually(lambda: len(done) == 3)
    assert done == ["closed", "tried", "closed"]
    assert "Revoking tokens [1] failed here; the sweep will try again." in caplog.text
    assert "the database went away" in caplog.text  # with its traceback


def test_what_finds_the_queue_full_is_left_to_the_sweep(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = queue.Queue[threads.Work](2)

    def log_nothing(token_ids: list[int], error: Exception) -> None:
        raise AssertionError("nothing was run")

    works = [threads.Work(dispatch.inline, [number], log_nothing) for number in range(4)]

    with monkeypatch.context() as patch:
        patch.setattr(threads, "THREADS", 0)
        patch.setattr(threads, "_queue", waiting)
        threads.leave_to_threads(works)

    assert waiting.qsize() == 2
    assert caplog.messages == ["The queue of revocations is full; the sweep will do the rest."]


def test_a_child_that_was_forked_begins_with_an_empty_queue_and_threads_of_its_own() -> None:
    """``forget_threads`` is what runs there."""
    before = threads._queue
    threads.leave_to_threads([])
    assert threads._threads

    threads.forget_threads()

    assert threads._threads == []
    assert threads._queue is not before
