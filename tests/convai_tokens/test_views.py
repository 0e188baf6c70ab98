"""The token endpoint, as a Unity developer's client meets it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.authentication import BasicAuthentication

from convai_tokens import views
from convai_tokens.lifecycle import ending
from convai_tokens.logins.credentials import _warn_of
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenEvent, TokenStatus
from convai_tokens.views import TokenView
from tests.conftest import PASSWORD

BLOCK = {"apiAuthToken", "expirationTime", "expiresIn", "endUserId", "endUserName", "serverUrl"}


def test_a_fresh_token_comes_as_the_block_at_the_root(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    first = log_in().json()["convai"]

    answer = client.post("/convai/token/", {}, content_type="application/json")

    assert answer.status_code == 200
    assert set(answer.json()) == BLOCK
    assert answer.json()["apiAuthToken"] != first["apiAuthToken"]
    assert convai.connect(answer.json()["apiAuthToken"]) == 200
    assert answer.json()["expirationTime"].endswith("Z")
    assert 3500 < answer.json()["expiresIn"] <= 3600


def test_extending_moves_the_end_of_the_newest_token(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    convai.set(extend_by=86400)
    first = log_in().json()["convai"]

    answer = client.post("/convai/token/extend/")

    assert set(answer.json()) == BLOCK
    assert answer.json()["apiAuthToken"] == first["apiAuthToken"]
    assert 86000 < answer.json()["expiresIn"] <= 86400
    token = ConvaiToken.objects.get()
    assert token.extend_count == 1
    assert token.extended_at is not None


def test_extending_the_token_that_is_named_extends_that_one(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    convai.set(extend_by=86400)
    first = log_in().json()["convai"]["apiAuthToken"]
    client.post("/convai/token/")

    body = {"apiAuthToken": first}
    answer = client.post("/convai/token/extend/", body, content_type="application/json")

    assert (answer.status_code, answer.json()["apiAuthToken"]) == (200, first)
    counts = ConvaiToken.objects.order_by("pk").values_list("extend_count", flat=True)
    assert list(counts) == [1, 0]


def test_a_token_that_no_key_opens_does_not_hide_the_one_that_is_named(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    first = log_in().json()["convai"]["apiAuthToken"]
    client.post("/convai/token/")
    ConvaiToken.objects.filter(pk=ConvaiToken.objects.latest("pk").pk).update(sealed="v1.broken")

    body = {"apiAuthToken": first}
    answer = client.post("/convai/token/extend/", body, content_type="application/json")

    assert (answer.status_code, answer.json()["apiAuthToken"]) == (200, first)


def test_extending_a_token_that_is_not_this_sessions_is_answered_409(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any
) -> None:
    make_user("second")
    others = log_in(username="second", client=Client()).json()["convai"]["apiAuthToken"]
    log_in()

    for named in (others, "", "x" * 5000):
        body = {"apiAuthToken": named}
        answer = client.post("/convai/token/extend/", body, content_type="application/json")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "no_live_token"
    assert not ConvaiToken.objects.exclude(extend_count=0).exists()


@pytest.mark.parametrize("body", ['{"apiAuthToken": 7}', '{"apiAuthToken": null}', "{"])
def test_what_names_no_token_in_a_way_that_can_be_read_is_answered_400(
    convai: Any, learner: Any, client: Client, log_in: Any, body: str
) -> None:
    log_in()

    answer = client.post("/convai/token/extend/", body, content_type="application/json")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parse_error")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("", "application/json"), ("[]", "application/json"), ("a text", "text/plain"), ("{}", "x/y")],
)
def test_a_body_that_names_no_token_extends_the_newest(
    convai: Any, learner: Any, client: Client, log_in: Any, body: str, content_type: str
) -> None:
    log_in()

    answer = client.post("/convai/token/extend/", body, content_type=content_type)

    assert answer.status_code == 200


@pytest.mark.parametrize("body", ["expiration", "none", "no_content", "STATUS", "status"])
def test_extending_works_in_whichever_way_convai_says_yes(
    convai: Any, learner: Any, client: Client, log_in: Any, body: str
) -> None:
    convai.set(extend_body=body)
    log_in()

    answer = client.post("/convai/token/extend/")

    assert answer.status_code == 200
    assert 3500 < answer.json()["expiresIn"] <= 3600


def test_extending_by_an_answer_that_says_no_yes_is_told_as_not_understood(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    convai.set(extend_body="text")
    log_in()

    answer = client.post("/convai/token/extend/")

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "convai_not_understood"
    assert ConvaiToken.objects.get().extend_count == 0


def test_deleting_revokes_the_sessions_tokens_and_not_the_session(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    client.post("/convai/token/")

    answer = client.delete("/convai/token/")

    assert (answer.status_code, answer.content) == (204, b"")
    assert convai.live() == []
    assert client.post("/convai/token/").status_code == 200
    assert TokenEvent.objects.filter(detail__contains="client").count() == 2


def test_deleting_revokes_nobody_elses_tokens(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any
) -> None:
    make_user("second-learner")
    other = log_in(username="second-learner", client=Client()).json()["convai"]
    log_in()

    client.delete("/convai/token/")

    assert convai.live() == [other["apiAuthToken"]]


@pytest.mark.parametrize("method", ["post", "delete"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Token of-nobody"}])
def test_nobody_is_answered_401_in_json(
    client: Client, db: None, method: str, headers: dict[str, str]
) -> None:
    answer = getattr(client, method)("/convai/token/", headers=headers)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"]
    assert set(answer.json()["error"]) == {"code", "message"}


def test_a_cookie_without_a_csrf_token_is_refused(convai: Any, learner: Any, log_in: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    log_in(client=strict)  # the login views of the suite are exempt

    answer = strict.post("/convai/token/")

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "permission_denied"
    assert "CSRF" in answer.json()["error"]["message"]


def test_a_bearer_needs_no_csrf_token(convai: Any, learner: Any, log_in: Any, bearer: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    login = log_in("/login/knox/", client=strict)

    assert strict.post("/convai/token/", headers=bearer(login)).status_code == 200


def test_a_credential_of_an_unknown_stack_is_told_so_and_its_class_once_in_the_log(
    learner: Any,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(TokenView, "authentication_classes", [BasicAuthentication])
    basic = base64.b64encode(f"learner:{PASSWORD}".encode()).decode()
    _warn_of.cache_clear()

    for _ in range(2):
        answer = client.post("/convai/token/", headers={"Authorization": f"Basic {basic}"})

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "credential_not_supported"
    (warning,) = [it.getMessage() for it in caplog.records if it.name == "convai_tokens"]
    assert "rest_framework.authentication.BasicAuthentication" in warning


def test_a_learner_whom_issue_if_excludes_is_told_so(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    convai_settings(ISSUE_IF=lambda request, user: False)

    answer = client.post("/convai/token/")

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "convai_not_allowed"


def test_a_learner_with_a_blank_name_is_told_so(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    convai_settings(END_USER=lambda user: ("1", " "))

    answer = client.post("/convai/token/")

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "end_user_blank"


def test_an_ended_session_is_answered_409(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    ending.end_session(LearnerSession.objects.get().pk, EndReason.STAFF)

    for path in ("/convai/token/", "/convai/token/extend/"):
        answer = client.post(path)
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "session_ended"


def test_extending_without_a_live_token_is_answered_409(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    client.delete("/convai/token/")

    answer = client.post("/convai/token/extend/")

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "no_live_token"


def test_extending_a_token_that_convai_does_not_know_is_answered_409_and_recorded(
    convai: Any, learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    convai.reset()  # Convai forgets

    answer = client.post("/convai/token/extend/")

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "token_gone"
    assert ConvaiToken.objects.get().status == TokenStatus.GONE


@pytest.mark.parametrize(
    ("day", "status", "code"),
    [
        ({"faults": {"503": 1}}, 503, "convai_unavailable"),
        ({"faults": {"429": 1}, "retry_after": "7"}, 429, "convai_rate_limited"),
        ({"accepted_keys": ["another-key"]}, 503, "convai_bad_key"),
    ],
)
@pytest.mark.parametrize("path", ["/convai/token/", "/convai/token/extend/"])
def test_a_bad_day_of_convais_is_told_with_a_time_to_wait(
    convai: Any,
    learner: Any,
    client: Client,
    log_in: Any,
    path: str,
    day: dict[str, Any],
    status: int,
    code: str,
) -> None:
    log_in()
    convai.set(**day)

    answer = client.post(path)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert int(answer["Retry-After"]) == answer.json()["error"]["retryAfter"] > 0


def test_get_is_refused_unless_it_is_allowed(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client, log_in: Any
) -> None:
    log_in()
    own_page = {"Sec-Fetch-Site": "same-origin"}
    refused = client.get("/convai/token/", headers=own_page)
    convai_settings(ALLOW_GET=True)
    allowed = client.get("/convai/token/", headers=own_page)

    assert refused.status_code == 405
    assert "GET" not in refused["Allow"]
    assert refused.json()["error"]["code"] == "method_not_allowed"
    assert allowed.status_code == 200
    assert set(allowed.json()) == BLOCK
    assert client.head("/convai/token/").status_code == 405


def test_each_learner_session_is_throttled_by_itself(
    convai: Any, learner: Any, make_user: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convai_tokens.views import LearnerSessionThrottle

    monkeypatch.setattr(LearnerSessionThrottle, "THROTTLE_RATES", {"convai_token": "2/min"})
    make_user("second-learner")
    first, second = Client(), Client()
    log_in(client=first)
    log_in(username="second-learner", client=second)

    statuses = [first.post("/convai/token/").status_code for _ in range(3)]
    throttled = first.post("/convai/token/extend/")

    assert statuses == [200, 200, 429]
    assert throttled.status_code == 429
    assert throttled.json()["error"]["code"] == "throttled"
    assert int(throttled["Retry-After"]) == throttled.json()["error"]["retryAfter"]
    assert second.post("/convai/token/").status_code == 200
    assert first.delete("/convai/token/").status_code == 204  # a revocation never is


def test_the_throttle_has_a_rate_of_its_own_where_the_project_names_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from convai_tokens.views import LearnerSessionThrottle

    monkeypatch.setattr(LearnerSessionThrottle, "THROTTLE_RATES", {})

    assert LearnerSessionThrottle().rate == "30/min"


def test_the_oldest_token_is_revoked_when_the_cap_is_passed(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client, log_in: Any
) -> None:
    convai_settings(MAX_LIVE_TOKENS=3)
    values = [log_in().json()["convai"]["apiAuthToken"]]
    values += [client.post("/convai/token/").json()["apiAuthToken"] for _ in range(4)]

    assert convai.live() == values[-3:]


def test_another_learners_session_is_never_served(
    convai: Any, learner: Any, make_user: Any, client: Client, log_in: Any
) -> None:
    other = make_user("second-learner")
    log_in()
    LearnerSession.objects.update(user=other)

    answer = client.post("/convai/token/")

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "credential_not_supported"


def test_an_error_of_no_known_kind_is_answered_500_in_json(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(raise_request_exception=False)
    log_in(client=client)

    def broken(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(views, "generate", broken)

    answer = client.post("/convai/token/")

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "convai_error"
