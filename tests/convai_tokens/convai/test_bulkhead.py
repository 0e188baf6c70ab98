"""The bulkhead, with a clock of the test's own where time counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from convai_tokens.convai.bulkhead import SLOW_AFTER, Bulkhead
from convai_tokens.exceptions import ConvaiUnavailable
from tests.convai_tokens.convai.breakers import Clock

Hold = Callable[[Bulkhead], Callable[[], None]]


def hold(bulkhead: Bulkhead, entered: threading.Event, release: threading.Event) -> None:
    with bulkhead.slot(1):
        entered.set()
        release.wait(30)


@pytest.fixture
def held() -> Iterator[Hold]:
    """Hold a bulkhead's slot in another thread until told otherwise."""
    release, threads = threading.Event(), list[threading.Thread]()

    def start(bulkhead: Bulkhead) -> Callable[[], None]:
        entered = threading.Event()
        threads.append(threading.Thread(target=hold, args=(bulkhead, entered, release)))
        threads[-1].start()
        assert entered.wait(30)
        return release.set

    yield start
    release.set()
    for thread in threads:
        thread.join()


def test_a_slot_that_comes_free_soon_is_waited_for(held: Hold) -> None:
    bulkhead = Bulkhead(1)
    let_go = held(bulkhead)
    timer = threading.Timer(0.05, let_go)
    timer.start()

    with bulkhead.slot(30):
        timer.join()


def test_nobody_queues_behind_a_call_that_is_slow(held: Hold, clock: Clock) -> None:
    bulkhead = Bulkhead(1, clock)
    held(bulkhead)
    clock.now += SLOW_AFTER

    with pytest.raises(ConvaiUnavailable) as caught, bulkhead.slot(30):
        pass

    assert caught.value.code == "convai_busy"
    assert caught.value.retry_after == 1


def test_nobody_waits_longer_than_their_budget(held: Hold, clock: Clock) -> None:
    bulkhead = Bulkhead(1, clock)
    held(bulkhead)

    with pytest.raises(ConvaiUnavailable), bulkhead.slot(0):
        pass


def test_a_slot_comes_back_when_the_call_fails() -> None:
    bulkhead = Bulkhead(1)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError), bulkhead.slot(1):
            raise ZeroDivisionError

    with bulkhead.slot(0):
        assert not bulkhead._slots.qsize()


def test_it_is_stuck_once_all_slots_are_taken_by_slow_calls(held: Hold, clock: Clock) -> None:
    bulkhead = Bulkhead(2, clock)
    held(bulkhead)
    clock.now += SLOW_AFTER
    assert not bulkhead.stuck  # a slot is free

    held(bulkhead)
    assert bulkhead.stuck

    clock.now -= SLOW_AFTER
    assert not bulkhead.stuck  # none is slow yet
