"""The order in which rows and index entries are locked, which decides who deadlocks."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from convai_tokens.models import ConvaiToken, LearnerSession, TokenStatus
from convai_tokens.models.moments import utc_now
from tests.builders import make_session


@pytest.mark.parametrize("status", [TokenStatus.GENERATING, TokenStatus.REVOKING])
def test_a_status_moves_by_the_rows_id_and_not_by_an_index_of_statuses(
    transactional_db: None, learner: Any, status: str
) -> None:
    """The entry of an index first and then the row is the wrong way round: it deadlocks."""
    if connection.vendor != "mysql":
        pytest.skip("about InnoDB's indexes: set DATABASE_URL to MariaDB")
    session = make_session(learner)
    dead = [ConvaiToken(session=session, status=TokenStatus.REVOKED) for _ in range(2000)]
    ConvaiToken.objects.bulk_create(dead)
    token = ConvaiToken.objects.create(session=session, status=status)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE convai_tokens_convaitoken")
        cursor.fetchall()
    with CaptureQueriesContext(connection) as captured:
        assert ConvaiToken.objects.move(token.pk, status, to=TokenStatus.ACTIVE)
    ConvaiToken.objects.filter(pk=token.pk).update(status=status)

    (update,) = captured.captured_queries
    assert index_of(update["sql"]) == "PRIMARY"


def test_a_session_ends_by_the_rows_id_and_not_by_the_index_of_digests(
    transactional_db: None, learner: Any
) -> None:
    if connection.vendor != "mysql":
        pytest.skip("about InnoDB's indexes: set DATABASE_URL to MariaDB")
    names = {"user": learner, "username": "learner", "stack": "session"}
    LearnerSession.objects.bulk_create(
        LearnerSession(credential_digest=f"{number:064x}", **names) for number in range(2000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE convai_tokens_learnersession")
        cursor.fetchall()
    found = LearnerSession.objects.filter(stack="session").by_digest([f"{7:064x}"])

    with CaptureQueriesContext(connection) as captured:
        assert found.endable().update(ended_at=utc_now()) == 1
    found.update(ended_at=None)

    (update,) = captured.captured_queries
    assert index_of(update["sql"]) == "PRIMARY"
    LearnerSession.objects.filter(pk=found.get().pk).update(credential_digest="another")
    assert found.update(ended_at=None) == 0  # it goes on under another key


def test_a_session_is_locked_by_its_id_and_not_by_what_has_ended_its_users_others(
    transactional_db: None, learner: Any
) -> None:
    if connection.vendor != "mysql":
        pytest.skip("about InnoDB's indexes: set DATABASE_URL to MariaDB")
    session = make_session(learner)

    with CaptureQueriesContext(connection) as captured:
        assert LearnerSession.objects.lock_open(session.pk)

    (update,) = captured.captured_queries
    assert index_of(update["sql"]) == "PRIMARY"


def index_of(statement: str) -> str:
    """Return the index by which MariaDB looks the rows of the statement up."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement)
        names = [column[0] for column in cursor.description]
        plan = dict(zip(names, cursor.fetchone(), strict=True))  # a subquery's comes after it
        cursor.fetchall()
    index: str = plan["key"]
    return index
