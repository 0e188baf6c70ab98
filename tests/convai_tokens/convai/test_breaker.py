"""The breaker, with a clock of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from convai_tokens.convai.breaker import (
    CLOSED,
    FAILURE_THRESHOLD,
    PROBE_TIMEOUT,
    Breaker,
    BreakerStatus,
)
from convai_tokens.exceptions import (
    ConvaiPaused,
    ConvaiRefused,
    ConvaiUnavailable,
    ErrorCode,
    TokenGone,
)
from tests.convai_tokens.convai.breakers import (
    LEAD,
    Clock,
    fail,
    hang,
    is_open,
    starts_background_probe,
)


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
    probe = breaker.check()

    breaker.give_back(probe)

    assert not is_open(breaker)
    assert is_open(breaker)  # that one was the probe


def test_a_probe_that_was_heard_of_is_not_given_back(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    probe = breaker.check()
    fail(breaker, 1)

    breaker.give_back(probe)

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


@pytest.mark.parametrize("ask", [is_open, starts_background_probe])
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


def test_its_status_tells_which_calls_go_through(breaker: Breaker, clock: Clock) -> None:
    seen = [breaker._state.status]
    hang(breaker, FAILURE_THRESHOLD)
    seen.append(breaker._state.status)
    clock.now += ConvaiUnavailable.pause
    breaker.learners_pause(LEAD)
    seen.append(breaker._state.status)
    breaker.heard("an answer", clock.now)
    seen.append(breaker._state.status)
    breaker.check()
    seen.append(breaker._state.status)
    breaker.heard("a token", clock.now)
    seen.append(breaker._state.status)

    assert seen == [
        BreakerStatus.CLOSED,
        BreakerStatus.HANGING,
        BreakerStatus.BACKGROUND_PROBE,
        BreakerStatus.ANSWERING,
        BreakerStatus.PROBE,
        BreakerStatus.CLOSED,
    ]


def test_a_closed_breaker_takes_no_lock(breaker: Breaker) -> None:
    with breaker._lock:  # which is not reentrant
        assert breaker.check() is None
        assert breaker.learners_pause(LEAD) == (0.0, None)
        breaker.heard("a token")


def test_an_answer_to_a_lost_probe_counts_until_another_is_under_way(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    lost = clock.now
    breaker.check()
    clock.now += PROBE_TIMEOUT
    breaker.check()
    breaker.heard("a token", lost)
    assert breaker.is_open

    clock.now += PROBE_TIMEOUT
    breaker.heard("a token", clock.now - PROBE_TIMEOUT)
    assert not breaker.is_open
