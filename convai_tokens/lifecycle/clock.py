"""Does this host's clock agree with the database's? What has passed is judged by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connections

from ..models import database

AGREE = timedelta(seconds=30)
# What gives the database's time in UTC; on SQLite that is this host's own.
STATEMENTS = {
    "postgresql": "SELECT CURRENT_TIMESTAMP AT TIME ZONE 'UTC'",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
}


def host_ahead() -> timedelta:
    """Return how far this host's clock is ahead of the database's; negative if it is behind.

    Zero where both are one, or the database is of a kind that isn't known.
    """
    connection = connections[database()]
    statement = STATEMENTS.get(connection.vendor)
    if statement is None:
        return timedelta()
    before = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        theirs: datetime = cursor.fetchone()[0]
    ours = before + (datetime.now(UTC) - before) / 2
    return ours.astimezone(UTC).replace(tzinfo=None) - theirs
