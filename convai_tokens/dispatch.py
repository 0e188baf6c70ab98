"""Who runs a revocation, and when: the dispatchers that ``DISPATCHER`` names.

A dispatcher is a callable that takes a list of token ids, after commit. It is only a hint to be
quick: whatever it loses, the sweep finds in the table.
"""

from __future__ import annotations

import logging
import os
import queue
import threading

from django.db import connections

from .revocation import attempt

logger = logging.getLogger("convai_tokens")

THREADS = 2
QUEUE_LENGTH = 1000


def inline(token_ids: list[int]) -> None:
    """Revoke at once, in the caller's thread: for tests and one-off scripts, not for requests."""
    attempt(token_ids)


def thread(token_ids: list[int]) -> None:
    """Revoke in a small pool of this process's threads; the default.

    The threads are daemons: a process that exits leaves the rest to the sweep, and so does a queue
    that is full.
    """
    _start_threads()
    for token_id in token_ids:
        try:
            _queue.put_nowait(token_id)
        except queue.Full:
            logger.warning("The queue of revocations is full; the sweep will do the rest.")
            return


_lock = threading.Lock()
_queue: queue.Queue[int] = queue.Queue(QUEUE_LENGTH)
_threads: list[threading.Thread] = []


def _start_threads() -> None:
    with _lock:
        while len(_threads) < THREADS:
            worker = threading.Thread(
                target=_work, args=(_queue,), name=f"convai-dispatch-{len(_threads)}", daemon=True
            )
            worker.start()
            _threads.append(worker)


def _work(waiting: queue.Queue[int]) -> None:
    while True:
        token_id = waiting.get()
        try:
            attempt([token_id])
            if waiting.empty():  # no connection is kept while the thread waits for work
                connections.close_all()
        except Exception:
            logger.exception("Revoking token %s failed here; the sweep will try again.", token_id)
        finally:
            waiting.task_done()


def _forget_threads() -> None:
    """Start anew in a forked child: threads don't cross a fork, and what is queued isn't its."""
    global _lock, _queue, _threads
    _lock, _queue, _threads = threading.Lock(), queue.Queue(QUEUE_LENGTH), []


os.register_at_fork(after_in_child=_forget_threads)
