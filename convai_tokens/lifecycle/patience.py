"""Nobody who logs in or out waits for another's lock longer than ``LOGIN_BUDGET``.

A long transaction of the LMS's may hold the rows of sessions that it ends: an import that
deactivates users, a request that does much after a logout. A limit set on the connection would be
one for the LMS's statements too. So the rows are asked for without waiting, again and again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import OperationalError, connections
from django.db.models import QuerySet

from ..conf import app_settings
from ..exceptions import ConvaiUnavailable, ErrorCode

T = TypeVar("T")

PAUSE = 0.02  # seconds between two tries
# PostgreSQL's lock_not_available; MariaDB's lock wait timeout, and MySQL's NOWAIT.
HELD = {"55P03", 1205, 3572}


def lock_now(rows: QuerySet[Any]) -> bool:
    """Lock these rows, in a transaction; return False if there are none.

    Raises ``OperationalError`` where somebody holds one. SQLite has no locks of rows: there, nobody
    looks, and the database's own timeout counts.
    """
    if not connections[rows.db].features.has_select_for_update_nowait:
        return True
    return bool(rows.select_for_update(nowait=True).values_list("pk", flat=True))


def within_budget(step: Callable[[], T]) -> T:
    """Return what the step returns, once it meets no lock; raise what it raises after the budget.

    The step is a transaction of its own, and begins with ``lock_now``.
    """
    until = time.monotonic() + app_settings.LOGIN_BUDGET
    while True:
        try:
            return step()
        except OperationalError as error:
            if not is_held(error) or time.monotonic() + PAUSE > until:
                raise
        time.sleep(PAUSE)


def within_budget_or_busy(step: Callable[[], T]) -> T:
    """Do the same for a login, which learns that it may come again: ``ConvaiUnavailable``."""
    try:
        return within_budget(step)
    except OperationalError as error:
        if not is_held(error):
            raise
        said = "Somebody holds the learner session's row"
        raise ConvaiUnavailable(said, code=ErrorCode.CONVAI_BUSY) from error


def is_held(error: OperationalError) -> bool:
    """Tell whether the database says that somebody else holds a lock."""
    code = getattr(error.__cause__, "sqlstate", None) or (error.args[0] if error.args else None)
    return code in HELD
