"""Staff who act as a learner, by each of the packages for it: no token under the learner's id."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path

from convai_tokens.models import LearnerSession, TokenEvent


def act_as(request: HttpRequest, user_id: int) -> HttpResponse:
    """What an LMS's own API does: a JSON answer, and hijack's way of remembering who it is."""
    history = [str(request.user.pk)]
    user = get_user_model().objects.get(pk=user_id)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session["hijack_history"] = history
    return JsonResponse({"ok": True})


urlpatterns = [
    path("hijack/", include("hijack.urls")),
    path("loginas/", include("loginas.urls")),
    path("impersonate/", include("impersonate.urls")),
    path("su/", include("django_su.urls")),
    path("act-as/<int:user_id>/", act_as),
    path("", include("tests.lms.urls")),
]


@pytest.fixture
def staff(make_user: Any, client: Client, settings: Any) -> Any:
    """A member of the staff, logged in on a site that has all of the packages."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "impersonate.middleware.ImpersonateMiddleware"]
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        "django_su.backends.SuBackend",
    ]
    settings.LOGIN_REDIRECT_URL = "/"
    user = make_user("teacher", is_staff=True, is_superuser=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return user


BEGIN = {
    "hijack": ("/hijack/acquire/", {"user_pk": "{}"}),
    "loginas": ("/loginas/login/user/{}/", {}),
    "impersonate": ("/impersonate/{}/", {}),
    "su": ("/su/{}/", {}),
}
STOP = {
    "hijack": "/hijack/release/",
    "loginas": "/loginas/logout/",
    "impersonate": "/impersonate/stop/",
    "su": "/su/",
}


@pytest.fixture(params=BEGIN)
def package(request: Any, staff: Any, client: Client, learner: Any) -> str:
    """The package by which the staff acts as the learner by now."""
    path, data = BEGIN[request.param]
    data = {name: value.format(learner.pk) for name, value in data.items()}
    assert client.post(path.format(learner.pk), data).status_code == 302
    return str(request.param)


def test_who_acts_as_a_learner_gets_no_token_under_the_learners_id(
    convai: Any, client: Client, package: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "convai_tokens")

    answer = client.post("/convai/token/")

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "convai_impersonated"
    assert convai.summary()["generated"] == 0
    assert "acts as user" in caplog.text


def test_who_stops_acting_gets_tokens_under_an_id_of_their_own_again(
    convai: Any, client: Client, staff: Any, package: str
) -> None:
    assert client.post("/convai/token/").status_code == 403
    client.post(STOP[package])

    answer = client.post("/convai/token/")

    assert answer.status_code == 200
    assert answer.json()["endUserId"] == str(staff.pk)


def test_the_learner_is_served_beside_it(
    convai: Any, learner: Any, log_in: Any, package: str
) -> None:
    own = Client()

    assert log_in(client=own).json()["convai"]["apiAuthToken"] in convai.live()
    assert own.post("/convai/token/").status_code == 200


@pytest.mark.parametrize("package", ["hijack", "loginas", "su"], indirect=True)
def test_a_site_that_wants_tokens_for_them_finds_who_it_was_in_the_audit(
    convai: Any,
    convai_settings: Callable[..., None],
    client: Client,
    staff: Any,
    learner: Any,
    package: str,
) -> None:
    convai_settings(TOKENS_FOR_IMPERSONATORS=True)

    answer = client.post("/convai/token/")

    assert answer.status_code == 200
    assert answer.json()["endUserId"] == str(learner.pk)
    started = TokenEvent.objects.get(kind="session_started")
    assert (started.actor_id, started.actor_name) == (staff.pk, "teacher")
    assert LearnerSession.objects.get().user_id == learner.pk


@pytest.mark.parametrize("package", ["impersonate"], indirect=True)
def test_one_django_session_serves_no_two_users(
    convai: Any, convai_settings: Callable[..., None], client: Client, staff: Any, package: str
) -> None:
    """django-impersonate leaves the staff's session, whose learner session is the staff's."""
    client.post("/impersonate/stop/")
    assert client.post("/convai/token/").status_code == 200
    convai_settings(TOKENS_FOR_IMPERSONATORS=True)
    learner = get_user_model().objects.get(username="learner")
    client.post(f"/impersonate/{learner.pk}/")

    answer = client.post("/convai/token/")

    assert answer.json()["error"]["code"] == "convai_impersonated"


def test_a_json_answer_of_the_moment_itself_tells_it_too(
    convai: Any, client: Client, staff: Any, learner: Any
) -> None:
    block = client.post(f"/act-as/{learner.pk}/").json()["convai"]

    assert block["apiAuthToken"] is None
    assert block["error"]["code"] == "convai_impersonated"
    assert convai.summary()["generated"] == 0


def test_an_impersonator_who_was_deleted_meanwhile_gets_none_in_any_case(
    convai: Any, convai_settings: Callable[..., None], client: Client, staff: Any, learner: Any
) -> None:
    convai_settings(TOKENS_FOR_IMPERSONATORS=True)
    client.post("/hijack/acquire/", {"user_pk": learner.pk})
    get_user_model().objects.filter(pk=staff.pk).delete()

    assert client.post("/convai/token/").json()["error"]["code"] == "convai_impersonated"
