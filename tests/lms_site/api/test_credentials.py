"""The body of a login, and what its answer tells of the learner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from lms_site.api.credentials import learner_data, user_of_credentials
from lms_site.api.errors import InvalidCredentials
from tests.conftest import PASSWORD
from tests.lms_site.lms import LMS, browser, error_code


@pytest.mark.parametrize(
    ("name", "password"), [("learner", "wrong"), ("nobody", "wrong"), ("learner", " ")]
)
def test_wrong_credentials_get_a_401_with_a_code(lms: LMS, name: str, password: str) -> None:
    response = lms.post("/api/auth/login/", json={"username": name, "password": password})

    assert response.status_code == 401
    assert error_code(response) == "invalid_credentials"
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/api/auth/login/", "/api/session/login/"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "parse_error"),
        (b"[]", "invalid"),
        (b"{}", "invalid"),
        (b'{"username": "learner", "password": {}}', "invalid"),
        (b'{"username": "a\\u0000b", "password": "x"}', "invalid"),
    ],
)
def test_a_malformed_login_body_gets_a_400_with_a_code(
    lms: LMS, path: str, body: bytes, code: str
) -> None:
    session = browser(lms)
    headers = {"X-CSRFToken": session.cookies["csrftoken"], "Content-Type": "application/json"}

    response = session.post(lms.url + path, data=body, headers=headers, timeout=30)

    assert response.status_code == 400
    assert error_code(response) == code


def test_a_learner_is_shown_by_the_full_name_and_else_by_the_username() -> None:
    named = User(pk=7, username="ada", first_name="Ada", last_name="Lovelace")
    unnamed = User(pk=8, username="grace")

    assert learner_data(named) == {"id": "7", "displayName": "Ada Lovelace"}
    assert learner_data(unnamed) == {"id": "8", "displayName": "grace"}


def test_a_user_who_was_deactivated_is_told_no_more_than_a_wrong_password(
    make_user: Callable[..., Any],
) -> None:
    make_user("gone", is_active=False)
    body = {"username": "gone", "password": PASSWORD}
    request = APIView().initialize_request(APIRequestFactory().post("/", body))

    with pytest.raises(InvalidCredentials):
        user_of_credentials(request)
