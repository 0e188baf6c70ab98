"""Background probes: no learner is the first to find out whether a Convai that hung is back."""

from __future__ import annotations

from convai_tokens.convai.breaker import FAILURE_THRESHOLD, OUTDATED_AFTER, Breaker
from convai_tokens.exceptions import ConvaiUnavailable, ErrorCode, TokenGone
from tests.convai_tokens.convai.breakers import (
    LEAD,
    Clock,
    fail,
    hang,
    is_open,
    starts_background_probe,
)


def test_a_probe_of_an_outdated_breaker_is_given_back_as_such(
    breaker: Breaker, clock: Clock
) -> None:
    hang(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause + OUTDATED_AFTER
    assert breaker.learners_pause(LEAD) == (0.0, None)

    breaker.give_back(breaker.check())

    assert breaker.learners_pause(LEAD) == (0.0, None)  # the next one isn't turned away either


def test_the_first_after_a_pause_starts_a_background_probe_and_all_wait_for_that(
    breaker: Breaker, clock: Clock
) -> None:
    hang(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause

    assert breaker.learners_pause(LEAD) == (LEAD, 0.0)
    assert breaker.learners_pause(LEAD) == (LEAD, None)
    assert breaker.pause_left == LEAD
    assert is_open(breaker)


def test_a_closed_breaker_wants_no_background_probe(breaker: Breaker) -> None:
    hang(breaker, FAILURE_THRESHOLD - 1)

    assert not starts_background_probe(breaker)


def test_after_a_background_probe_that_was_answered_the_next_call_is_the_probe(
    breaker: Breaker, clock: Clock
) -> None:
    """What answers to a background probe may still generate no token."""
    hang(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert starts_background_probe(breaker)
    clock.now += 1
    breaker.heard(TokenGone("no such token"), clock.now)

    assert breaker.learners_pause(LEAD) == (0.0, None)
    assert [is_open(breaker) for _ in range(3)] == [False, True, True]
    breaker.heard("a token", clock.now)
    assert not breaker.is_open


def test_a_probe_that_fails_after_a_background_probe_wants_another_one(
    breaker: Breaker, clock: Clock
) -> None:
    hang(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert starts_background_probe(breaker)
    breaker.heard(None, clock.now)
    breaker.check()
    hang(breaker, 1)

    assert breaker.pause_left == ConvaiUnavailable.pause
    clock.now += ConvaiUnavailable.pause
    assert starts_background_probe(breaker)


def test_a_background_probe_that_fails_keeps_it_open_for_another_pause(
    breaker: Breaker, clock: Clock
) -> None:
    hang(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert starts_background_probe(breaker)
    hang(breaker, 1)

    assert breaker.pause_left == ConvaiUnavailable.pause
    assert not starts_background_probe(breaker)


def test_a_background_probe_that_nobody_heard_of_makes_room_for_the_next(
    breaker: Breaker, clock: Clock
) -> None:
    hang(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert starts_background_probe(breaker)
    clock.now += LEAD - 1
    assert not starts_background_probe(breaker)
    clock.now += 1

    assert starts_background_probe(breaker)


def test_a_background_probe_does_not_shorten_a_pause_that_convai_asked_for_meanwhile(
    breaker: Breaker, clock: Clock
) -> None:
    hang(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause
    assert starts_background_probe(breaker)
    began = clock.now
    fail(breaker, 1, code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=300)
    breaker.heard(TokenGone("no such token"), began)

    assert breaker.pause_left == 300


def test_where_nobody_came_for_long_the_next_call_is_the_probe_at_once(
    breaker: Breaker, clock: Clock
) -> None:
    """One who logs in an hour after an outage gets a token, and isn't turned away."""
    hang(breaker, FAILURE_THRESHOLD)
    clock.now += ConvaiUnavailable.pause + OUTDATED_AFTER

    assert breaker.learners_pause(LEAD) == (0.0, None)
    assert not is_open(breaker)
    breaker.heard("a token", clock.now)
    assert not breaker.is_open


def test_who_was_told_when_to_come_again_is_waited_for_by_a_background_probe(
    breaker: Breaker, clock: Clock
) -> None:
    """A kiosk by itself: the only one who comes gets a token when it comes as told."""
    hang(breaker, FAILURE_THRESHOLD)

    told, probe_in = breaker.learners_pause(LEAD)

    assert (told, probe_in) == (ConvaiUnavailable.pause, ConvaiUnavailable.pause - LEAD)
    assert breaker.learners_pause(LEAD) == (told, None)  # once for all who are told so
    assert probe_in is not None
    clock.now += probe_in
    assert breaker.start_background_probe(LEAD)
    breaker.heard(TokenGone("no such token"), clock.now)
    clock.now += told - probe_in
    assert breaker.learners_pause(LEAD) == (0.0, None)
    assert not is_open(breaker)


def test_where_nobody_was_told_anything_no_background_probe_is_made(breaker: Breaker) -> None:
    hang(breaker, FAILURE_THRESHOLD)

    assert not breaker.start_background_probe(LEAD)  # far too early


def test_a_background_probe_that_was_due_is_not_made_once_convai_was_heard(
    breaker: Breaker, clock: Clock
) -> None:
    hang(breaker, FAILURE_THRESHOLD)
    _, probe_in = breaker.learners_pause(LEAD)
    clock.now += ConvaiUnavailable.pause
    breaker.check()
    breaker.heard("a token", clock.now)

    assert probe_in is not None
    assert not breaker.start_background_probe(LEAD)


def test_where_convai_answers_if_only_no_the_first_who_comes_as_told_is_the_probe(
    breaker: Breaker, clock: Clock
) -> None:
    """It waits for nobody, for a Convai that answers doesn't hang."""
    fail(breaker, 1, code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=7)

    assert breaker.learners_pause(LEAD) == (7.0, None)
    clock.now += 7.0
    assert breaker.learners_pause(LEAD) == (0.0, None)
    assert [is_open(breaker) for _ in range(2)] == [False, True]
    breaker.heard("a token", clock.now)
    assert not breaker.is_open
