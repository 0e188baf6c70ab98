"""While Convai is called, no transaction is open, and no connection of a pool is held."""

from __future__ import annotations

import logging
from typing import Any

from django.db import connections, transaction

from ..exceptions import TransactionOpen
from ..models import database

logger = logging.getLogger("convai_tokens")

AROUND = (
    "Convai would be called within a transaction that is open around the request, and so no token "
    "was asked for. List the middleware that opens it (reversion's RevisionMiddleware, for one) "
    "after ConvaiTokenMiddleware; in a view of ATOMIC_REQUESTS use non_atomic_requests."
)
NO_AUTOCOMMIT = (
    "The database runs with autocommit off, where each query opens a transaction, and so no token "
    "was asked for. Remove AUTOCOMMIT from DATABASES."
)


def check_no_transaction() -> None:
    """Raise ``TransactionOpen`` where one would be open while Convai is called."""
    connection = transaction.get_connection(database())
    blocks = connection.atomic_blocks
    if blocks:
        # As Django's "durable" does it, which lets a TestCase's own pass.
        if not blocks[-1]._from_testcase:
            logger.error(AROUND)
            raise TransactionOpen("A transaction is open around the request.")
    elif not connection.get_autocommit():
        logger.error(NO_AUTOCOMMIT)
        raise TransactionOpen("The database runs with autocommit off.")


def give_back_connections() -> None:
    """Let others have this thread's connections of database pools; the next query takes one."""
    for connection in connections.all(initialized_only=True):
        if _is_pooled(connection) and not connection.in_atomic_block:
            connection.close()


def _is_pooled(connection: Any) -> bool:
    return bool(connection.settings_dict["OPTIONS"].get("pool"))
