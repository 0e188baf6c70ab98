"""Rows and states that the tests of several modules begin with, and what they ask of a response."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import JsonResponse
from django.test import RequestFactory
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from convai_tokens.api import bind_login
from convai_tokens.convai.breaker import FAILURE_THRESHOLD, Breaker
from convai_tokens.exceptions import ConvaiUnavailable, ErrorCode
from convai_tokens.lifecycle import opening
from convai_tokens.lifecycle.opening import Opener
from convai_tokens.logins.bearer_stacks import bearer_credential
from convai_tokens.logins.handed_out import LoginResponse
from convai_tokens.middleware import ConvaiTokenMiddleware
from convai_tokens.models import LearnerSession

from .waiting import eventually


def make_session(user: Any, **fields: Any) -> LearnerSession:
    """Make the row of an open learner session, whose credential nobody has."""
    return LearnerSession.objects.create(
        **{"user": user, "username": "learner", "stack": "custom", **fields}
    )


def open_session(user: Any, identity: str = "a credential") -> LearnerSession:
    """Return the learner session of a bearer credential, as its first token request opens it."""
    return opening.open_session(Opener(bearer_credential("custom", identity), user))


def serve_login(user: Any, response: Any) -> Any:
    """Serve a request whose view logs the user in by ``bind_login`` and answers ``response``."""

    def view(request: Any) -> Any:
        bind_login(request, user, stack="custom", identity="a credential")
        return response

    return ConvaiTokenMiddleware(view)(RequestFactory().post("/login/"))


def login_response(data: dict[str, Any]) -> LoginResponse:
    """Return the response to a login that answers this."""
    return LoginResponse(RequestFactory().post("/login/"), JsonResponse(data), data)


def rendered(middleware: ConvaiTokenMiddleware, request: Any, response: Any) -> Any:
    """Return a view's response as Django's handler hands it on: DRF's as JSON, rendered."""
    if isinstance(response, Response):
        response.accepted_renderer = JSONRenderer()
        response.accepted_media_type = "application/json"
        vars(response)["renderer_context"] = {}
        middleware.process_template_response(request, response).render()
    return response


def open_breaker(breaker: Breaker, *, pause: float | None = None) -> None:
    """Open it, as Convai does with a 429; for ``pause`` seconds, or as long as it is by default."""
    breaker.heard(ConvaiUnavailable("no", code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=pause))


def open_breaker_whose_pause_is_over(breaker: Breaker) -> None:
    """Bring it to where an outage's pause has just passed: the next call is the probe."""
    open_breaker(breaker, pause=0.01)
    eventually(lambda: not breaker.pause_left)


def hung_until_a_moment_ago(breaker: Breaker) -> None:
    """Bring it to where calls got no answer, and the pause has just passed."""
    for _ in range(FAILURE_THRESHOLD):
        hung = ConvaiUnavailable("no answer", code=ErrorCode.CONVAI_TIMEOUT, retry_after=0.01)
        breaker.heard(hung)
    eventually(lambda: not breaker.pause_left)


def own_statements(queries: Iterable[dict[str, Any]]) -> list[str]:
    """Return those of the captured SQL statements that meet a table of the app."""
    return [sql for query in queries if "convai_tokens_" in (sql := query["sql"])]
