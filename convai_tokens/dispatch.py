"""Who runs a revocation, and when: the dispatchers that ``DISPATCHER`` names.

A dispatcher is a callable that takes a list of token ids, after commit. It is only a hint to be
quick: whatever it loses, the sweep finds in the table.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from django.db import connections

from .lifecycle.revocation import CLAIM, attempt

logger = logging.getLogger("convai_tokens")

THREADS = 2
QUEUE_LENGTH = 1000
IDLE = 0.2  # seconds; opening a connection for each logout costs more than the logout itself
MESSAGE_LIFETIME = 3600  # seconds; a hint this old is news to nobody

Work = tuple[Callable[[list[int]], None], list[int]]


def inline(token_ids: list[int]) -> None:
    """Revoke at once, in the caller's thread: for tests and one-off scripts, not for requests."""
    attempt(token_ids)


def thread(token_ids: list[int]) -> None:
    """Revoke in a small pool of this process's threads; the default.

    The threads are daemons: a process that exits leaves the rest to the sweep, and so does a queue
    that is full.
    """
    _leave_to_threads((inline, [token_id]) for token_id in token_ids)


def django_task(token_ids: list[int]) -> None:
    """Enqueue tasks of Django's tasks framework, or of its backport ``django_tasks``.

    From the same threads, and so without a wait: the store of the tasks may be away or hang.
    """
    _leave_to_threads((_send_django_task, ids) for ids in _messages(token_ids))


def celery(token_ids: list[int]) -> None:
    """Enqueue Celery tasks, from the same threads: the broker may be away or hang."""
    _leave_to_threads((_send_celery_task, ids) for ids in _messages(token_ids))


def _messages(token_ids: list[int]) -> Iterable[list[int]]:
    starts = range(0, len(token_ids), CLAIM)
    return (token_ids[start : start + CLAIM] for start in starts)


# The engines are optional: their modules are imported by the first message, not before.


def _send_django_task(token_ids: list[int]) -> None:
    from .django_task import revoke

    revoke.enqueue(token_ids)


def _send_celery_task(token_ids: list[int]) -> None:
    from .celery_task import revoke

    revoke.apply_async((token_ids,), expires=MESSAGE_LIFETIME)


_lock = threading.Lock()
_queue: queue.Queue[Work] = queue.Queue(QUEUE_LENGTH)
_threads: list[threading.Thread] = []


def _leave_to_threads(works: Iterable[Work]) -> None:
    _start_threads()
    for work in works:
        try:
            _queue.put_nowait(work)
        except queue.Full:
            logger.warning("The queue of revocations is full; the sweep will do the rest.")
            return


def _start_threads() -> None:
    with _lock:
        while len(_threads) < THREADS:
            worker = threading.Thread(
                target=_work, args=(_queue,), name=f"convai-revoke-{len(_threads)}", daemon=True
            )
            worker.start()
            _threads.append(worker)


def _work(waiting: queue.Queue[Work]) -> None:
    while True:
        run, token_ids = _next(waiting)
        try:
            run(token_ids)
        except Exception as error:  # noqa: BLE001 - whatever the engine or the database raises
            _log_failure(run, token_ids, error)
            _disconnect()  # the database may have dropped the connection
        finally:
            waiting.task_done()


def _next(waiting: queue.Queue[Work]) -> Work:
    """Wait for work; keep no database connection through a longer wait."""
    try:
        return waiting.get(timeout=IDLE)
    except queue.Empty:
        _disconnect()
        return waiting.get()


def _disconnect() -> None:
    with suppress(Exception):
        connections.close_all()


def _log_failure(run: Callable[[list[int]], None], token_ids: list[int], error: Exception) -> None:
    if run is inline:
        text = "Revoking tokens %s failed here; the sweep will try again."
        logger.error(text, token_ids, exc_info=error)
        return
    # One line without a traceback: while a broker is away, every logout comes by here.
    logger.error(
        "Tokens %s could not be handed to the task engine, the sweep will revoke them: %s: %s",
        token_ids,
        type(error).__name__,
        error,
    )


def _forget_threads() -> None:
    """Start anew in a forked child: threads don't cross a fork, and what is queued isn't its."""
    global _lock, _queue, _threads
    _lock, _queue, _threads = threading.Lock(), queue.Queue(QUEUE_LENGTH), []


os.register_at_fork(after_in_child=_forget_threads)
