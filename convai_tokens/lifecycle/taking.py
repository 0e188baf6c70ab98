"""Take rows for oneself, beside others who do the same, and wait for nobody's lock."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import connections
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def take(rows: QuerySet[Row], limit: int, **fields: Any) -> list[Row]:
    """Update up to ``limit`` of these rows, and return them as they were before.

    Rows that anybody else holds a lock on are left out, so that neither a worker nor a long
    transaction of the LMS's is waited for. To be called in a transaction, and without joins, whose
    rows would be locked too.
    """
    table = rows.model._default_manager.using(rows.db)
    if connections[rows.db].features.has_select_for_update_skip_locked:
        taken = list(rows.select_for_update(skip_locked=True)[:limit])
        table.filter(pk__in=[row.pk for row in taken]).update(**fields)
        return taken
    # Locks SQLite before the first read: a transaction that reads first and writes later fails
    # there when another one has written in between.
    table.filter(pk=0).update(**fields)
    return [row for row in rows[:limit] if rows.filter(pk=row.pk).update(**fields)]
