"""A bulkhead: while Convai hangs, it occupies few of the LMS's threads.

It is per process and thread-safe, and holds no lock while Convai is being called.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ..exceptions import ConvaiUnavailable, ErrorCode

SLOW_AFTER = 1.0  # seconds that a call in flight may take before nobody queues behind it


class Bulkhead:
    """Lets at most ``size`` learners' threads wait on Convai at once."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # A semaphore that is written in C: threading's doubles the price of a slot.
        self._slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(size):
            self._slots.put(None)
        self._entered: dict[int, float] = {}  # when each thread took its slot

    @contextmanager
    def slot(self, budget: float) -> Iterator[None]:
        """Hold a slot; raise ``ConvaiUnavailable`` if none comes free within ``budget`` seconds.

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
        return self._slots.empty() and self._time_until_slow() <= 0

    def _time_until_slow(self) -> float:
        """Return the seconds until the oldest call in flight counts as slow."""
        now = self._clock()
        return min(list(self._entered.values()), default=now) + SLOW_AFTER - now

    def _wait_for_slot(self, budget: float) -> None:
        """Take a slot as soon as one comes free; raise ``ConvaiUnavailable`` if none does."""
        deadline = self._clock() + budget
        # Asked anew each time: the call that was the oldest may have come back meanwhile.
        while (wait := min(self._time_until_slow(), deadline - self._clock())) > 0:
            with suppress(queue.Empty):
                self._slots.get(timeout=wait)
                return
        raise busy()


def busy() -> ConvaiUnavailable:
    """Return the outcome of a call that was not made because too many wait for theirs."""
    return ConvaiUnavailable(
        "Too many learners wait for Convai already.", code=ErrorCode.CONVAI_BUSY, retry_after=1
    )
