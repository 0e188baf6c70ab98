"""Who runs a revocation, and when: the dispatchers that ``DISPATCHER`` names.

A dispatcher is a callable that takes a list of token ids, after commit. It only makes a revocation
quick: whatever it loses, the sweep finds in the table.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.db import connections

from ..lifecycle.revocation import CLAIM, attempt
from ..models import database
from .threads import Work, leave_to_threads

logger = logging.getLogger("convai_tokens")

MESSAGE_LIFETIME = 3600  # seconds; a message that is older is news to nobody


def inline(token_ids: list[int]) -> None:
    """Revoke at once, in the caller's thread: for tests and one-off scripts, not for requests."""
    attempt(token_ids)


def thread(token_ids: list[int]) -> None:
    """Revoke in a small pool of this process's threads; the default.

    The threads are daemons: a process that exits leaves the rest to the sweep, and so does a queue
    that is full. With SQLite in memory, as in tests, all is left to it: there a second thread locks
    the LMS's own out.
    """
    if is_in_memory():
        return
    leave_to_threads(Work(inline, [token_id], _log_failure) for token_id in token_ids)


def is_in_memory() -> bool:
    """Tell whether the tables are in an SQLite database in memory, which threads share."""
    connection = connections[database()]
    in_memory = getattr(connection, "is_in_memory_db", bool)  # SQLite's own
    return bool(in_memory())


def django_task(token_ids: list[int]) -> None:
    """Enqueue tasks of Django's tasks framework, or of its backport ``django_tasks``.

    From the same threads, and so without a wait: the store of the tasks may be away or hang.
    """
    leave_to_threads(Work(_send_django_task, ids, _log_unsent) for ids in _messages(token_ids))


def celery(token_ids: list[int]) -> None:
    """Enqueue Celery tasks, from the same threads: the broker may be away or hang."""
    leave_to_threads(Work(_send_celery_task, ids, _log_unsent) for ids in _messages(token_ids))


def _messages(token_ids: list[int]) -> Iterable[list[int]]:
    starts = range(0, len(token_ids), CLAIM)
    return (token_ids[start : start + CLAIM] for start in starts)


# The engines are optional: their modules are imported by the first message, not before.


def _send_django_task(token_ids: list[int]) -> None:
    from .django_tasks import revoke

    revoke.enqueue(token_ids)


def _send_celery_task(token_ids: list[int]) -> None:
    from .celery_tasks import revoke

    revoke.apply_async((token_ids,), expires=MESSAGE_LIFETIME)


def _log_failure(token_ids: list[int], error: Exception) -> None:
    text = "Revoking tokens %s failed here; the sweep will try again."
    logger.error(text, token_ids, exc_info=error)


def _log_unsent(token_ids: list[int], error: Exception) -> None:
    """Log one line without a traceback: while a broker is away, every logout comes by here."""
    logger.error(
        "Tokens %s could not be handed to the task engine, the sweep will revoke them: %s: %s",
        token_ids,
        type(error).__name__,
        error,
    )
