"""Promise 9: no token without an end that can be seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import login
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import RequestFactory
from knox.models import AuthToken
from rest_framework.response import Response

from convai_tokens.api import bind_login
from convai_tokens.middleware import ConvaiTokenMiddleware
from convai_tokens.models import ConvaiToken, LearnerSession
from tests.builders import rendered

BEARER = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"
Answer = Callable[[], HttpResponse]


def with_cookie() -> HttpResponse:
    response = JsonResponse({"user": "learner"})
    response.set_cookie("my-app-auth", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", httponly=True)
    return response


HANDING_OUT: dict[str, Answer] = {
    "dj-rest-auth's key": lambda: Response({"key": BEARER}),
    "JWT": lambda: Response({"access": BEARER, "refresh": BEARER, "user": {"pk": 1}}),
    "in an envelope": lambda: JsonResponse({"ok": True, "data": {"accessToken": BEARER}}),
    "in a cookie": with_cookie,
    "in a header": lambda: HttpResponse(
        "{}", content_type="application/json", headers={"Authorization": f"Bearer {BEARER}"}
    ),
}


def log_in(user: Any, response: HttpResponse, *, then: Callable[..., None] | None = None) -> Any:
    """Serve a login that makes a Django session and answers ``response``; return its block."""
    request = RequestFactory().post("/login/")
    request.session = SessionStore()

    def view(request: HttpRequest) -> HttpResponse:
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        if then:
            then(request, user)
        return response

    middleware = ConvaiTokenMiddleware(lambda request: rendered(middleware, request, view(request)))
    served: Any = middleware(request)
    return json.loads(served.content)["convai"]


@pytest.mark.parametrize("answer", HANDING_OUT.values(), ids=HANDING_OUT)
def test_promise_9_a_bearer_that_no_stack_knows_gets_no_token_although_there_is_a_session(
    convai: Any, learner: Any, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    block = log_in(learner, answer())

    assert block["apiAuthToken"] is None
    assert block["error"]["code"] == "convai_unknown_stack"
    assert convai.summary()["generated"] == 0
    assert not LearnerSession.objects.exists()
    (warning,) = [it.getMessage() for it in caplog.records if it.levelname == "WARNING"]
    assert "docs/logins.md" in warning
    assert "NO_CREDENTIALS" in warning
    assert BEARER not in caplog.text


@pytest.mark.parametrize(
    "data",
    [
        lambda text: {"token": text},
        lambda text: {"access": text, "refresh": BEARER},
        lambda text: {"data": {"authToken": text}},
    ],
    ids=["token", "access", "in an envelope"],
)
def test_promise_9_knox_is_known_by_its_token_whatever_the_lms_calls_it(
    convai: Any, learner: Any, data: Callable[[str], Any]
) -> None:
    row, text = AuthToken.objects.create(learner)

    assert log_in(learner, Response(data(text)))["apiAuthToken"] in convai.live()
    assert LearnerSession.objects.get().stack == "knox"

    row.delete()
    assert convai.live() == []


def test_promise_9_anothers_knox_token_in_a_response_is_not_this_logins(
    convai: Any, learner: Any, make_user: Callable[..., Any]
) -> None:
    text = AuthToken.objects.create(make_user("another-learner"))[1]

    assert log_in(learner, Response({"token": text}))["error"]["code"] == "convai_unknown_stack"


def test_promise_9_a_name_that_is_no_credential_may_be_said_once_in_the_settings(
    convai: Any, learner: Any, convai_settings: Callable[..., None]
) -> None:
    convai_settings(NO_CREDENTIALS=["key"])

    assert log_in(learner, Response({"key": BEARER}))["apiAuthToken"] in convai.live()
    assert LearnerSession.objects.get().stack == "session"


def test_promise_9_a_view_may_say_that_the_session_is_the_credential(
    convai: Any, learner: Any
) -> None:
    def say(request: HttpRequest, user: Any) -> None:
        bind_login(request, user, stack="session", device="kiosk-7")

    block = log_in(learner, Response({"key": BEARER}), then=say)

    assert block["apiAuthToken"] in convai.live()
    session = LearnerSession.objects.get()
    assert (session.stack, session.device) == ("session", "kiosk-7")


def test_promise_9_a_view_cannot_say_so_where_there_is_no_session_of_this_user(
    convai: Any, learner: Any, make_user: Callable[..., Any]
) -> None:
    another = make_user("another-learner")

    with pytest.raises(ImproperlyConfigured, match="login"):
        bind_login(RequestFactory().post("/"), learner, stack="session")
    with pytest.raises(ImproperlyConfigured, match="login"):
        log_in(
            learner,
            Response({}),
            then=lambda request, user: bind_login(request, another, stack="session"),
        )
    assert not ConvaiToken.objects.exists()
