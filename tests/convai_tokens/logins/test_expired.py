"""Rows of expired Django sessions, deleted in bulk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from convai_tokens.lifecycle import retrying
from convai_tokens.lifecycle.sealing import key_ids
from convai_tokens.logins import expired
from convai_tokens.logins.credentials import session_key_digests
from convai_tokens.models import EndReason, LearnerSession
from convai_tokens.secret import Secret
from tests.builders import make_session
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def expire(learner: Any) -> Callable[[str], LearnerSession]:
    """Make the row of an expired Django session with this key, and its learner session."""

    def make(key: str) -> LearnerSession:
        past = timezone.now() - timedelta(minutes=1)
        Session.objects.create(session_key=key, session_data="", expire_date=past)
        digest = session_key_digests(Secret(key))[0]
        key_id = key_ids()[0]
        return make_session(learner, stack="session", credential_digest=digest, key_id=key_id)

    return make


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many digests each look at the learner sessions was for."""
    found: list[int] = []
    end = expired._end

    def counted(digests: list[str]) -> None:
        found.append(len(digests))
        end(digests)

    monkeypatch.setattr(expired, "_end", counted)
    return found


def ended() -> int:
    return LearnerSession.objects.filter(end_reason=EndReason.SESSION_DELETED).count()


def test_many_end_with_one_look(expire: Callable[[str], Any], looks: list[int]) -> None:
    for number in range(20):
        expire(f"key-{number}")

    with CaptureQueriesContext(connection) as queries:
        call_command("clearsessions")

    assert ended() == 20
    assert looks == [20]
    assert len([query for query in queries if query["sql"].startswith("UPDATE")]) == 1


def test_very_many_end_in_batches(
    expire: Callable[[str], Any], looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expired, "AT_ONCE", 3)
    for number in range(7):
        expire(f"key-{number}")

    call_command("clearsessions")

    assert ended() == 7
    assert looks == [3, 3, 1]


def test_a_row_deleted_by_itself_ends_it_at_once(expire: Callable[[str], Any]) -> None:
    expire("a-key")

    Session.objects.get().delete()

    assert ended() == 1


def test_what_is_rolled_back_ends_nothing_and_hides_no_later_end(
    expire: Callable[[str], Any],
) -> None:
    first, second, third = (expire(f"key-{number}") for number in range(3))

    def delete(number: int) -> None:
        Session.objects.get(session_key=f"key-{number}").delete()

    with transaction.atomic():
        delete(0)
        with suppress(LookupError), transaction.atomic():
            delete(1)
            raise LookupError
        delete(2)

    assert set(LearnerSession.objects.exclude(ended_at=None)) == {first, third}
    assert not second.has_ended


def test_each_of_two_transactions_ends_its_own(expire: Callable[[str], Any]) -> None:
    expire("key-0")
    expire("key-1")

    for number in range(2):
        with suppress(LookupError), transaction.atomic():
            Session.objects.get(session_key=f"key-{number}").delete()
            if number == 0:
                raise LookupError

    assert ended() == 1


def test_other_learners_are_not_touched(expire: Callable[[str], Any], learner: Any) -> None:
    expire("a-key")
    other = make_session(learner, stack="session", credential_digest="another")

    call_command("clearsessions")

    assert list(LearnerSession.objects.open()) == [other]


def test_what_the_database_refuses_is_tried_again(
    expire: Callable[[str], Any], refused: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "FIRST_DELAY", 0.01)
    expire("a-key")

    call_command("clearsessions")

    assert refused
    eventually(ended)
