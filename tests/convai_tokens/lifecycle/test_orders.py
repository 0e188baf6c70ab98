"""Orders of staff: the sweep carries them out in chunks, with the name of who ordered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from convai_tokens.lifecycle import orders
from convai_tokens.lifecycle.orders import carry_out_orders, order, purge_orders
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import (
    ConvaiToken,
    EventKind,
    LearnerSession,
    OrderKind,
    StaffOrder,
    TokenEvent,
)
from convai_tokens.models.moments import utc_now
from tests.builders import make_session

from .events import never

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(make_user: Any) -> Any:
    return make_user("administrator")


@pytest.fixture
def sessions(learner: Any, monkeypatch: pytest.MonkeyPatch) -> list[LearnerSession]:
    """Five open sessions, each with a live token, of which one is on another stack."""
    monkeypatch.setattr(orders, "CHUNK", 2)
    found = [make_session(learner, stack="knox" if n == 4 else "custom") for n in range(5)]
    for session in found:
        ConvaiToken.objects.create(
            session=session, status="active", sealed="x", expires_at=utc_now() + timedelta(hours=1)
        )
    return found


def test_sessions_that_match_are_ended_in_chunks_and_counted(
    sessions: list[LearnerSession], staff: Any
) -> None:
    made = order(OrderKind.END, {"stack": "custom"}, 4, staff)

    assert carry_out_orders(never) == 4

    made.refresh_from_db()
    assert (made.found, made.done, made.finished_at is None) == (4, 4, False)
    assert LearnerSession.objects.get(ended_at=None) == sessions[4]
    told = TokenEvent.objects.filter(kind__in=[EventKind.SESSION_ENDED, EventKind.OWED])
    assert {event.actor_name for event in told} == {"administrator"}
    assert TokenEvent.objects.get(kind=EventKind.ORDERED).actor_name == "administrator"


def test_tokens_that_match_are_revoked_and_their_sessions_stay_open(
    convai: Any, sessions: list[LearnerSession], staff: Any
) -> None:
    order(OrderKind.REVOKE, {"status": "active"}, 5, staff)

    assert sweep(workers=1).ordered == 5

    assert not ConvaiToken.objects.filter(status="active").exists()
    assert LearnerSession.objects.filter(ended_at=None).count() == 5


def test_what_came_after_the_order_is_none_of_it(
    sessions: list[LearnerSession], staff: Any, learner: Any
) -> None:
    order(OrderKind.END, {"stack": "custom"}, 4, staff)
    later = make_session(learner, started_at=utc_now() + timedelta(minutes=1))

    carry_out_orders(never)

    later.refresh_from_db()
    assert later.ended_at is None


def test_an_order_goes_on_where_the_sweep_was_stopped(
    sessions: list[LearnerSession], staff: Any
) -> None:
    made = order(OrderKind.END, {}, 5, staff)
    answers = iter([False, True])
    assert carry_out_orders(lambda: next(answers)) == 2
    made.refresh_from_db()
    assert (made.done, made.finished_at) == (2, None)

    assert carry_out_orders(never) == 3
    made.refresh_from_db()
    assert made.done == 5


def test_the_name_of_staff_who_are_gone_by_then_is_kept(
    sessions: list[LearnerSession], staff: Any
) -> None:
    order(OrderKind.END, {}, 5, staff)
    staff.delete()

    carry_out_orders(never)

    ended = TokenEvent.objects.filter(kind=EventKind.SESSION_ENDED)
    assert {event.actor_name for event in ended} == {"administrator"}


def test_where_another_sweep_is_at_it_the_order_stays_open(
    sessions: list[LearnerSession], staff: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(OrderKind.END, {}, 5, staff)
    monkeypatch.setattr(orders, "end_sessions", lambda *args, **kwargs: 0)

    assert carry_out_orders(never) == 0
    assert StaffOrder.objects.get().finished_at is None


def test_finished_orders_are_kept_as_long_as_the_rest(staff: Any) -> None:
    order(OrderKind.END, {}, 0, staff)
    StaffOrder.objects.update(finished_at=utc_now() - timedelta(days=181))

    assert purge_orders() == 1


def test_neither_the_event_nor_a_finished_order_names_a_person(
    sessions: list[LearnerSession], staff: Any
) -> None:
    made = order(OrderKind.END, {"username__exact": "learner", "stack": "custom"}, 4, staff)

    carry_out_orders(never)

    made.refresh_from_db()
    assert (made.done, made.conditions) == (4, {})
    detail = TokenEvent.objects.get(kind=EventKind.ORDERED).detail
    assert detail == f"Order {made.pk} to end 4: stack=custom, username__exact"
