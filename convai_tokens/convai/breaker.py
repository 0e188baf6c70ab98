"""A breaker and a bulkhead: while Convai is down it costs nothing, while it hangs only a little.

Both are per process and thread-safe. Neither holds a lock while Convai is being called.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ..exceptions import (
    ConvaiPaused,
    ConvaiRefused,
    ConvaiUnavailable,
    ErrorCode,
)

logger = logging.getLogger("convai_tokens")

FAILURES = 3  # in a row, before it opens
PROBE_TIME = 10.0  # seconds after which a probe that nobody heard of counts as lost, at least
OLD_NEWS = 300.0  # seconds after a pause, from when on a learner's call may be the probe unasked
PATIENCE = 1.0  # seconds that a call in flight may take before nobody queues behind it


class Breaker:
    """Opens after some failures in a row, and then lets through one call at a time, as a probe.

    A learner who logs in had better not be that one: while Convai hangs, it would wait. So the
    first who comes once the pause is over lets Convai be sounded out in the background, and only
    when that got an answer is the next learner's call the probe.
    """

    def __init__(
        self,
        calls: str,
        *,
        probe_time: float = PROBE_TIME,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls  # what goes through it, for the log
        self._probe_time = max(probe_time, PROBE_TIME)
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0  # 0 while closed, else when the next probe may go
        self._probed_at = 0.0  # when the probe that is under way was let through, else 0
        self._was_due = 0.0  # from when on it might have gone
        self._sounding = False  # whether that one is a sounding
        self._answered = False  # whether a sounding got an answer since it opened

    def check(self) -> float:
        """Return if a call may be made now; raise ``ConvaiPaused`` if not.

        Whoever comes first once the pause is over is the probe; all others wait for its outcome. It
        is told so by a mark other than 0, for ``give_back()``.
        """
        if not self._open_until:  # the common case, without the lock
            return 0.0
        with self._lock:
            left = self._open_until - self._clock()
            if not self._open_until:
                return 0.0
            if left > 0:
                raise ConvaiPaused("Convai is not being called for now.", retry_after=left)
            self._let_through(sounding=False)
            return self._probed_at

    def give_back(self, mark: float) -> None:
        """Let another call be the probe at once, if nobody heard of this one: it was none."""
        if mark:
            with self._lock:
                if self._probed_at == mark:
                    self._probed_at, self._open_until = 0.0, self._was_due

    def learners_wait(self) -> tuple[float, bool]:
        """Return for how long no learner's call may be made, and whether to sound Convai out now.

        Seconds; 0 if one may be. That is so, too, where the pause has been over for long: few log
        in there, and what was heard of Convai is too old to turn one away for.
        """
        if not self._open_until:
            return 0.0, False
        with self._lock:
            left = self._open_until - self._clock()
            if not self._open_until or left > 0:
                return max(left, 0.0), False
            if self._answered or left <= -OLD_NEWS:
                return 0.0, False
            self._let_through(sounding=True)
            return self._probe_time, True

    def _let_through(self, *, sounding: bool) -> None:
        self._probed_at, self._was_due = self._clock(), self._open_until
        self._open_until = self._probed_at + self._probe_time
        self._sounding = sounding

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
        elif self._failures or self._open_until:
            with self._lock:
                if self._open_until and not 0 < self._probed_at <= began:
                    return
                self._probed_at = 0.0
                if self._open_until and self._sounding:
                    self._open_until, self._answered = self._clock(), True
                    return
                self._failures, self._open_until, self._answered = 0, 0.0, False
            logger.info("Convai answers again (%s).", self._calls)

    def _failed(self, error: ConvaiUnavailable) -> None:
        with self._lock:
            self._failures += 1
            opens = self._failures >= FAILURES
        if opens or error.code == ErrorCode.CONVAI_RATE_LIMITED:
            self._open(error.retry_after or error.pause)

    def _open(self, pause: float) -> None:
        with self._lock:
            self._failures = max(self._failures, FAILURES)
            self._probed_at, self._answered = 0.0, False
            self._open_until = max(self._open_until, self._clock() + pause)
        logger.warning("Convai is not called for %.0f s (%s).", pause, self._calls)

    @property
    def is_open(self) -> bool:
        """Whether the next call will be a probe, or is under way as one."""
        return self._open_until > 0

    @property
    def pause_left(self) -> float:
        """Seconds until the next probe may go; 0 while closed."""
        return max(self._open_until - self._clock(), 0.0) if self._open_until else 0.0


class Bulkhead:
    """Lets at most ``size`` learners' threads wait on Convai at once."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # A semaphore that is written in C: threading's doubles the price of a slot.
        self._slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(size):
            self._slots.put(None)
        self._entered: dict[int, float] = {}

    @contextmanager
    def slot(self, budget: float) -> Iterator[None]:
        """Hold a slot; raise ``ConvaiUnavailable`` if none comes free soon.

        One that finds all slots taken waits only while Convai is quick: once the oldest call in
        flight is slow, everybody else passes by, so that a hanging Convai occupies few threads.
        """
        try:
            self._slots.get_nowait()
        except queue.Empty:
            self._wait_for_slot(budget)
        me = threading.get_ident()
        self._entered[me] = self._clock()
        try:
            yield
        finally:
            self._entered.pop(me, None)
            self._slots.put(None)

    @property
    def stuck(self) -> bool:
        """Whether all slots are taken, and Convai is too slow to queue for one."""
        return self._slots.empty() and self._patience_left() <= 0

    def _patience_left(self) -> float:
        """Seconds until the oldest call in flight counts as slow."""
        now = self._clock()
        return min(list(self._entered.values()), default=now) + PATIENCE - now

    def _wait_for_slot(self, budget: float) -> None:
        """Take a slot as soon as one comes free; raise ``ConvaiUnavailable`` if none does."""
        deadline = self._clock() + budget
        # Asked anew each time: the call that was the oldest may have come back meanwhile.
        while (wait := min(self._patience_left(), deadline - self._clock())) > 0:
            with suppress(queue.Empty):
                self._slots.get(timeout=wait)
                return
        raise busy()


def busy() -> ConvaiUnavailable:
    """Return the outcome of a call that was not made because too many wait for theirs."""
    return ConvaiUnavailable(
        "Too many learners wait for Convai already.", code=ErrorCode.CONVAI_BUSY, retry_after=1
    )
