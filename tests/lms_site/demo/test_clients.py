"""What the clients of the story send, and what they show of the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import responses

from lms_site.demo.clients import (
    Account,
    BearerLearner,
    Client,
    CookieLearner,
    Kiosk,
    note,
    token_of,
)
from lms_site.demo.screen import Deviation, Screen

SITE = "http://127.0.0.1:1"
ADA, GRACE = Account("ada", "of-ada"), Account("grace", "of-grace")


def sent(call: Any) -> Any:
    """Return the JSON body of a call."""
    return json.loads(call.request.body)


@responses.activate
def test_a_call_is_shown_with_its_status_and_what_matters_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen()
    responses.get(f"{SITE}/x", json={"convai": {"apiAuthToken": "0123456789"}})
    responses.get(f"{SITE}/y", "no JSON", status=302)

    first = Client(screen, "somebody", SITE).call("GET", "/x", expect=200)
    second = Client(screen, "somebody", SITE).call("GET", "/y", expect=200, about="a detail")

    assert (first.status, first.data) == (200, {"convai": {"apiAuthToken": "0123456789"}})
    assert (second.status, second.data, second.text) == (302, {}, "no JSON")
    assert screen.deviations == 1
    shown = capsys.readouterr().out
    assert "token 012345…\n" in shown
    assert "0123456789" not in shown
    assert "a detail\n     Expected 200, got 302." in shown


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"apiAuthToken": "0123456789"}, "token 012345…"),
        ({"convai": {"apiAuthToken": None, "error": {"code": "convai_busy"}}}, "convai_busy"),
        ({"error": "unauthorized"}, "unauthorized"),
        ({"learner": {}}, ""),
    ],
)
def test_of_an_answer_the_token_or_the_error_matters(data: dict[str, Any], told: str) -> None:
    assert note(data) == told


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"apiAuthToken": None, "error": {"message": "Convai is down."}}, "Convai is down."),
        ({}, "the block is missing"),
        ({"apiAuthToken": ""}, "the block is missing"),
    ],
)
def test_a_block_without_a_token_is_a_deviation(block: dict[str, Any], told: str) -> None:
    with pytest.raises(Deviation, match=told):
        token_of(block)


def test_a_block_with_a_token_gives_it() -> None:
    assert token_of({"apiAuthToken": "a-token"}) == "a-token"


@responses.activate
def test_a_learner_by_bearer_sends_the_bearer_of_the_login_from_then_on() -> None:
    responses.post(f"{SITE}/api/auth/login/", json={"token": "a-bearer"})
    responses.post(f"{SITE}/convai/token/extend/", json={})
    responses.post(f"{SITE}/api/auth/logout/", status=204)
    learner = BearerLearner(Screen(), ADA, SITE)

    learner.log_in(device="kiosk")
    learner.extend()
    learner.log_out()

    login, extend, logout = responses.calls
    assert sent(login) == {"username": "ada", "password": "of-ada", "device": "kiosk"}
    assert "Authorization" not in login.request.headers
    assert extend.request.headers["Authorization"] == "Bearer a-bearer"
    assert logout.request.headers["Authorization"] == "Bearer a-bearer"


@responses.activate
def test_a_learner_by_cookie_fetches_a_csrf_token_once_and_sends_it_along() -> None:
    responses.get(f"{SITE}/api/session/csrf/", json={}, headers={"Set-Cookie": "csrftoken=abc"})
    responses.post(f"{SITE}/api/session/login/", json={})
    learner = CookieLearner(Screen(), ADA, SITE)

    learner.log_in()
    learner.log_in()

    csrf, *logins = responses.calls
    assert csrf.request.url == f"{SITE}/api/session/csrf/"
    assert [login.request.headers["X-CSRFToken"] for login in logins] == ["abc", "abc"]
    assert sent(logins[0]) == {"username": "ada", "password": "of-ada"}


@responses.activate
def test_at_a_kiosk_the_next_learner_logs_in_with_the_same_cookies() -> None:
    responses.post(f"{SITE}/api/session/login/", json={})
    kiosk = Kiosk(Screen(), ADA, SITE)
    kiosk.http.cookies.set("csrftoken", "abc")
    kiosk.http.cookies.set("sessionid", "of-ada")

    kiosk.hand_over(GRACE)
    kiosk.log_in()

    (login,) = responses.calls
    assert kiosk.name == "grace"
    assert sent(login)["username"] == "grace"
    assert "sessionid=of-ada" in login.request.headers["Cookie"]


@responses.activate
def test_no_answer_is_left_to_the_chapter() -> None:
    responses.get(f"{SITE}/x", body=requests.ConnectionError())

    with pytest.raises(requests.ConnectionError):
        Client(Screen(), "somebody", SITE).call("GET", "/x", expect=200)
