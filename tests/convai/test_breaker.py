"""The breaker and the bulkhead, with a clock of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from convai_tokens.convai.breaker import (
    CLOSED,
    FAILURE_THRESHOLD,
    OUTDATED_AFTER,
    PROBE_TIMEOUT,
    Breaker,
)
from convai_tokens.convai.bulkhead import SLOW_AFTER, Bulkhead
from convai_tokens.exceptions import (
    ConvaiPaused,
    ConvaiRefused,
    ConvaiUnavailable,
    ErrorCode,
    TokenGone,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("learners' tokens", clock=clock)


def fail(breaker: Breaker, times: int, **error: Any) -> None:
    for _ in range(times):
        breaker.heard(ConvaiUnavailable("down", **error))


def is_open(breaker: Breaker) -> bool:
    try:
        breaker.check()
    except ConvaiPaused:
        return True
    return False


def sounds_out(breaker: Breaker) -> bool:
    """Tell whether a learner's call starts a sounding now; it doesn't go through then."""
    left, sound_out = breaker.learners_pause()
    assert left > 0 or not sound_out
    return sound_out


def test_it_opens_after_some_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, FAILURE_THRESHOLD - 1)
    assert not is_open(breaker)
    fail(breaker, 1)

    with pytest.raises(ConvaiPaused) as caught:
        breaker.check()

    assert caught.value.retry_after == ConvaiUnavailable.pause
    assert breaker.pause_left == ConvaiUnavailable.pause


@pytest.mark.parametrize("answer", ["a token", TokenGone("unknown")])
def test_an_answer_in_between_starts_the_count_anew(breaker: Breaker, answer: object) -> None:
    fail(breaker, FAILURE_THRESHOLD - 1)
    breaker.heard(answer)
    fail(breaker, FAILURE_THRESHOLD - 1)

    assert not is_open(breaker)


def test_a_rate_limit_opens_it_at_once_for_as_long_as_convai_says(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 1, code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=42)

    assert breaker.pause_left == 42
    clock.now += 41
    assert is_open(breaker)
    clock.now += 2
    assert not is_open(breaker)


def test_a_success_that_was_on_its_way_before_does_not_shorten_the_pause(
    breaker: Breaker, clock: Clock
) -> None:
    """The usual order of answers when a limit is reached with several calls under way."""
    began = clock.now
    clock.now += 1
    fail(breaker, 1, code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=300)
    breaker.heard("a token", began)
    assert breaker.pause_left == 300
    clock.now += 1
    breaker.heard("a token", clock.now)  # admitted before, and begun only now
    assert breaker.pause_left == 299

    clock.now += 299
    breaker.check()
    breaker.heard("a token", began)
    assert breaker.is_open
    breaker.heard("a token", clock.now)
    assert not breaker.is_open


def test_a_refusal_opens_it_at_once_and_is_told_loudly(
    breaker: Breaker, caplog: pytest.LogCaptureFixture
) -> None:
    breaker.heard(ConvaiRefused("The API key is bad."))

    assert is_open(breaker)
    assert next(record.levelname for record in caplog.records) == "ERROR"


def test_one_probe_of_a_crowd_is_let_through(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    barrier = threading.Barrier(8)
    through: list[bool] = []

    def try_it() -> None:
        barrier.wait()
        through.append(not is_open(breaker))

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert through.count(True) == 1


def test_a_probe_that_succeeds_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    breaker.check()
    breaker.heard("a token")

    assert breaker.pause_left == 0
    assert not is_open(breaker)
    assert not is_open(breaker)


def test_a_probe_that_fails_keeps_it_open_for_another_pause(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    breaker.check()
    clock.now += 3
    fail(breaker, 1)

    assert breaker.pause_left == ConvaiUnavailable.pause


def test_a_probe_that_nobody_heard_of_makes_room_for_the_next(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    breaker.check()
    clock.now += PROBE_TIMEOUT - 1
    assert is_open(breaker)
    clock.now += 1

    assert not is_open(breaker)


def test_a_probe_that_made_no_call_is_given_back_to_whoever_comes_next(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    mark = breaker.check()

    breaker.give_back(mark)

    assert not is_open(breaker)
    assert is_open(breaker)  # that one was the probe


def test_a_probe_for_old_news_is_given_back_as_such(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause + OUTDATED_AFTER
    assert breaker.learners_pause() == (0.0, False)

    breaker.give_back(breaker.check())

    assert breaker.learners_pause() == (0.0, False)  # the next one isn't turned away either


def test_a_probe_that_was_heard_of_is_not_given_back(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    mark = breaker.check()
    fail(breaker, 1)

    breaker.give_back(mark)

    assert breaker.pause_left == ConvaiUnavailable.pause


def test_a_probe_that_was_given_up_does_not_give_back_the_one_that_followed_it(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    lost = breaker.check()
    clock.now += PROBE_TIMEOUT
    breaker.check()

    breaker.give_back(lost)

    assert breaker.pause_left == PROBE_TIMEOUT


def test_a_call_that_is_no_probe_has_nothing_to_give_back(breaker: Breaker) -> None:
    assert breaker.check() is None
    breaker.give_back(None)
    assert not breaker.is_open


def test_a_probe_has_as_long_as_its_call_may_take(clock: Clock) -> None:
    breaker = Breaker("revocations", probe_timeout=3 * PROBE_TIMEOUT, clock=clock)
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    began = clock.now
    breaker.check()
    clock.now += 2 * PROBE_TIMEOUT
    assert is_open(breaker)

    breaker.heard("an answer", began)

    assert not breaker.is_open


def test_the_log_tells_which_calls_are_not_made(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="convai_tokens")
    breaker = Breaker("revocations", clock=clock)
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    breaker.check()
    breaker.heard("an answer")

    assert [record.getMessage() for record in caplog.records] == [
        "Convai is not called for 15 s (revocations).",
        "Convai answers again (revocations).",
    ]


def test_the_first_after_a_pause_has_convai_sounded_out_and_all_wait_for_that(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    assert not sounds_out(breaker)  # not during the pause
    clock.now += ConvaiUnavailable.pause

    assert breaker.learners_pause() == (PROBE_TIMEOUT, True)
    assert breaker.learners_pause() == (PROBE_TIMEOUT, False)
    assert breaker.pause_left == PROBE_TIMEOUT
    assert is_open(breaker)


def test_a_closed_breaker_wants_no_sounding(breaker: Breaker) -> None:
    fail(breaker, FAILURE_THRESHOLD - 1)

    assert not sounds_out(breaker)


def test_after_a_sounding_that_was_answered_the_next_call_is_the_probe(
    breaker: Breaker, clock: Clock
) -> None:
    """What answers to a sounding may still generate no token."""
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert sounds_out(breaker)
    clock.now += 1
    breaker.heard(TokenGone("no such token"), clock.now)

    assert breaker.learners_pause() == (0, False)
    assert [is_open(breaker) for _ in range(3)] == [False, True, True]
    breaker.heard("a token", clock.now)
    assert not breaker.is_open


def test_a_probe_that_fails_after_its_sounding_wants_another_one(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert sounds_out(breaker)
    breaker.heard(None, clock.now)
    breaker.check()
    fail(breaker, 1)

    assert breaker.pause_left == ConvaiUnavailable.pause
    clock.now += ConvaiUnavailable.pause
    assert sounds_out(breaker)


def test_a_sounding_that_fails_keeps_it_open_for_another_pause(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert sounds_out(breaker)
    fail(breaker, 1)

    assert breaker.pause_left == ConvaiUnavailable.pause
    assert not sounds_out(breaker)


def test_a_sounding_that_nobody_heard_of_makes_room_for_the_next(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert sounds_out(breaker)
    clock.now += PROBE_TIMEOUT - 1
    assert not sounds_out(breaker)
    clock.now += 1

    assert sounds_out(breaker)


def test_a_sounding_does_not_shorten_a_pause_that_convai_asked_for_meanwhile(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert sounds_out(breaker)
    began = clock.now
    fail(breaker, 1, code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=300)
    breaker.heard(TokenGone("no such token"), began)

    assert breaker.pause_left == 300


def test_where_nobody_came_for_long_the_next_call_is_the_probe_without_a_sounding(
    breaker: Breaker, clock: Clock
) -> None:
    """One who logs in an hour after an outage gets a token, and isn't turned away for old news."""
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause + OUTDATED_AFTER

    assert breaker.learners_pause() == (0, False)
    assert not is_open(breaker)
    breaker.heard("a token", clock.now)
    assert not breaker.is_open


@pytest.mark.parametrize("ask", [is_open, sounds_out])
def test_a_breaker_that_closes_while_somebody_waits_for_its_lock_lets_them_through(
    breaker: Breaker, clock: Clock, ask: Callable[[Breaker], bool]
) -> None:
    clock.now = 0.0  # so that what the closed breaker says is no time that has passed
    fail(breaker, FAILURE_THRESHOLD)

    class ClosesMeanwhile:
        def __enter__(self) -> None:
            breaker._state = CLOSED

        def __exit__(self, *args: object) -> None:
            pass

    breaker._lock = ClosesMeanwhile()  # type: ignore[assignment]

    assert not ask(breaker)


def hold(bulkhead: Bulkhead, entered: threading.Event, release: threading.Event) -> None:
    with bulkhead.slot(1):
        entered.set()
        release.wait(30)


@pytest.fixture
def held() -> Any:
    """Hold a bulkhead's slot in another thread until told otherwise."""
    release, threads = threading.Event(), []

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


def test_a_slot_that_comes_free_soon_is_waited_for(held: Any) -> None:
    bulkhead = Bulkhead(1)
    let_go = held(bulkhead)
    timer = threading.Timer(0.05, let_go)
    timer.start()

    with bulkhead.slot(30):
        timer.join()


def test_nobody_queues_behind_a_call_that_is_slow(held: Any, clock: Clock) -> None:
    bulkhead = Bulkhead(1, clock)
    held(bulkhead)
    clock.now += SLOW_AFTER

    with pytest.raises(ConvaiUnavailable) as caught, bulkhead.slot(30):
        pass

    assert caught.value.code == "convai_busy"
    assert caught.value.retry_after == 1


def test_nobody_waits_longer_than_their_budget(held: Any, clock: Clock) -> None:
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
