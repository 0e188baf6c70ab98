"""The body of a login, and what its answer tells of the learner."""

from __future__ import annotations

import sys
from collections.abc import Callable
from traceback import walk_tb
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signals import got_request_exception
from django.test import Client
from django.views.debug import ExceptionReporter
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from lms_site.api.credentials import learner_data, user_of_credentials
from lms_site.api.errors import InvalidCredentials
from lms_site.api.parsers import JSONParser
from lms_site.api.session import Login
from lms_site.api.throttles import LoginThrottle
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


@pytest.fixture
def crash(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database fail a login at its deepest, under the site's own parser."""
    settings.ROOT_URLCONF = "lms_site.urls"
    monkeypatch.setattr(Login, "parser_classes", [JSONParser])
    monkeypatch.setattr(LoginThrottle, "rate", "9/min", raising=False)

    def fail(self: Any, encoded: str) -> None:
        raise RuntimeError("the database has gone")

    monkeypatch.setattr(User, "check_password", fail)


@pytest.mark.parametrize("debug", [True, False])
def test_no_page_and_no_report_of_a_crash_shows_the_password(
    crash: None, learner: User, settings: Any, debug: bool
) -> None:
    settings.DEBUG = debug
    reports: list[str] = []

    def report(**kwargs: Any) -> None:
        reporter = ExceptionReporter(kwargs["request"], *sys.exc_info())
        reports.append(reporter.get_traceback_html() + reporter.get_traceback_text())
        # What another reporter takes of each frame.
        frames = [frame for frame, _ in walk_tb(sys.exc_info()[2])]
        reports.append("\n".join(repr(frame.f_locals) for frame in frames))

    got_request_exception.connect(report)
    body = {"username": "learner", "password": "canary-password"}
    client = Client(raise_request_exception=False)

    response = client.post("/api/session/login/", body, content_type="application/json")
    got_request_exception.disconnect(report)

    shown = [response.content.decode(), *reports]
    assert response.status_code == 500
    assert ("the database has gone" in shown[0]) is debug
    assert "check_password" in reports[0]
    assert "validated_data" in reports[0] or "serializer" in reports[1]
    assert not any("canary-password" in each for each in shown)
