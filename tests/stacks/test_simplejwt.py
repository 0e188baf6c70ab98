"""simplejwt: logins that send no signal, rotation, and a blacklist that ends a family."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.views import TokenObtainPairView

from convai_tokens.lifecycle.ending import end_session
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession


def header(answer: Any) -> dict[str, str]:
    return {"Authorization": f"JWT {answer.json()['access']}"}


def rotate(client: Client, answer: Any) -> Any:
    body = {"refresh": answer.json()["refresh"]}
    return client.post("/jwt/refresh/", body, content_type="application/json")


def log_out(client: Client, answer: Any) -> Any:
    body = {"refresh": answer.json()["refresh"]}
    return client.post("/logout/jwt/", body, content_type="application/json")


def test_login_token_logout(convai: Any, learner: Any, client: Client, log_in: Any) -> None:
    login = log_in("/login/jwt/")

    assert login.json()["convai"]["apiAuthToken"] in convai.live()
    assert login.json()["convai"]["endUserId"] == str(learner.pk)
    assert LearnerSession.objects.get().stack == "simplejwt"
    assert client.post("/convai/token/", headers=header(login)).status_code == 200
    assert log_out(client, login).status_code == 200
    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT
    assert convai.live() == []
    # The access token lives on, and gets nothing.
    answer = client.post("/convai/token/", headers=header(login))
    assert answer.json()["error"]["code"] == "session_ended"


def test_a_login_with_a_wrong_password_gets_nothing(
    convai: Any, learner: Any, client: Client
) -> None:
    wrong = {"username": "learner", "password": "wrong"}

    answer = client.post("/login/jwt/", wrong, content_type="application/json")

    assert answer.status_code == 401
    assert b"convai" not in answer.content


def test_a_rotation_goes_on_in_the_same_learner_session(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    login = log_in("/login/jwt/")
    answer = login
    for _ in range(3):
        answer = rotate(client, answer)
        assert answer.status_code == 200
        assert "convai" not in answer.json()
        assert client.post("/convai/token/", headers=header(answer)).status_code == 200

    assert BlacklistedToken.objects.count() == 3
    assert LearnerSession.objects.open().count() == 1
    log_out(client, answer)
    assert convai.live() == []
    assert LearnerSession.objects.get().end_reason == EndReason.LOGOUT


def test_each_login_is_a_family_of_its_own(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    first, second = log_in("/login/jwt/"), log_in("/login/jwt/")

    log_out(client, first)

    assert convai.live() == [second.json()["convai"]["apiAuthToken"]]


def test_a_token_that_staff_blacklist_ends_its_family(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    rotate(client, log_in("/login/jwt/"))
    newest = OutstandingToken.objects.order_by("-pk")[0]

    BlacklistedToken.objects.create(token=newest)

    assert LearnerSession.objects.get().end_reason == EndReason.CREDENTIAL_DELETED
    assert convai.live() == []


def test_what_staff_ended_is_ended(convai: Any, learner: Any, client: Client, log_in: Any) -> None:
    login = log_in("/login/jwt/")
    end_session(LearnerSession.objects.get().pk, EndReason.STAFF)

    answer = client.post("/convai/token/", headers=header(rotate(client, login)))

    assert answer.json()["error"]["code"] == "session_ended"


def test_a_site_whose_tokens_name_no_family_is_told(
    convai: Any,
    learner: Any,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(TokenObtainPairView, "serializer_class", TokenObtainPairSerializer)

    with caplog.at_level(logging.WARNING):
        login = log_in("/login/jwt/")

    assert login.status_code == 200
    assert "convai" not in login.json()
    assert not ConvaiToken.objects.exists()


def test_a_request_that_is_no_login_costs_no_query(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    from django.db import connection

    login = log_in("/login/jwt/")
    with CaptureQueriesContext(connection) as queries:
        rotate(client, login)

    assert [query for query in queries if "convai_tokens" in query["sql"]] == []
