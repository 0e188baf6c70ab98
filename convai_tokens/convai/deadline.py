"""A call with a deadline: in a thread of its own, since no timeout of sockets bounds all of it.

None bounds the look-up of a name, nor an answer that drips. A thread left behind ends by the
timeouts of what it calls.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def call_within(seconds: float, call: Callable[[], T], *, thread_name: str) -> T:
    """Return what ``call`` returns, and raise what it raises; ``TimeoutError`` when it is late.

    ``RuntimeError`` when the system gives this process no further thread.
    """
    outcome: queue.SimpleQueue[T | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put(call())
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that waits
            outcome.put(error)

    threading.Thread(target=run, name=thread_name, daemon=True).start()
    try:
        result = outcome.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, Exception):
        raise result
    return result
