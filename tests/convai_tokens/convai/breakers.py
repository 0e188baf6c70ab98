"""What the tests of the breaker do to it and ask it, and their clock."""

from __future__ import annotations

from typing import Any

from convai_tokens.convai.breaker import Breaker
from convai_tokens.exceptions import ConvaiPaused, ConvaiUnavailable, ErrorCode

LEAD = 3.0  # seconds that a background probe may take


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(breaker: Breaker, times: int, **error: Any) -> None:
    for _ in range(times):
        breaker.heard(ConvaiUnavailable("down", **error))


def hang(breaker: Breaker, times: int, **error: Any) -> None:
    """Let so many calls get no answer in time."""
    fail(breaker, times, code=ErrorCode.CONVAI_TIMEOUT, **error)


def is_open(breaker: Breaker) -> bool:
    try:
        breaker.check()
    except ConvaiPaused:
        return True
    return False


def starts_background_probe(breaker: Breaker) -> bool:
    """Tell whether a learner's call starts a background probe now; it doesn't go through then."""
    pause = breaker.learners_pause(LEAD)
    assert pause.seconds > 0 or pause.probe_in is None
    return pause.probe_in == 0
