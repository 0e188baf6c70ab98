"""All of a user's learner sessions end: those with live tokens at once, the rest by the sweep."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from convai_tokens import api
from convai_tokens.exceptions import SessionEnded
from convai_tokens.lifecycle import ending_all
from convai_tokens.lifecycle.ending_all import end_sessions_of_user, write_end
from convai_tokens.lifecycle.issuing import extend, generate
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import (
    ConvaiToken,
    EndOfSessions,
    EndReason,
    LearnerSession,
    TokenEvent,
    TokenStatus,
)
from convai_tokens.models.moments import utc_now
from tests.builders import make_session

FEW = 3


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending_all, "FEW", FEW)
    monkeypatch.setattr(ending_all, "BATCH", 2)


@pytest.fixture
def many(learner: Any) -> list[LearnerSession]:
    """Open sessions of the learner, more than a request may wait for; the last has a live token."""
    sessions = [make_session(learner, stack="session") for _ in range(6)]
    alive = {"sealed": "x", "expires_at": utc_now() + timedelta(hours=1)}
    ConvaiToken.objects.create(session=sessions[-1], status=TokenStatus.ACTIVE, **alive)
    return sessions


def written() -> int:
    return LearnerSession.objects.exclude(ended_at=None).count()


def test_few_sessions_end_at_once(learner: Any) -> None:
    for _ in range(FEW):
        make_session(learner)

    assert end_sessions_of_user(learner.pk, EndReason.API) == FEW
    assert written() == FEW
    assert not EndOfSessions.objects.exists()


def test_of_many_those_with_live_tokens_end_at_once(
    learner: Any, many: list[LearnerSession], convai_settings: Callable[..., None]
) -> None:
    convai_settings(DISPATCHER=lambda ids: None)

    assert end_sessions_of_user(learner.pk, EndReason.API) == len(many)

    assert written() == 1
    assert ConvaiToken.objects.get().status == TokenStatus.REVOKING
    assert LearnerSession.objects.get(ended_at__isnull=False) == many[-1]


@pytest.mark.parametrize("status", ["generating", "active", "expired"])
def test_whatever_may_be_alive_counts_as_live(
    learner: Any, many: list[LearnerSession], status: str
) -> None:
    token = {"sealed": "" if status == "generating" else "x", "next_attempt_at": utc_now()}
    ConvaiToken.objects.create(session=many[0], status=status, **token)

    end_sessions_of_user(learner.pk, EndReason.API)

    assert written() == 2


def test_the_others_have_ended_all_the_same(
    convai: Any, learner: Any, many: list[LearnerSession]
) -> None:
    end_sessions_of_user(learner.pk, EndReason.API)

    assert not LearnerSession.objects.open().exists()
    with pytest.raises(SessionEnded):
        generate(many[0])
    with pytest.raises(SessionEnded):
        extend(many[0])
    assert convai.live() == []


def test_who_began_afterwards_goes_on(
    convai: Any, learner: Any, many: list[LearnerSession], make_user: Any
) -> None:
    end_sessions_of_user(learner.pk, EndReason.API)
    later, others = make_session(learner), make_session(make_user("second-learner"))

    generate(later)
    generate(others)

    assert sweep(workers=1).written == len(many) - 1
    assert set(LearnerSession.objects.open()) == {later, others}
    assert len(convai.live()) == 2


def test_one_stack_ends_and_one_session_goes_on(
    convai: Any, learner: Any, many: list[LearnerSession]
) -> None:
    by_bearer = make_session(learner, stack="custom")

    why = EndReason.PASSWORD_CHANGED
    end_sessions_of_user(learner.pk, why, stack="session", but=many[0].pk)
    generate(many[0])
    generate(by_bearer)

    sweep(workers=1)
    assert set(LearnerSession.objects.open()) == {many[0], by_bearer}
    assert TokenEvent.objects.filter(kind="session_ended", detail=why).count() == len(many) - 1


def test_the_sweep_writes_it_into_the_rows_with_an_event_each(
    learner: Any, many: list[LearnerSession]
) -> None:
    end_sessions_of_user(learner.pk, EndReason.API)

    assert sweep(workers=1).written == len(many) - 1

    assert {row.end_reason for row in LearnerSession.objects.all()} == {EndReason.API}
    assert TokenEvent.objects.filter(kind="session_ended").count() == len(many)
    assert not EndOfSessions.objects.exists()
    assert sweep(workers=1).written == 0


def test_a_sweep_that_is_stopped_leaves_the_rest_to_the_next(
    learner: Any, many: list[LearnerSession]
) -> None:
    end_sessions_of_user(learner.pk, EndReason.API)

    assert ending_all.write_ends(lambda: True) == 0
    assert EndOfSessions.objects.exists()
    assert ending_all.write_ends(lambda: False) == len(many) - 1


def test_a_token_that_was_asked_for_in_between_is_revoked_by_the_sweep(
    convai: Any, learner: Any, many: list[LearnerSession]
) -> None:
    end_sessions_of_user(learner.pk, EndReason.API)
    # As by a request that looked before the end was there, and wrote after the tokens were read.
    ends = list(EndOfSessions.objects.all())
    EndOfSessions.objects.all().delete()
    generate(many[0])
    EndOfSessions.objects.bulk_create(ends)

    sweep(workers=1)

    assert convai.live() == []


def test_a_deleted_users_rows_lose_the_user_and_keep_the_name(
    learner: Any, many: list[LearnerSession]
) -> None:
    learner.delete()

    assert not LearnerSession.objects.open().exists()
    LearnerSession.objects.filter(pk=many[0].pk).update(ended_at=utc_now())
    sweep(workers=1)
    rows = LearnerSession.objects.all()
    assert {(row.user_id, row.username) for row in rows} == {(None, "learner")}
    assert not EndOfSessions.objects.exists()


def test_a_user_who_is_there_after_all_is_kept_in_the_rows(
    learner: Any, many: list[LearnerSession]
) -> None:
    EndOfSessions.objects.create(user=learner, reason=EndReason.USER_DELETED)

    sweep(workers=1)

    assert {row.user_id for row in LearnerSession.objects.all()} == {learner.pk}
    assert not EndOfSessions.objects.exists()


def test_whoever_asks_for_a_session_sees_that_it_has_ended(
    learner: Any, many: list[LearnerSession]
) -> None:
    end_sessions_of_user(learner.pk, EndReason.API)

    write_end(many[0])

    assert (many[0].has_ended, many[0].end_reason) == (True, EndReason.API)


def test_a_login_in_the_same_django_session_starts_another_learner_session(
    convai: Any, learner: Any, client: Client, log_in: Any, many: list[LearnerSession]
) -> None:
    log_in()
    ConvaiToken.objects.update(status=TokenStatus.EXPIRED, next_attempt_at=None)
    assert api.end_sessions_of(learner) == len(many) + 1

    assert log_in().json()["convai"]["apiAuthToken"]
    assert LearnerSession.objects.open().count() == 1


def test_unseen_sessions_cannot_go_on_either(
    convai: Any, learner: Any, many: list[LearnerSession]
) -> None:
    unseen = make_session(learner, ended_at=utc_now(), end_reason=EndReason.UNSEEN)

    end_sessions_of_user(learner.pk, EndReason.API)

    with pytest.raises(SessionEnded):
        generate(unseen)
    sweep(workers=1)
    unseen.refresh_from_db()
    assert unseen.end_reason == EndReason.API
