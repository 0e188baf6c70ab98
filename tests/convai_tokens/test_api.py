"""What an LMS may call: each function as its page describes it, and the list itself."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, RequestFactory
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from convai_tokens import api
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenStatus
from tests.lms.urls import urlpatterns as lms_urlpatterns

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "api.md"

pytestmark = pytest.mark.urls(__name__)


def page(request: HttpRequest) -> HttpResponse:
    """A page that the server renders, with a token in it."""
    response = JsonResponse({"in the page": api.issue_token(request)})
    response["Cache-Control"] = "public, max-age=600"
    return response


@transaction.atomic
def page_in_a_transaction(request: HttpRequest) -> HttpResponse:
    return JsonResponse(api.issue_token(request))


@csrf_exempt
def end_here(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"ended": api.end_session(request)})


@api_view(["GET"])
def whose(request: Request) -> Response:
    found = api.learner_session(request)
    return Response({"session": found and str(found.pk)})


urlpatterns = [
    path("page/", page),
    path("page/atomic/", page_in_a_transaction),
    path("end/", end_here),
    path("whose/", whose),
    path("", include(lms_urlpatterns)),
]


def html_login(client: Client) -> None:
    client.post("/login/html/", {"username": "learner", "password": "a-password-of-the-suite"})


# issue_token


def test_a_page_gets_a_token_for_the_learner_who_is_logged_in(
    convai: Any, learner: Any, client: Client
) -> None:
    html_login(client)

    block = client.get("/page/").json()["in the page"]

    assert convai.live() == [block["apiAuthToken"]]
    assert block["endUserId"] == str(learner.pk)
    assert "error" not in block
    assert LearnerSession.objects.get().user_id == learner.pk


def test_no_cache_may_keep_a_page_with_a_token_whatever_its_view_says(
    convai: Any, learner: Any, client: Client
) -> None:
    html_login(client)

    cache_control = client.get("/page/")["Cache-Control"]

    assert {"no-store", "private"} <= set(cache_control.split(", "))
    assert "public" not in cache_control


def test_a_page_for_nobody_gets_the_reason_in_the_tokens_place(convai: Any, client: Client) -> None:
    block = client.get("/page/").json()["in the page"]

    assert (block["apiAuthToken"], block["endUserId"]) == (None, None)
    assert block["error"]["code"] == "not_authenticated"
    assert block["error"]["retryAfter"] is None
    assert convai.summary()["generated"] == 0


def test_a_page_gets_the_reason_when_convai_is_down(
    convai: Any, learner: Any, client: Client
) -> None:
    html_login(client)
    convai.set(faults={"503": 1})

    block = client.get("/page/").json()["in the page"]

    assert block["apiAuthToken"] is None
    assert block["error"]["code"] == "convai_unavailable"
    assert block["error"]["retryAfter"] > 0


def test_a_page_gets_the_reason_when_this_learner_is_to_have_no_token(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client
) -> None:
    convai_settings(ISSUE_IF=lambda request, user: False)
    html_login(client)

    block = client.get("/page/").json()["in the page"]

    assert block["error"]["code"] == "convai_not_allowed"
    assert LearnerSession.objects.count() == 0


def test_a_page_in_a_transaction_is_refused_before_convai_is_called(
    convai: Any, learner: Any, client: Client
) -> None:
    html_login(client)

    with pytest.raises(RuntimeError, match="A transaction is open"):
        client.get("/page/atomic/")

    assert convai.summary()["generated"] == 0


# bind_login


def test_a_login_is_bound_only_to_a_stack_that_is_registered(learner: Any) -> None:
    request = RequestFactory().post("/login/")

    with pytest.raises(
        ImproperlyConfigured, match=r"'sso'.*known are: 'authtoken', 'custom', 'knox'"
    ):
        api.bind_login(request, learner, stack="sso", identity="a credential")


def test_a_stacks_name_is_registered_once() -> None:
    knox = api.BearerStack("knox", lambda login: (), lambda request: None, is_alive=bool)

    with pytest.raises(ImproperlyConfigured, match="'knox' is registered already"):
        api.register_bearer_stack(knox)


# learner_session, end_session, end_sessions_of


def test_the_learner_session_is_found_by_a_request_of_either_kind(
    convai: Any, learner: Any, client: Client, log_in: Any, bearer: Any
) -> None:
    knox = log_in("/login/knox/", client=Client())
    log_in("/login/json/")

    by_cookie = client.get("/whose/").json()["session"]
    by_bearer = Client().get("/whose/", headers=bearer(knox)).json()["session"]

    stacks = dict(LearnerSession.objects.values_list("stack", "id"))
    assert {"session": by_cookie, "knox": by_bearer} == {
        stack: str(session_id) for stack, session_id in stacks.items()
    }


def test_the_learner_session_of_a_login_that_had_no_token_yet_is_none(
    learner: Any, client: Client
) -> None:
    html_login(client)

    assert client.get("/whose/").json() == {"session": None}


def test_a_session_is_ended_by_the_request_at_hand(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in("/login/json/")

    assert client.post("/end/").json() == {"ended": True}
    assert client.post("/end/").json() == {"ended": False}

    assert LearnerSession.objects.get().end_reason == EndReason.API
    assert ConvaiToken.objects.get().status == TokenStatus.REVOKED
    assert convai.live() == []


def test_a_session_is_found_and_ended_by_stack_and_identity(
    convai: Any, learner: Any, rf: RequestFactory
) -> None:
    from convai_tokens.middleware import ConvaiTokenMiddleware

    def login(request: HttpRequest) -> JsonResponse:
        api.bind_login(request, learner, stack="custom", identity="credential 1")
        return JsonResponse({})

    ConvaiTokenMiddleware(login)(rf.post("/login/"))
    stack, identity = "custom", "credential 1"

    found = api.learner_session(stack=stack, identity=identity)
    ended = api.end_session(stack=stack, identity=identity, reason=EndReason.LOGOUT)

    assert found is not None
    assert found.user_id == learner.pk
    assert ended
    found.refresh_from_db()
    assert found.end_reason == EndReason.LOGOUT
    assert api.learner_session(stack="custom", identity="credential 2") is None
    assert convai.live() == []


@pytest.mark.parametrize(("stack", "identity"), [("", ""), ("custom", ""), ("", "credential")])
def test_without_anything_to_go_by_the_caller_is_told(stack: str, identity: str) -> None:
    with pytest.raises(TypeError, match="a stack and an identity"):
        api.learner_session(stack=stack, identity=identity)


def test_all_sessions_of_a_user_end_and_nobody_elses(
    convai: Any, learner: Any, make_user: Callable[..., Any], log_in: Any
) -> None:
    make_user("another")
    for username in ("learner", "learner", "another"):
        log_in("/login/json/", username=username, client=Client())

    assert api.end_sessions_of(learner) == 2
    assert api.end_sessions_of(learner) == 0

    assert [it.username for it in LearnerSession.objects.filter(ended_at=None)] == ["another"]
    assert len(convai.live()) == 1


# The list

# What SemVer covers: a module, and its names where not all of them are a promise.
PUBLIC = {
    "convai_tokens.api": api.__all__,
    "convai_tokens.contrib.simplejwt_serializers": ["FamilyClaim", "TokenObtainPairSerializer"],
    "convai_tokens.dispatch": ["celery", "django_task", "inline", "thread"],
    "convai_tokens.exceptions": ["ConvaiTokensError", "ErrorCode"],
    "convai_tokens.middleware": ["ConvaiTokenMiddleware"],
    "convai_tokens.models": ["ConvaiToken", "LearnerSession", "TokenEvent"],
    "convai_tokens.payloads": [
        "LoginBlock",
        "end_user",
        "everybody",
        "flat",
        "nested",
        "pseudonymous_end_user",
    ],
    "convai_tokens.secret": ["Secret"],
    "convai_tokens.signals": [
        "token_extended",
        "token_failed",
        "token_generated",
        "token_revoked",
    ],
    "convai_tokens.testing": ["ConvaiDouble"],
    "convai_tokens.urls": ["urlpatterns"],
    "convai_tokens.views": ["ExtendView", "TokenView"],
    "convai_sandbox": [],
}
NAMES = [(module, name) for module, names in PUBLIC.items() for name in names]
# Named in the documentation, and nothing to import: Celery's tasks, and the log.
OTHER_NAMES = {"convai_tokens.revoke", "convai_tokens.sweep"}


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_each_public_name_is_there_documented_and_annotated(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)

    assert re.search(rf"`{name}\b", REFERENCE.read_text()), f"docs/api.md lacks {name}"
    if inspect.isfunction(found):
        assert inspect.getdoc(found)
        signature = inspect.signature(found)
        annotated = [it.annotation for it in signature.parameters.values()]
        assert inspect.Signature.empty not in [*annotated, signature.return_annotation]


def test_the_documentation_names_no_other_module_to_import() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    internal = {ROOT / "docs" / name for name in ("design.md", "reliability.md", "performance.md")}
    named = {
        (page.name, found.rstrip("."))
        for page in pages
        if page not in internal
        for found in re.findall(r"\bconvai_(?:tokens|sandbox)(?:\.[A-Za-z_]+)+", page.read_text())
        if not re.search(r"\.(?:[EW]|md|py)$", found)  # ids of checks, and files
    }
    allowed = {*PUBLIC, *OTHER_NAMES, *(f"{module}.{name}" for module, name in NAMES)}
    # The sandbox's modules for tests, and what its fixture of the same name can do.
    allowed |= {f"convai_sandbox.{name}" for name in ("fixtures", "process", "process.Sandbox")}
    allowed |= {f"convai_sandbox.{name}" for name in ("url", "set", "live")}

    assert {it for it in named if it[1] not in allowed} == set()


def test_a_user_of_the_suite_is_what_the_functions_are_annotated_with(learner: Any) -> None:
    assert isinstance(learner, AbstractBaseUser)
