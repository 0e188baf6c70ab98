"""A breaker: while Convai is known to be down, nobody waits for it.

It is per process and thread-safe, and holds no lock while Convai is being called.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from ..exceptions import ConvaiPaused, ConvaiRefused, ConvaiUnavailable, ErrorCode

logger = logging.getLogger("convai_tokens")

FAILURE_THRESHOLD = 3  # in a row, before it opens
PROBE_TIMEOUT = 10.0  # seconds after which a probe without an outcome counts as lost, at least
SLACK = 0.5  # seconds by which a timer may be early
OUTDATED_AFTER = 300.0  # seconds after a pause, from when on a learner's call may be the probe


class BreakerStatus(Enum):
    """Which calls go through."""

    CLOSED = "closed"  # all
    HANGING = "hanging"  # none until the pause is over, and then one that nobody waits for
    BACKGROUND_PROBE = "background probe"  # none but that one
    ANSWERING = "answering"  # none until the pause is over, and then one, as the probe
    PROBE = "probe"  # none but that one


@dataclass(frozen=True)
class BreakerState:
    """A status and its times, by the breaker's clock. A new one takes its place as a whole."""

    status: BreakerStatus
    until: float = 0.0  # when the next call may go
    began: float = 0.0  # when the probe that is under way was let through
    expected: bool = False  # whether somebody was told when to come again
    before: BreakerState | None = None  # what is true again if that probe makes no call


CLOSED = BreakerState(BreakerStatus.CLOSED)


class LearnersPause(NamedTuple):
    """For how many seconds no learner's call may be made, 0 if one may; and in how many seconds to
    make a background probe, None for none."""

    seconds: float
    probe_in: float | None = None


class Breaker:
    """Opens after some failures in a row, and then lets through one call at a time, as a probe.

    A learner who logs in had better not be that one where Convai hangs, for it would wait. So a
    background probe goes first there, in time for those who were told when to come again; and only
    when that got an answer is the next learner's call the probe. Where Convai answers, if only to
    say no, a probe costs nobody a wait.
    """

    def __init__(
        self,
        calls: str,
        *,
        probe_timeout: float = PROBE_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls  # what goes through it, for the log
        self._probe_timeout = max(probe_timeout, PROBE_TIMEOUT)
        self._clock = clock
        self._lock = threading.Lock()  # for whoever changes these two
        self._failures = 0  # in a row; never 0 unless closed
        self._state = CLOSED

    def check(self) -> BreakerState | None:
        """Return if a call may be made now; raise ``ConvaiPaused`` if not.

        Whoever comes first once the pause is over is the probe; all others wait for its outcome. It
        gets the state that it has put the breaker into, for ``give_back()``; all others get None.
        """
        if self._state is CLOSED:  # the common case, without the lock
            return None
        with self._lock:
            if self._state is CLOSED:
                return None
            left = self._state.until - self._clock()
            if left > 0:
                raise ConvaiPaused("Convai is not being called for now.", retry_after=left)
            return self._start(BreakerStatus.PROBE, self._probe_timeout)

    def give_back(self, probe: BreakerState | None) -> None:
        """Let another call be the probe at once, if this one has no outcome: it made no call."""
        if probe:
            with self._lock:
                if self._state is probe and probe.before:
                    self._state = probe.before

    def learners_pause(self, lead: float) -> LearnersPause:
        """Return how long no learner's call may be made, and when to make a background probe.

        ``lead`` is how long one may take, in seconds. No learner is turned away where the pause has
        been over for long: few log in there, and what is known of Convai is too old for that.
        """
        if self._state is CLOSED:
            return LearnersPause(0.0)
        with self._lock:
            left = self._state.until - self._clock()
            hangs = self._at_rest().status is BreakerStatus.HANGING
            if left > 0:
                tell = hangs and not self._state.expected
                if self._state.status is BreakerStatus.HANGING and tell:
                    self._state = replace(self._state, expected=True)
                    return LearnersPause(left, max(left - lead, 0.0))
                return LearnersPause(left)
            if self._state is CLOSED or not hangs or left <= -OUTDATED_AFTER:
                return LearnersPause(0.0)
            self._start(BreakerStatus.BACKGROUND_PROBE, lead)
            return LearnersPause(lead, 0.0)

    def start_background_probe(self, lead: float) -> bool:
        """Let the background probe through that was due ``lead`` seconds before the pause ends.

        Returns whether it is to be made: not, if anything was heard of Convai meanwhile.
        """
        with self._lock:
            if self._state.status is BreakerStatus.BACKGROUND_PROBE:
                return True  # begun by whoever found the pause over
            if self._state.status is not BreakerStatus.HANGING:
                return False
            if self._state.until - self._clock() > lead + SLACK:
                return False
            self._start(BreakerStatus.BACKGROUND_PROBE, lead)
            return True

    def _at_rest(self) -> BreakerState:
        """Return the state, or that before a probe which is lost, for it is over."""
        before, until = self._state.before, self._state.until
        return replace(before, until=until) if before else self._state

    def _start(self, status: BreakerStatus, timeout: float) -> BreakerState:
        now = self._clock()
        self._state = BreakerState(status, now + timeout, now, before=self._at_rest())
        return self._state

    def heard(self, outcome: object, began: float = math.inf) -> None:
        """Take note of a call's outcome: an exception of this app, or whatever else for success.

        ``began`` is when the call began, by this breaker's clock. Only the probe closes an open
        breaker: the success of a call that was on its way by then must not shorten a
        ``Retry-After``.
        """
        if isinstance(outcome, ConvaiRefused):
            logger.error("Convai refuses this LMS, so it isn't called for a while: %s", outcome)
            self._open(outcome.retry_after or outcome.pause, BreakerStatus.ANSWERING)
        elif isinstance(outcome, ConvaiUnavailable):
            self._failed(outcome)
        elif self._failures:
            self._succeeded(began)

    def _failed(self, error: ConvaiUnavailable) -> None:
        with self._lock:
            self._failures += 1
            opens = self._failures >= FAILURE_THRESHOLD
        if opens or error.code == ErrorCode.CONVAI_RATE_LIMITED:
            hangs = error.code == ErrorCode.CONVAI_TIMEOUT
            status = BreakerStatus.HANGING if hangs else BreakerStatus.ANSWERING
            self._open(error.retry_after or error.pause, status)

    def _open(self, pause: float, status: BreakerStatus) -> None:
        with self._lock:
            self._failures = max(self._failures, FAILURE_THRESHOLD)
            until = max(self._state.until, self._clock() + pause)
            self._state = BreakerState(status, until)
        logger.warning("Convai is not called for %.0f s (%s).", pause, self._calls)

    def _succeeded(self, began: float) -> None:
        with self._lock:
            state = self._state
            if state is not CLOSED and (state.before is None or began < state.began):
                return  # no probe's success
            if state.status is BreakerStatus.BACKGROUND_PROBE:
                self._state = BreakerState(BreakerStatus.ANSWERING, self._clock())
                return
            self._failures, self._state = 0, CLOSED
        logger.info("Convai answers again (%s).", self._calls)

    @property
    def is_open(self) -> bool:
        """Whether the next call will be a probe, or is under way as one."""
        return self._state is not CLOSED

    @property
    def pause_left(self) -> float:
        """Seconds until the next probe may go; 0 while closed."""
        return max(self._state.until - self._clock(), 0.0)
