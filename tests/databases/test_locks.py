"""The order in which rows and index entries are locked, which decides who deadlocks."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from convai_tokens.models import ConvaiToken, LearnerSession

Status = ConvaiToken.Status


@pytest.mark.parametrize("status", [Status.GENERATING, Status.REVOKING])
def test_a_status_moves_by_the_rows_id_and_not_by_an_index_of_statuses(
    transactional_db: None, learner: Any, status: str
) -> None:
    """The entry of an index first and then the row is the wrong way round: it deadlocks."""
    if connection.vendor != "mysql":
        pytest.skip("about InnoDB's indexes: set DATABASE_URL to MariaDB")
    session = LearnerSession.objects.create(user=learner, username="learner", stack="knox")
    dead = [ConvaiToken(session=session, status=Status.REVOKED) for _ in range(2000)]
    ConvaiToken.objects.bulk_create(dead)
    token = ConvaiToken.objects.create(session=session, status=status)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE convai_tokens_convaitoken")
        cursor.fetchall()
    with CaptureQueriesContext(connection) as captured:
        assert ConvaiToken.objects.move(token.pk, status, to=Status.ACTIVE)
    ConvaiToken.objects.filter(pk=token.pk).update(status=status)

    (update,) = captured.captured_queries
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + update["sql"])
        names = [column[0] for column in cursor.description]
        (plan,) = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    assert plan["key"] == "PRIMARY"
