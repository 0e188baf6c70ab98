"""Logins that send no signal: which responses are looked at, and which are logins."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, RequestFactory
from knox.models import AuthToken
from rest_framework.authtoken.models import Token

from convai_tokens.logins.notes import LoginNote, note_login, noted_login
from convai_tokens.logins.unsignalled import MAX_BODY, may_be_login, note_unsignalled_login
from convai_tokens.middleware import ConvaiTokenMiddleware
from tests.builders import login_response
from tests.conftest import PASSWORD


@pytest.mark.parametrize(
    ("method", "response", "looked_at"),
    [
        ("post", JsonResponse({"token": "x"}), True),
        ("get", JsonResponse({"token": "x"}), False),
        ("post", JsonResponse({"token": "x"}, status=400), False),
        ("post", HttpResponse(b"x" * (MAX_BODY + 1)), False),
        ("post", StreamingHttpResponse([b"{}"]), False),
    ],
    ids=["post", "get", "refused", "too long", "streaming"],
)
def test_only_what_may_answer_a_login_is_looked_at(
    method: str, response: Any, looked_at: bool
) -> None:
    request = getattr(RequestFactory(), method)("/")

    assert may_be_login(request, response) is looked_at


def test_a_login_that_was_noted_already_is_not_looked_at_again(learner: Any) -> None:
    request = RequestFactory().post("/")
    note_login(request, LoginNote(learner))

    assert not may_be_login(request, JsonResponse({"token": "x"}))


def test_a_view_that_makes_a_knox_token_by_itself_is_a_login(learner: Any) -> None:
    _, token = AuthToken.objects.create(learner)

    note = note_unsignalled_login(login_response({"token": token}))

    assert note is not None
    assert note.user == learner


def test_a_login_is_noted_with_its_user_and_device(learner: Any) -> None:
    token = Token.objects.create(user=learner)
    login = login_response({"token": token.key})
    login.request = RequestFactory().post(
        "/", json.dumps({"device": "Ward 3"}), content_type="application/json"
    )

    note = note_unsignalled_login(login)

    assert note is not None
    assert (note.user, note.device) == (learner, "Ward 3")
    assert noted_login(login.request) is note


def test_a_response_without_a_credential_of_any_stack_is_no_login(learner: Any) -> None:
    Token.objects.create(user=learner)

    assert note_unsignalled_login(login_response({"token": "y" * 40})) is None


@pytest.mark.parametrize("path", ["/login/authtoken/", "/login/authtoken/json/"])
def test_under_asgi_it_is_seen_as_well(convai: Any, learner: Any, path: str) -> None:
    body = {"username": "learner", "password": PASSWORD}

    answer = async_to_sync(AsyncClient().post)(path, body, content_type="application/json")

    assert answer.json()["convai"]["apiAuthToken"] in convai.live()


def test_nonsense_that_calls_itself_json_is_left_alone(
    learner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    response = HttpResponse("no json", content_type="application/json")

    served = ConvaiTokenMiddleware(lambda request: response)(RequestFactory().post("/"))

    assert served.content == b"no json"
    assert caplog.text == ""
