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

from ..exceptions import ConvaiPaused, ConvaiRefused, ConvaiUnavailable, ErrorCode

logger = logging.getLogger("convai_tokens")

FAILURE_THRESHOLD = 3  # in a row, before it opens
PROBE_TIMEOUT = 10.0  # seconds after which a probe without an outcome counts as lost, at least
OUTDATED_AFTER = 300.0  # seconds after a pause, from when on a learner's call may be the probe


class BreakerStatus(Enum):
    """Which calls go through."""

    CLOSED = "closed"  # all
    OPEN = "open"  # none until the pause is over, and then one, as a probe
    BACKGROUND_PROBE = "background probe"  # none but one that nobody waits for
    ANSWERED = "answered"  # the next one, as the probe, since a background probe got an answer
    PROBE = "probe"  # none but one that somebody waits for


@dataclass(frozen=True)
class BreakerState:
    """A status and its times, by the breaker's clock. A new one takes its place as a whole."""

    status: BreakerStatus
    until: float = 0.0  # when the next call may go
    began: float = 0.0  # when the probe that is under way was let through
    before: BreakerState | None = None  # what is true again if that probe makes no call


CLOSED = BreakerState(BreakerStatus.CLOSED)


class Breaker:
    """Opens after some failures in a row, and then lets through one call at a time, as a probe.

    A learner who logs in had better not be that one: while Convai hangs, it would wait. So the
    first who comes once the pause is over starts a background probe, and only when that got an
    answer is the next learner's call the probe.
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
            return self._start(BreakerStatus.PROBE)

    def give_back(self, probe: BreakerState | None) -> None:
        """Let another call be the probe at once, if this one has no outcome: it made no call."""
        if probe:
            with self._lock:
                if self._state is probe and probe.before:
                    self._state = probe.before

    def learners_pause(self) -> tuple[float, bool]:
        """Return how long no learner's call may be made, and whether to start a background probe.

        Seconds; 0 if one may be made. That is so, too, where the pause has been over for long: few
        log in there, and what is known of Convai is too old to turn one away for.
        """
        if self._state is CLOSED:
            return 0.0, False
        with self._lock:
            left = self._state.until - self._clock()
            if self._state is CLOSED or left > 0:
                return max(left, 0.0), False
            if self._at_rest().status is BreakerStatus.ANSWERED or left <= -OUTDATED_AFTER:
                return 0.0, False
            self._start(BreakerStatus.BACKGROUND_PROBE)
            return self._probe_timeout, True

    def _at_rest(self) -> BreakerState:
        """Return the state, or that before a probe which is lost, for it is over."""
        before, until = self._state.before, self._state.until
        return replace(before, until=until) if before else self._state

    def _start(self, status: BreakerStatus) -> BreakerState:
        now = self._clock()
        self._state = BreakerState(status, now + self._probe_timeout, now, self._at_rest())
        return self._state

    def heard(self, outcome: object, began: float = math.inf) -> None:
        """Take note of a call's outcome: an exception of this app, or whatever else for success.

        ``began`` is when the call began, by this breaker's clock. Only the probe closes an open
        breaker: the success of a call that was on its way by then must not shorten a
        ``Retry-After``.
        """
        if isinstance(outcome, ConvaiRefused):
            logger.error("Convai refuses this LMS, so it isn't called for a while: %s", outcome)
            self._open(outcome.retry_after or outcome.pause)
        elif isinstance(outcome, ConvaiUnavailable):
            self._failed(outcome)
        elif self._failures:
            self._succeeded(began)

    def _failed(self, error: ConvaiUnavailable) -> None:
        with self._lock:
            self._failures += 1
            opens = self._failures >= FAILURE_THRESHOLD
        if opens or error.code == ErrorCode.CONVAI_RATE_LIMITED:
            self._open(error.retry_after or error.pause)

    def _open(self, pause: float) -> None:
        with self._lock:
            self._failures = max(self._failures, FAILURE_THRESHOLD)
            until = max(self._state.until, self._clock() + pause)
            self._state = BreakerState(BreakerStatus.OPEN, until)
        logger.warning("Convai is not called for %.0f s (%s).", pause, self._calls)

    def _succeeded(self, began: float) -> None:
        with self._lock:
            state = self._state
            if state is not CLOSED and (state.before is None or began < state.began):
                return  # no probe's success
            if state.status is BreakerStatus.BACKGROUND_PROBE:
                self._state = BreakerState(BreakerStatus.ANSWERED, self._clock())
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
