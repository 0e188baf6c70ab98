"""What the database refused, such as an end during a failover, is tried again until it is taken.

By a thread of this process, which knows of it alone. A process that ends takes it along.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import ParamSpec

from django.db import DatabaseError, InterfaceError, connections

from .tenants import as_tenant, tenant

P = ParamSpec("P")

logger = logging.getLogger("convai_tokens")

REFUSED = (DatabaseError, InterfaceError)
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0  # seconds between two rounds
MOST = 10_000  # that wait; an outage at nine o'clock must not fill the memory

_waiting: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
_lock = threading.Lock()
_thread: threading.Thread | None = None


def try_until_taken(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> object:
    """Return what the function returns; what the database refuses is tried again, and None."""

    whose = tenant()

    def call() -> object:
        with as_tenant(whose):
            return function(*args, **kwargs)

    try:
        return function(*args, **kwargs)
    except REFUSED:
        name = getattr(function, "__name__", "a step")
        if _waiting.qsize() >= MOST:
            logger.exception("The database refuses %s, and too much waits for it already.", name)
            return None
        logger.warning("The database refuses %s; it is tried again.", name, exc_info=True)
        _waiting.put(call)
        _start()
        return None


def forget_retries() -> None:
    """Start anew in a forked child: what waits is the parent's to try."""
    global _lock, _thread, _waiting
    _lock, _thread, _waiting = threading.Lock(), None, queue.SimpleQueue()


def _start() -> None:
    global _thread
    with _lock:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(
                target=_work, args=[_waiting], name="convai-retry", daemon=True
            )
            _thread.start()


def _work(waiting: queue.SimpleQueue[Callable[[], object]]) -> None:
    delay = FIRST_DELAY
    while not _is_done(waiting):
        time.sleep(delay)
        refused = _round(waiting)
        delay = min(delay * 2, LONGEST_DELAY) if refused else FIRST_DELAY
        connections.close_all()


def _is_done(waiting: queue.SimpleQueue[Callable[[], object]]) -> bool:
    """Tell whether nothing waits; then whatever comes next starts another thread."""
    global _thread
    with _lock:
        if waiting.empty() and _thread is threading.current_thread():
            _thread = None
        return waiting.empty()


def _round(waiting: queue.SimpleQueue[Callable[[], object]]) -> int:
    """Try each of those that wait once; return how many were refused again."""
    refused = 0
    for _ in range(waiting.qsize()):
        call = waiting.get()
        try:
            call()
        except REFUSED:
            refused += 1
            waiting.put(call)
        except Exception:
            logger.exception("What the database had refused fails now.")
        else:
            logger.info("The database has taken what it had refused.")
    return refused
