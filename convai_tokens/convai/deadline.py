"""A call with a deadline: in a thread of its own, since no timeout of sockets bounds all of it.

None bounds the look-up of a name, nor an answer that drips. A thread left behind ends by the
timeouts of what it calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class NoThreadLeft(RuntimeError):
    """The call was not made, for want of a thread."""


def call_within(
    seconds: float,
    call: Callable[[], T],
    *,
    thread_name: str,
    limit: threading.Semaphore | None = None,
) -> T:
    """Return what ``call`` returns, and raise what it raises; ``TimeoutError`` when it is late.

    ``limit`` bounds the threads, those included that nobody waits for any more. Raises
    ``NoThreadLeft`` when it is reached, or when the system gives this process no further thread.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that waits
            outcome.set_exception(error)
        finally:
            if limit:
                limit.release()

    if limit and not limit.acquire(blocking=False):
        raise NoThreadLeft("Too many calls hang already.")
    try:
        threading.Thread(target=run, name=thread_name, daemon=True).start()
    except RuntimeError:
        if limit:
            limit.release()
        raise NoThreadLeft("The system gives no further thread.") from None
    return outcome.result(timeout=max(seconds, 0.0))
