"""The middleware: a login through it gets its block, and no other response is touched."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from convai_tokens.logins.notes import LoginNote, current_request, note_token_in_page
from convai_tokens.middleware import ConvaiTokenMiddleware
from convai_tokens.models import LearnerSession
from tests.builders import serve_login
from tests.conftest import PASSWORD


def test_a_json_login_response_keeps_its_own_data_and_gets_the_block(
    convai: Any, learner: Any, log_in: Any
) -> None:
    response = log_in("/login/json/")

    assert list(response.json()) == ["hello", "convai"]
    assert set(response.json()["convai"]) == {
        "apiAuthToken",
        "expirationTime",
        "expiresIn",
        "endUserId",
        "endUserName",
        "serverUrl",
    }
    assert response["Content-Length"] == str(len(response.content))


def test_the_block_survives_gzip(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client
) -> None:
    convai_settings(END_USER=lambda user: ("1", "a name " * 100))  # worth compressing
    response = client.post(
        "/login/json/",
        {"username": "learner", "password": PASSWORD},
        content_type="application/json",
        headers={"Accept-Encoding": "gzip"},
    )

    assert response["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(response.content))["convai"]["apiAuthToken"]


def test_a_request_without_a_login_is_left_alone(convai: Any) -> None:
    request = RequestFactory().get("/")

    response = ConvaiTokenMiddleware(lambda _: JsonResponse({"a": 1}))(request)

    assert isinstance(response, JsonResponse)
    assert json.loads(response.content) == {"a": 1}


def test_bind_login_serves_a_stack_that_sends_no_signal(convai: Any, learner: Any) -> None:
    response = serve_login(learner, JsonResponse({"access": "..."}))

    assert json.loads(response.content)["convai"]["apiAuthToken"] in convai.live()
    session = LearnerSession.objects.get()
    assert session.stack == "custom"
    assert "a credential" not in session.credential_digest


def test_a_login_of_an_unknown_stack_gets_no_token_and_a_log_line(
    convai: Any, learner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    request = RequestFactory().post("/login/")

    def view(request: Any) -> JsonResponse:
        request._convai_login = LoginNote(learner)
        return JsonResponse({"token": "of nobody"})

    response = ConvaiTokenMiddleware(view)(request)

    assert isinstance(response, JsonResponse)
    data = json.loads(response.content)
    assert data["token"] == "of nobody"
    assert data["convai"]["apiAuthToken"] is None
    assert data["convai"]["error"]["code"] == "convai_unknown_stack"
    assert "nobody would see its end" in caplog.text
    assert convai.summary()["generated"] == 0


def test_the_present_request_is_known_while_it_is_served_and_not_afterwards() -> None:
    seen: list[object] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(current_request.get())
        raise RuntimeError("after that")

    request = RequestFactory().get("/")
    with pytest.raises(RuntimeError):
        ConvaiTokenMiddleware(view)(request)

    assert seen == [request]
    assert current_request.get() is None


def test_a_page_that_holds_a_token_may_be_kept_by_no_cache() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        note_token_in_page(request)
        return HttpResponse("<p>a token</p>", headers={"Cache-Control": "public"})

    response = ConvaiTokenMiddleware(view)(RequestFactory().get("/"))

    assert "no-store" in response["Cache-Control"]
    assert "public" not in response["Cache-Control"]


# Under ASGI


@pytest.fixture
def switches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what the middleware has called in a thread."""
    called: list[str] = []

    def counted(function: Any) -> Any:
        called.append(function.__name__)
        return sync_to_async(function)

    monkeypatch.setattr("convai_tokens.middleware.sync_to_async", counted)
    return called


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "expected"),
    [("/login/json/", ["finish"]), ("/login/drf/", ["extend_data", "finish"])],
)
def test_a_login_under_asgi_gets_its_block_and_a_logout_revokes_its_token(
    convai: Any, make_user: Any, switches: list[str], path: str, expected: list[str]
) -> None:
    make_user("learner")
    client = AsyncClient()
    body = {"username": "learner", "password": PASSWORD}

    login = async_to_sync(client.post)(path, body, content_type="application/json")

    assert login.json()["convai"]["apiAuthToken"] in convai.live()
    assert switches == expected
    async_to_sync(client.post)("/logout/json/")
    assert convai.live() == []
    assert LearnerSession.objects.get().end_reason == "logout"


@pytest.mark.django_db(transaction=True)
def test_a_request_under_asgi_that_is_no_login_costs_no_switch_of_threads(
    switches: list[str], settings: Any
) -> None:
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "convai_tokens.middleware.ConvaiTokenMiddleware",
    ]
    settings.ROOT_URLCONF = __name__

    answer = async_to_sync(AsyncClient().get)("/hello/")
    rendered = async_to_sync(AsyncClient().get)("/rendered/")

    assert (answer.content, rendered.json()) == (b"hello", {"a": 1})
    assert switches == []


def test_the_middleware_is_asynchronous_where_what_is_below_it_is() -> None:
    async def below(request: Any) -> Any:
        raise NotImplementedError

    assert iscoroutinefunction(ConvaiTokenMiddleware(below))
    assert not iscoroutinefunction(ConvaiTokenMiddleware(lambda request: HttpResponse()))


async def hello(request: Any) -> HttpResponse:
    return HttpResponse("hello")


class Rendered(APIView):
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def get(self, request: Any) -> Response:
        return Response({"a": 1})


urlpatterns = [path("hello/", hello), path("rendered/", Rendered.as_view())]
