"""Which login responses get a block, and what is in it."""

from __future__ import annotations

import gc
import gzip
import json
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.response import Response

from convai_tokens.api import bind_login
from convai_tokens.convai.client import get_client
from convai_tokens.lifecycle.storing import Issued
from convai_tokens.logins.response import put_in_place
from convai_tokens.middleware import ConvaiTokenMiddleware
from convai_tokens.models import ConvaiToken, LearnerSession
from convai_tokens.models.moments import utc_now
from convai_tokens.secret import Secret
from tests.builders import open_breaker, serve_login


@pytest.mark.parametrize("path", ["/login/list/", "/login/400/"])
def test_a_list_or_an_error_gets_no_block_and_costs_no_token(
    convai: Any, learner: Any, log_in: Any, path: str
) -> None:
    response = log_in(path)

    assert b"convai" not in response.content
    assert convai.summary()["generated"] == 0


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse("<p>hello</p>"),
        HttpResponse(status=204),
        HttpResponse('{"a": 1}', content_type="application/json", status=302),
        HttpResponse(
            gzip.compress(b"{}"),
            content_type="application/json",
            headers={"Content-Encoding": "gzip"},
        ),
        HttpResponse("no json", content_type="application/json"),
        StreamingHttpResponse([b'{"a": 1}'], content_type="application/json"),
        JsonResponse("text", safe=False),
    ],
    ids=["html", "204", "302", "encoded", "nonsense", "streaming", "string"],
)
def test_what_is_not_a_json_object_is_left_alone(convai: Any, learner: Any, response: Any) -> None:
    before = b"" if response.streaming else response.content

    served = serve_login(learner, response)

    assert served is response
    assert response.streaming or response.content == before
    assert convai.summary()["generated"] == 0


def test_a_json_media_type_with_a_suffix_and_a_charset_is_json(convai: Any, learner: Any) -> None:
    response = HttpResponse('{"a": 1}', content_type="application/vnd.lms+json; charset=utf-8")

    assert "convai" in json.loads(serve_login(learner, response).content)


def test_a_drf_response_that_is_rendered_already_is_extended_by_its_content(
    convai: Any, learner: Any
) -> None:
    response = Response({"a": 1})
    response.accepted_renderer = JSONRenderer()
    response.accepted_media_type = "application/json"
    vars(response)["renderer_context"] = {}
    response.render()

    assert json.loads(serve_login(learner, response).content)["convai"]["apiAuthToken"]


def test_a_drf_response_in_another_format_gets_no_block(convai: Any, learner: Any) -> None:
    class HTMLRenderer(BaseRenderer):
        media_type = "text/html"

    request = RequestFactory().post("/login/")
    bind_login(request, learner, stack="custom", identity="a credential")
    response = Response({"a": 1})
    response.accepted_renderer = HTMLRenderer()
    response.accepted_media_type = "text/html"

    ConvaiTokenMiddleware(lambda _: response).process_template_response(request, response)

    assert response.data == {"a": 1}
    assert convai.summary()["generated"] == 0


def test_what_the_lms_says_under_a_name_stays_and_the_clash_is_logged(
    convai: Any, learner: Any, log_in: Any, caplog: pytest.LogCaptureFixture
) -> None:
    response = log_in("/login/clash/")

    assert response.json() == {"convai": "the LMS's own"}
    assert "of its own" in caplog.text


def test_the_flat_payload_is_at_the_top_level(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any
) -> None:
    convai_settings(PAYLOAD="convai_tokens.payloads.flat")

    data = log_in().json()

    assert data["convaiApiAuthToken"] in convai.live()
    assert data["learnerId"] == str(learner.pk)
    assert data["learnerDisplayName"] == "First Learner"
    assert data["convaiServerUrl"] == "https://live.convai.com"
    assert data["convaiExpirationTime"].endswith("Z")


def test_issue_if_decides_who_gets_a_token(
    convai: Any, convai_settings: Callable[..., None], learner: Any, make_user: Any, log_in: Any
) -> None:
    make_user("second-learner")
    convai_settings(ISSUE_IF=lambda request, user: user.username == "second-learner")

    without = log_in(client=Client()).json()["convai"]
    token = log_in(username="second-learner", client=Client()).json()["convai"]["apiAuthToken"]

    assert (without["apiAuthToken"], without["error"]["code"]) == (None, "convai_not_allowed")
    assert convai.live() == [token]
    assert LearnerSession.objects.count() == 1


def test_a_blank_end_user_gets_no_token_and_is_told_why(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any
) -> None:
    convai_settings(END_USER=lambda user: ("", "A name"))

    block = log_in().json()["convai"]

    assert block["error"]["code"] == "end_user_blank"
    assert block["endUserId"] is None
    assert convai.summary()["generated"] == 0


@pytest.mark.parametrize(
    "shape",
    [
        lambda block: {"deep": [{"token": block.value}]},
        lambda block: {"header": f"Bearer {block.value}"},
    ],
    ids=["nested deep", "part of a text"],
)
@pytest.mark.parametrize("path", ["/login/json/", "/login/drf/"])
def test_a_shape_of_the_lmss_own_holds_the_token_only_once_it_is_written(
    convai: Any,
    learner: Any,
    convai_settings: Callable[..., None],
    log_in: Any,
    shape: Callable[[Any], Any],
    path: str,
) -> None:
    seen: list[Any] = []

    def payload(block: Any) -> Any:
        seen.append(shape(block))
        return seen[0]

    convai_settings(PAYLOAD=payload)

    served = log_in(path)

    (token,) = convai.live()
    assert token in served.content.decode()
    assert token not in repr(seen)
    assert "stand-in" not in served.content.decode()


def test_a_token_stays_itself_within_json() -> None:
    value = 'with "quotes", a \\ and <b>'
    issued = Issued(ConvaiToken(), Secret(value), utc_now())
    response = JsonResponse({"token": issued.stand_in})

    put_in_place(issued, response)

    assert json.loads(response.content) == {"token": value}


def test_a_shape_that_leaves_the_token_out_is_logged(
    convai: Any,
    learner: Any,
    convai_settings: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    convai_settings(PAYLOAD=lambda block: {"learner": block.end_user_id})

    served = serve_login(learner, JsonResponse({}))

    assert json.loads(served.content) == {"learner": str(learner.pk)}
    assert "lacks block.value" in caplog.text


def kept_frames() -> list[str]:
    """Return the functions whose frames only the garbage collector would free."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        frames = [
            thing for thing in gc.garbage if type(thing) is FrameType
        ]  # proxies refuse isinstance()
        return [
            frame.f_code.co_name for frame in frames if "convai_tokens" in frame.f_code.co_filename
        ]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def refuse_hook(*args: Any) -> Any:
    raise LookupError("no directory")


FAILURES: dict[str, dict[str, Any]] = {
    "open breaker": {"breaker": True},
    "refused": {"settings": {"BASE_URL": "http://127.0.0.1:9"}},
    "in clear": {"settings": {"BASE_URL": "http://convai.example.org"}},
    "ISSUE_IF": {"settings": {"ISSUE_IF": refuse_hook}},
    "API_KEY": {"settings": {"API_KEY": refuse_hook}},
    "PAYLOAD": {"settings": {"PAYLOAD": refuse_hook}},
    **{fault: {"switches": {"faults": {fault: 1}}} for fault in ["503", "reset", "not_http"]},
    "maintenance": {"switches": {"faults": {"maintenance": 1}}},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("path", ["/login/json/", "/login/knox/"])
def test_what_failed_keeps_no_frames_with_what_they_hold(
    convai: Any,
    learner: Any,
    log_in: Any,
    convai_settings: Callable[..., None],
    path: str,
    failure: dict[str, Any],
) -> None:
    """An exception in a local variable of its own traceback: each login would leave its stack."""
    convai_settings(**failure.get("settings", {}))
    convai.set(**failure.get("switches", {}))
    if "breaker" in failure:
        open_breaker(get_client().breaker)
    log_in(path)
    gc.collect()
    gc.disable()
    try:
        response = log_in(path)
        assert "error" in response.json()["convai"]
        del response

        assert kept_frames() == []
    finally:
        gc.enable()
