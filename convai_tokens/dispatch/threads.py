"""A small pool of daemon threads behind a bounded queue, one for each process."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from django.db import connections

from ..lifecycle.tenants import as_tenant, tenant

logger = logging.getLogger("convai_tokens")

THREADS = 2
QUEUE_LENGTH = 1000
IDLE = 0.2  # seconds; opening a connection for each logout costs more than the logout itself


class Work(NamedTuple):
    """Tokens, what to do with them, and who logs it when that raises."""

    run: Callable[[list[int]], None]
    token_ids: list[int]
    log_failure: Callable[[list[int], Exception], None]
    tenant: Any = None  # whose tokens they are


_lock = threading.Lock()
_queue: queue.Queue[Work] = queue.Queue(QUEUE_LENGTH)
_threads: list[threading.Thread] = []


def leave_to_threads(works: Iterable[Work]) -> None:
    """Have the threads do the works, in their order. Waits for nobody."""
    _start_threads()
    for work in works:
        try:
            _queue.put_nowait(work._replace(tenant=tenant()))
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
        work = _next(waiting)
        try:
            with as_tenant(work.tenant):
                work.run(work.token_ids)
        except Exception as error:  # noqa: BLE001 - whatever the engine or the database raises
            work.log_failure(work.token_ids, error)
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


def forget_threads() -> None:
    """Start anew in a forked child: threads don't cross a fork, and what is queued isn't its."""
    global _lock, _queue, _threads
    _lock, _queue, _threads = threading.Lock(), queue.Queue(QUEUE_LENGTH), []
