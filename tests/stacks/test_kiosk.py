"""Kiosks and headsets that many learners use: what the next login ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from convai_tokens.models import EndReason, LearnerSession
from tests.conftest import PASSWORD

LOGINS = ["/login/json/", "/login/drf/", "/login/knox/", "/login/authtoken/"]


@pytest.fixture
def one_per_device(convai_settings: Callable[..., None]) -> None:
    convai_settings(ONE_SESSION_PER_DEVICE=True)


@pytest.fixture(autouse=True)
def second(make_user: Any) -> Any:
    return make_user("second-learner")


@pytest.fixture
def log_in_at(convai: Any, learner: Any, log_in: Any) -> Callable[..., str | None]:
    """Log in with nothing left from before, as an app does that was started anew."""

    def log(device: str, path: str = "/login/json/", **extra: Any) -> str | None:
        response = log_in(path, device=device, **{"client": Client(), **extra})
        assert response.status_code == 200
        if path == "/login/html/":
            return None
        token: str | None = response.json()["convai"]["apiAuthToken"]
        return token

    return log


def reasons() -> dict[str, str]:
    return {row.username: row.end_reason for row in LearnerSession.objects.all()}


@pytest.mark.usefixtures("one_per_device")
@pytest.mark.parametrize("path", LOGINS)
@pytest.mark.parametrize("last", LOGINS)
def test_the_next_learner_ends_what_the_last_one_left_whatever_the_stack(
    convai: Any, log_in_at: Any, last: str, path: str
) -> None:
    log_in_at("kiosk-7", last)

    token = log_in_at("kiosk-7", path, username="second-learner")

    assert reasons() == {"learner": EndReason.REPLACED, "second-learner": ""}
    assert convai.live() == [token]


@pytest.mark.usefixtures("one_per_device")
def test_a_login_as_html_ends_it_too(convai: Any, log_in_at: Any) -> None:
    log_in_at("kiosk-7")

    log_in_at("kiosk-7", "/login/html/", username="second-learner")

    assert reasons()["learner"] == EndReason.REPLACED
    assert convai.live() == []


@pytest.mark.usefixtures("one_per_device")
def test_a_token_that_a_page_asked_for_later_is_found_by_the_device_too(
    convai: Any, log_in_at: Any
) -> None:
    client = Client()
    log_in_at("kiosk-7", "/login/html/", client=client)
    assert client.post("/convai/token/").status_code == 200
    assert LearnerSession.objects.get().device == "kiosk-7"

    token = log_in_at("kiosk-7", username="second-learner")

    assert convai.live() == [token]
    assert reasons()["learner"] == EndReason.REPLACED


@pytest.mark.usefixtures("one_per_device")
def test_a_learner_who_gets_no_token_ends_the_last_ones_too(
    convai: Any, log_in_at: Any, convai_settings: Callable[..., None]
) -> None:
    log_in_at("kiosk-7")
    convai_settings(ISSUE_IF=lambda request, user: False)

    assert log_in_at("kiosk-7", username="second-learner") is None
    assert convai.live() == []


@pytest.mark.usefixtures("one_per_device")
def test_while_convai_is_down_the_last_ones_session_ends_all_the_same(
    convai: Any, log_in_at: Any
) -> None:
    log_in_at("kiosk-7")
    convai.set(faults={"503": 1})

    assert log_in_at("kiosk-7", username="second-learner") is None
    assert reasons() == {"learner": EndReason.REPLACED, "second-learner": ""}


@pytest.mark.usefixtures("one_per_device")
@pytest.mark.parametrize("path", ["/login/authtoken/", "/login/json/"])
def test_a_learner_whose_session_goes_on_at_a_kiosk_is_found_there(
    convai: Any, log_in_at: Any, path: str
) -> None:
    client = Client()
    log_in_at("headset-1", path, client=client)
    log_in_at("kiosk-7", path, client=client)
    assert LearnerSession.objects.get().device == "kiosk-7"

    token = log_in_at("kiosk-7", path, username="second-learner")

    assert convai.live() == [token]
    assert reasons() == {"learner": EndReason.REPLACED, "second-learner": ""}


@pytest.mark.usefixtures("one_per_device")
def test_one_learner_at_two_kiosks_has_two_sessions(convai: Any, log_in_at: Any) -> None:
    tokens = {log_in_at("kiosk-7"), log_in_at("kiosk-8"), log_in_at("")}

    assert {*convai.live()} == tokens
    assert LearnerSession.objects.open().count() == 3


@pytest.mark.usefixtures("one_per_device")
def test_a_learner_who_comes_back_to_the_kiosk_goes_on(
    convai: Any, log_in_at: Any, client: Client
) -> None:
    first = log_in_at("kiosk-7", client=client)
    again = log_in_at("kiosk-7", client=client)

    assert [*convai.live()] == [first, again]
    assert reasons() == {"learner": ""}


def test_without_the_setting_nothing_ends(convai: Any, log_in_at: Any) -> None:
    log_in_at("kiosk-7")
    log_in_at("kiosk-7", username="second-learner")

    assert len(convai.live()) == 2


@pytest.mark.parametrize("path", [*LOGINS, "/login/html/", "/login/jwt/"])
@pytest.mark.parametrize("last", ["/login/knox/", "/login/authtoken/", "/login/jwt/"])
def test_a_bearer_that_comes_along_with_the_next_login_is_ended(
    convai: Any, learner: Any, log_in: Any, bearer: Any, last: str, path: str
) -> None:
    login = log_in(last)
    left = bearer(login)
    if last == "/login/authtoken/":
        left = {"Authorization": f"Bearer {login.json()['token']}"}
    elif last == "/login/jwt/":
        left = {"Authorization": f"JWT {login.json()['access']}"}

    response = post_login(path, left)

    assert response.status_code == 200
    assert reasons()["learner"] == EndReason.REPLACED
    assert len(convai.live()) == (0 if path == "/login/html/" else 1)


def test_a_bearer_that_is_no_longer_good_disturbs_no_login(convai: Any, learner: Any) -> None:
    response = post_login("/login/json/", {"Authorization": "Token of-yesterday"})

    assert response.json()["convai"]["apiAuthToken"]


def post_login(path: str, headers: dict[str, str]) -> Any:
    """Log the second learner in with these headers."""
    body = {"username": "second-learner", "password": PASSWORD}
    form: dict[str, Any] = {} if path == "/login/html/" else {"content_type": "application/json"}
    return Client().post(path, body, headers=headers, **form)
