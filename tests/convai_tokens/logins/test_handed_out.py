"""Which part of a login response is a credential."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from convai_tokens.logins.handed_out import LoginResponse

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"
KEY = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"


def found(data: Any, response: HttpResponse | None = None) -> list[tuple[str, str]]:
    login = LoginResponse(RequestFactory().post("/login/"), response or HttpResponse(), data)
    assert KEY not in repr([login, vars(login)])
    return [(where, text.reveal()) for where, text in login.credentials()]


@pytest.mark.parametrize(
    "data",
    [
        *({name: KEY} for name in ("token", "key", "auth_token", "access", "access_token")),
        *({name: KEY} for name in ("refresh", "refresh_token", "jwt", "id_token", "bearer")),
        {"accessToken": KEY},
        {"auth-token": KEY},
        {"TOKEN": KEY},
        {"data": {"user": {"id": 1}, "tokens": {"access": KEY}}},
        {"whatever": JWT},
    ],
    ids=repr,
)
def test_what_stands_under_a_name_that_stacks_use_is_a_credential(data: dict[str, Any]) -> None:
    ((where, text),) = found(data)

    assert where.endswith("in its body")
    assert text in (KEY, JWT)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"token": ""},
        {"token": None},
        {"key": 42},
        {"key": "two words"},
        {"csrf_token": KEY, "csrfToken": KEY},
        {"user": "ada", "tokens_left": "3"},
        {"keys": [KEY]},
        {"text": "eyJ is how it begins"},
    ],
    ids=repr,
)
def test_nothing_else_is(data: Any) -> None:
    assert found(data) == []


def test_a_name_that_the_lms_says_is_none_is_none(convai_settings: Callable[..., None]) -> None:
    convai_settings(NO_CREDENTIALS=["course-key", "key"])
    data = {"courseKey": JWT, "Key": KEY, "course": {"key": KEY}}

    assert found(data) == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("access_token", KEY, True),
        ("__Host-refresh-token", KEY, True),
        ("my-app-auth", JWT, True),
        ("access_token", "", False),
        ("sessionid", KEY, False),
        ("csrftoken", KEY, False),
        ("theme", "dark", False),
    ],
)
def test_a_cookie_is_one_by_its_name_or_as_a_json_web_token(
    name: str, value: str, told: bool
) -> None:
    response = HttpResponse()
    response.set_cookie(name, value)

    assert found({}, response) == ([(f"the cookie {name!r}", value)] if told else [])


def test_the_sessions_own_cookie_is_none_whatever_its_name(settings: Any) -> None:
    settings.SESSION_COOKIE_NAME = "token"
    response = HttpResponse()
    response.set_cookie("token", KEY)

    assert found({}, response) == []


def test_all_that_is_handed_out_is_found_wherever_it_is() -> None:
    response = HttpResponse(headers={"Authorization": f"Bearer {JWT}"})
    response.set_cookie("jwt", JWT)

    assert found({"access": KEY}, response) == [
        ("'access' in its body", KEY),
        ("the cookie 'jwt'", JWT),
        ("the header 'Authorization'", JWT),
    ]
