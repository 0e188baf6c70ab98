"""Waiting for what another thread or process does; nothing here sleeps longer than it must."""

from __future__ import annotations

import time
from collections.abc import Callable

from convai_tokens.dispatch import threads

PATIENCE = 60.0  # seconds; on a busy machine a worker takes some to start


def eventually(condition: Callable[[], object], *, why: Callable[[], object] = str) -> None:
    """Wait until the condition holds; fail after ``PATIENCE`` and say ``why()``."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.01)


def dispatcher_is_done() -> bool:
    """Tell whether the threads of the dispatcher have nothing left to do."""
    return threads._queue.unfinished_tasks == 0
