"""Stop signals of the commands: SIGTERM and SIGINT ask, and the command ends when it can."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals(*, second_interrupts: bool = False) -> Iterator[Callable[[], bool]]:
    """Note stop signals instead of ending at once; yield what tells whether one has come.

    With ``second_interrupts`` a second signal raises ``KeyboardInterrupt``, wherever the command
    is by then. Outside the main thread no signal is handled.
    """
    asked: list[int] = []  # not an Event: a handler that sets one may find it locked

    def note(number: int, frame: object) -> None:
        asked.append(number)
        if second_interrupts and len(asked) > 1:
            raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGTERM, signal.SIGINT) if is_main else ()
    previous = [(number, signal.signal(number, note)) for number in numbers]
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
