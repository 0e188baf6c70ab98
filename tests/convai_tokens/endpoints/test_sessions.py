"""The learner's own sessions over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from convai_tokens.models import LearnerSession


@pytest.fixture
def two(convai: Any, learner: Any, log_in: Any) -> tuple[Client, Client]:
    """Two browsers in which the learner has logged in."""
    browsers = Client(), Client()
    for number, browser in enumerate(browsers):
        log_in(client=browser, device=f"Ward {number}")
    return browsers


def test_a_learner_sees_the_own_sessions_and_which_is_this_one(two: tuple[Client, Client]) -> None:
    answer = two[0].get("/convai/sessions/")

    assert answer.status_code == 200
    told = {it["device"]: it for it in answer.json()["sessions"]}
    assert told["Ward 0"].keys() == {"id", "device", "stack", "started", "current", "liveTokens"}
    assert [told[name]["current"] for name in ("Ward 0", "Ward 1")] == [True, False]
    assert {it["liveTokens"] for it in told.values()} == {1}
    assert told["Ward 0"]["started"].endswith("Z")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("slash", ["/", ""])
def test_ending_another_of_the_own_sessions_revokes_its_token(
    convai: Any, two: tuple[Client, Client], slash: str
) -> None:
    other = LearnerSession.objects.get(device="Ward 1")

    answer = two[0].delete(f"/convai/sessions/{other.pk}{slash}")

    assert answer.status_code == 204
    assert len(convai.live()) == 1
    assert two[1].post("/convai/token/").json()["error"]["code"] == "session_ended"
    again = two[0].delete(f"/convai/sessions/{other.pk}{slash}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")


def test_ending_all_others_leaves_this_one(convai: Any, two: tuple[Client, Client]) -> None:
    assert two[1].delete("/convai/sessions/?others").status_code == 204

    assert LearnerSession.objects.get(ended_at=None).device == "Ward 1"
    assert len(convai.live()) == 1
    assert two[1].post("/convai/token/").status_code == 200


def test_another_learners_session_is_not_found(
    convai: Any, two: tuple[Client, Client], make_user: Any, log_in: Any
) -> None:
    make_user("another")
    stranger = Client()
    log_in(username="another", client=stranger)
    theirs = LearnerSession.objects.get(device="Ward 0")

    answer = stranger.delete(f"/convai/sessions/{theirs.pk}/")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert len(convai.live()) == 3
    assert [it["current"] for it in stranger.get("/convai/sessions/").json()["sessions"]] == [True]


def test_what_is_to_be_ended_must_be_said(two: tuple[Client, Client]) -> None:
    answer = two[0].delete("/convai/sessions/")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parse_error")
    assert LearnerSession.objects.filter(ended_at=None).count() == 2


def test_a_bearer_works_as_a_cookie_does(
    convai: Any, learner: Any, log_in: Any, bearer: Any
) -> None:
    headers = bearer(log_in("/login/knox/"))
    log_in(client=Client())

    told = Client().get("/convai/sessions/", headers=headers).json()["sessions"]
    assert sorted((it["stack"], it["current"]) for it in told) == [
        ("knox", True),
        ("session", False),
    ]
    assert Client().delete("/convai/sessions/?others", headers=headers).status_code == 204
    assert LearnerSession.objects.get(ended_at=None).stack == "knox"


def test_nobody_in_particular_is_told_nothing(db: None) -> None:
    assert Client().get("/convai/sessions/").status_code == 401
    assert Client().delete("/convai/sessions/?others").status_code == 401


def test_another_site_cannot_end_sessions_by_the_cookie(
    convai: Any, learner: Any, log_in: Any
) -> None:
    browser = Client(enforce_csrf_checks=True)
    log_in(client=browser)

    assert browser.delete("/convai/sessions/?others").status_code == 403


def test_who_acts_as_the_learner_neither_sees_nor_ends_them(
    convai: Any,
    two: tuple[Client, Client],
    convai_settings: Callable[..., None],
    make_user: Any,
) -> None:
    convai_settings(TOKENS_FOR_IMPERSONATORS=True)
    session = two[0].session
    session["hijack_history"] = [str(make_user("staff").pk)]
    session.save()

    for method in ("get", "delete"):
        answer = getattr(two[0], method)("/convai/sessions/?others")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "convai_impersonated")
    assert LearnerSession.objects.filter(ended_at=None).count() == 2
