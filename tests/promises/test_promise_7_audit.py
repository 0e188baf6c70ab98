"""Promise 7: every step leaves one audit event, which the admin cannot change or delete."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory

from convai_tokens.convai.client import forget_client
from convai_tokens.models import ConvaiToken, LearnerSession, TokenEvent


def kinds() -> list[str]:
    return list(TokenEvent.objects.order_by("pk").values_list("kind", flat=True))


def test_promise_7_every_step_of_a_session_leaves_one_event(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    client.post("/convai/token/extend/")
    client.post("/logout/json/")

    assert kinds() == [
        "session_started",
        "generated",
        "extended",
        "session_ended",
        "owed",
        "revoked",
    ]


def test_promise_7_failures_are_steps_too(convai: Any, learner: Any, log_in: Any) -> None:
    convai.set(faults={"404": 1})
    log_in()
    forget_client()
    convai.set(faults={}, drop=True)
    log_in()

    # A dropped call is made once more, as a row of its own.
    assert kinds() == ["session_started", "failed", "unknown", "unknown"]


def test_promise_7_repeating_a_step_leaves_no_second_event(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    client.post("/logout/json/")
    before = kinds()

    client.post("/logout/json/")
    client.delete("/convai/token/")

    assert kinds() == before


def test_promise_7_an_event_can_be_neither_changed_nor_saved_again(
    convai: Any, learner: Any, log_in: Any
) -> None:
    log_in()
    event = TokenEvent.objects.first()
    assert event is not None
    event.detail = "something else"

    with pytest.raises(TypeError, match="append-only"):
        event.save()
    with pytest.raises(TypeError, match="append-only"):
        TokenEvent.objects.update(detail="something else")
    assert not TokenEvent.objects.filter(detail="something else").exists()


@pytest.mark.parametrize("model", [LearnerSession, ConvaiToken, TokenEvent])
def test_promise_7_the_admin_neither_adds_nor_changes_nor_deletes(
    convai: Any, make_user: Any, model: Any
) -> None:
    request = RequestFactory().get("/")
    request.user = make_user("administrator", is_superuser=True, is_staff=True)
    model_admin = admin.site.get_model_admin(model)

    assert model_admin.has_view_permission(request)
    assert not model_admin.has_add_permission(request)
    assert not model_admin.has_change_permission(request)
    assert not model_admin.has_delete_permission(request)
    assert "delete_selected" not in model_admin.get_actions(request)
