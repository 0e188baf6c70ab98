"""Promise 7: an event tells who did it, by name, for as long as it is kept."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from convai_tokens.lifecycle.ending import end_sessions, revoke_tokens
from convai_tokens.models import ConvaiToken, EndReason, EventKind, LearnerSession, TokenEvent


@pytest.fixture
def by_staff(convai: Any, learner: Any, make_user: Any, log_in: Any) -> Any:
    staff = make_user("an-administrator", is_staff=True)
    log_in()
    revoke_tokens(ConvaiToken.primary.all(), detail="Revoked by staff", actor=staff)
    end_sessions(LearnerSession.primary.all(), EndReason.STAFF, actor=staff)
    return staff


def test_promise_7_who_did_it_outlives_the_staff_user(by_staff: Any) -> None:
    before = list(TokenEvent.objects.order_by("pk").values())

    by_staff.delete()

    assert list(TokenEvent.objects.order_by("pk").values()) == before
    events = TokenEvent.objects.filter(kind__in=[EventKind.OWED, EventKind.SESSION_ENDED])
    assert {event.actor_name for event in events} == {"an-administrator"}


def test_promise_7_who_did_it_is_the_name_of_that_time(by_staff: Any) -> None:
    get_user_model().objects.filter(pk=by_staff.pk).update(username="renamed")

    event = TokenEvent.objects.get(kind=EventKind.SESSION_ENDED)
    assert event.actor_name == "an-administrator"


def test_promise_7_what_nobody_did_names_nobody(convai: Any, learner: Any, log_in: Any) -> None:
    log_in()

    assert {event.actor_name for event in TokenEvent.objects.all()} == {""}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda events, event: events.update(detail="another"), id="update"),
        pytest.param(lambda events, event: events.delete(), id="delete of many"),
        pytest.param(lambda events, event: event.delete(), id="delete"),
        pytest.param(lambda events, event: event.save(), id="save"),
        pytest.param(
            lambda events, event: events.bulk_update([event], ["detail"]), id="bulk_update"
        ),
        pytest.param(
            lambda events, event: events.bulk_create(
                [event], update_conflicts=True, update_fields=["detail"], unique_fields=["id"]
            ),
            id="bulk_create",
        ),
        pytest.param(
            lambda events, event: events.update_or_create(pk=event.pk, defaults={"detail": "x"}),
            id="update_or_create",
        ),
        pytest.param(
            lambda events, event: TokenEvent._base_manager.update(detail="another"),
            id="_base_manager",
        ),
        pytest.param(
            lambda events, event: TokenEvent.primary.filter(pk=event.pk).delete(), id="primary"
        ),
        pytest.param(lambda events, event: event.session.events.all().delete(), id="related"),
    ],
)
def test_promise_7_no_way_of_the_orms_changes_an_event(by_staff: Any, change: Any) -> None:
    before = list(TokenEvent.objects.order_by("pk").values())
    event = TokenEvent.objects.latest("pk")
    event.detail = "another"

    with pytest.raises(TypeError, match="append-only"):
        change(TokenEvent.objects.all(), event)

    assert list(TokenEvent.objects.order_by("pk").values()) == before
