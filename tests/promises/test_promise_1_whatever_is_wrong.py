"""Promise 1: whatever goes wrong after a login was noted, the response has its block, with why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import login
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, DataError
from django.http import HttpRequest, JsonResponse
from django.test import Client, RequestFactory

from convai_tokens.logins import receivers
from convai_tokens.middleware import ConvaiTokenMiddleware
from convai_tokens.models import LearnerSession

LOGINS = ["/login/json/", "/login/drf/", "/login/knox/"]


def raising(*args: Any) -> Any:
    raise LookupError("the directory is away: SECRET-OF-THE-HOOK")


WRONG_SETTINGS = {
    "BASE_URL over the network in clear": {"BASE_URL": "http://convai.example.org"},
    "BASE_URL to a name like loopback": {"BASE_URL": "http://localhost.example.org"},
    "BASE_URL of another scheme": {"BASE_URL": "ftp://127.0.0.1"},
    "BASE_URL none": {"BASE_URL": None},
    "ENCRYPTION_KEYS a text": {"ENCRYPTION_KEYS": "x" * 48},
    "ENCRYPTION_KEYS short": {"ENCRYPTION_KEYS": ["short"]},
    "ENCRYPTION_KEYS bytes": {"ENCRYPTION_KEYS": [b"x" * 48]},
    "ENCRYPTION_KEYS empty": {"ENCRYPTION_KEYS": []},
    "CONNECT_TIMEOUT a text": {"CONNECT_TIMEOUT": "2"},
    "READ_TIMEOUT none": {"READ_TIMEOUT": None},
    "READ_TIMEOUT endless": {"READ_TIMEOUT": float("inf")},
    "LOGIN_BUDGET negative": {"LOGIN_BUDGET": -1},
    "LOGIN_BUDGET a period": {"LOGIN_BUDGET": timedelta(seconds=3)},
    "MAX_CONCURRENT a fraction": {"MAX_CONCURRENT": 1.5},
    "ISSUE_IF no path": {"ISSUE_IF": "no.such.module"},
    "END_USER no callable": {"END_USER": 42},
}


@pytest.mark.parametrize("changes", WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
@pytest.mark.parametrize("path", LOGINS)
def test_promise_1_a_setting_that_must_never_be_is_refused_where_it_is_used(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    log_in: Any,
    caplog: pytest.LogCaptureFixture,
    path: str,
    changes: dict[str, Any],
) -> None:
    convai_settings(**changes)

    response = log_in(path)

    assert response.status_code == 200
    block = response.json()["convai"]
    assert block["apiAuthToken"] is None
    assert block["error"]["code"] == "convai_misconfigured"
    assert convai.summary()["calls"] == {}
    assert f"CONVAI_TOKENS['{next(iter(changes))}']" in caplog.text
    assert "x" * 16 not in response.content.decode() + caplog.text.replace("x" * 48, "", 0)


def test_promise_1_a_cap_that_must_never_be_is_refused_with_the_first_token_it_is_asked_about(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    log_in: Any,
    client: Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A session's first token can't be beyond it."""
    log_in()
    convai_settings(MAX_LIVE_TOKENS=True)

    response = client.post("/convai/token/")

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "convai_misconfigured"
    assert convai.summary()["generated"] == 1
    assert "CONVAI_TOKENS['MAX_LIVE_TOKENS']" in caplog.text


@pytest.mark.parametrize("key", ["a-key\nX-Evil: 1", "a\rkey", "a\0key", "schlüssel"])
def test_promise_1_a_key_that_no_header_can_carry_is_sent_to_nobody(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any, key: str
) -> None:
    convai_settings(API_KEY=key)

    response = log_in()

    assert response.status_code == 200
    assert response.json()["convai"]["error"]["code"] in ("convai_misconfigured", "convai_no_key")
    assert convai.summary()["calls"] == {}


NONSENSE = {
    "none": lambda *args: None,
    "one part": lambda *args: ("42",),
    "three parts": lambda *args: ("42", "A", "B"),
    "a number": lambda *args: 42,
}


@pytest.mark.parametrize("hook", ["ISSUE_IF", "END_USER", "PAYLOAD"])
@pytest.mark.parametrize("path", LOGINS)
def test_promise_1_a_hook_that_raises_costs_the_token_and_is_named_in_the_log(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    log_in: Any,
    caplog: pytest.LogCaptureFixture,
    hook: str,
    path: str,
) -> None:
    convai_settings(**{hook: raising})

    response = log_in(path)

    assert response.status_code == 200
    assert response.json()["convai"]["apiAuthToken"] is None
    assert response.json()["convai"]["error"]["code"] == "convai_misconfigured"
    assert "SECRET-OF-THE-HOOK" not in response.content.decode()
    assert f"CONVAI_TOKENS['{hook}'] fails" in caplog.text


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("hook", ["END_USER", "PAYLOAD"])
def test_promise_1_a_hook_that_returns_nonsense_is_one_that_fails(
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    log_in: Any,
    hook: str,
    nonsense: Any,
) -> None:
    convai_settings(**{hook: nonsense})

    block = log_in().json()["convai"]

    assert block["apiAuthToken"] is None
    assert block["error"]["code"] == "convai_misconfigured"


def test_promise_1_a_hook_that_fails_for_one_learner_costs_nobody_else(
    convai: Any, convai_settings: Callable[..., None], make_user: Any, log_in: Any
) -> None:
    def end_user(user: Any) -> tuple[str, str]:
        if user.get_username() == "odd":
            raise LookupError
        return str(user.pk), user.get_username()

    convai_settings(END_USER=end_user)
    make_user("odd")
    make_user("even")

    blocks = [log_in(username=name, client=Client()).json()["convai"] for name in ("odd", "even")]

    assert [bool(block["apiAuthToken"]) for block in blocks] == [False, True]


@pytest.mark.parametrize("hook", ["ISSUE_IF", "END_USER"])
def test_promise_1_the_endpoint_answers_json_when_a_hook_raises(
    convai: Any, convai_settings: Callable[..., None], learner: Any, client: Client, hook: str
) -> None:
    client.force_login(learner)
    convai_settings(**{hook: raising})

    response = client.post("/convai/token/")

    assert response.status_code == 503
    assert response["Content-Type"] == "application/json"
    assert response.json()["error"]["code"] == "convai_misconfigured"


def test_promise_1_the_endpoint_answers_json_without_its_tables(
    convai: Any, learner: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_table(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("no such table: convai_tokens_learnersession")

    client.force_login(learner)
    monkeypatch.setattr("convai_tokens.logins.token_requests.session_of", no_table)

    response = client.post("/convai/token/")

    assert response.status_code == 500
    assert response.json()["error"]["code"] == "convai_error"
    assert "no such table" not in response.content.decode()


def test_promise_1_a_learner_who_is_to_have_no_token_is_told_so(
    convai: Any, convai_settings: Callable[..., None], learner: Any, log_in: Any
) -> None:
    convai_settings(ISSUE_IF=lambda request, user: False)

    block = log_in().json()["convai"]

    assert block["error"] == {
        "code": "convai_not_allowed",
        "message": "This learner gets no Convai token.",
        "retryAfter": None,
    }
    assert LearnerSession.objects.count() == 0


@pytest.mark.parametrize(
    "failure", [DatabaseError("away"), ImproperlyConfigured("away"), RuntimeError("away")], ids=repr
)
def test_promise_1_a_login_whose_session_cannot_be_read_has_its_block(
    convai: Any,
    learner: Any,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    def broken(*args: Any) -> None:
        raise failure

    monkeypatch.setattr(receivers, "session_credential", broken)

    response = log_in()

    assert response.status_code == 200
    block = response.json()["convai"]
    assert block["apiAuthToken"] is None
    assert block["error"]["code"] in ("convai_error", "convai_misconfigured")


# A learner's text is not a secret and not an obstacle

BODIES = {
    "a kiosk's name": ("KIOSK-BERLIN-0001", "KIOSK-BERLIN-0001"),
    "a host name": (
        "training-pc-17.school.example.org",
        "training-pc-17.school.example.org",
    ),
    "a long word": ("x" * 64, "x" * 64),
    "a lone surrogate": ("kiosk \ud83d 7", "kiosk \ufffd 7"),
    "control characters": ("kiosk\r\n\x00\x1b[31m7", "kiosk [31m7"),
    "a bidi override": ("kiosk \u202e7", "kiosk \\u202e7"),
    "bidi isolates": ("\u2066kiosk\u2069", "\\u2066kiosk\\u2069"),
    "a zero width space": ("ki\u200bosk", "ki\\u200bosk"),
    "another script": ("киоск 7", "киоск 7"),
    "10 kB": ("k" * 10_240, "k" * 119 + "…"),
    "blanks": (" \t ", ""),
    "no text": (7, ""),
    "an object": ({"name": "kiosk"}, ""),
}


@pytest.mark.parametrize(("given", "stored"), BODIES.values(), ids=BODIES)
def test_promise_1_a_device_is_stored_as_it_was_given_and_costs_nobody_a_token(
    convai: Any, learner: Any, client: Client, log_in: Any, given: Any, stored: str
) -> None:
    body = json.dumps(
        {"username": "learner", "password": "a-password-of-the-suite", "device": given}
    )

    response = client.post("/login/json/", body, content_type="application/json")

    assert response.json()["convai"]["apiAuthToken"] in convai.live()
    assert LearnerSession.objects.get().device == stored


def test_promise_1_an_emoji_in_a_devices_name_costs_nobody_a_token(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the database's character set has none, as MySQL's utf8mb3."""
    save = LearnerSession.save

    def as_in_utf8mb3(session: LearnerSession, **kwargs: Any) -> None:
        if any(ord(character) > 0xFFFF for character in session.device):
            raise DataError(1366, "Incorrect string value: '\\xF0\\x9F\\x8E\\xAE'")
        save(session, **kwargs)

    monkeypatch.setattr(LearnerSession, "save", as_in_utf8mb3)

    response = log_in(device="kiosk \U0001f3ae")

    assert response.json()["convai"]["apiAuthToken"] in convai.live()
    assert LearnerSession.objects.get().device == "kiosk \\U0001f3ae"


def test_promise_1_a_body_nested_a_thousand_deep_costs_nobody_a_token(
    convai: Any, learner: Any
) -> None:
    def view(request: HttpRequest) -> JsonResponse:
        """Log in without a look at the body, as a view behind an identity provider does."""
        login(request, learner)
        return JsonResponse({})

    deep = b'{"device": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    request = RequestFactory().post("/login/", deep, content_type="application/json")
    serve = SessionMiddleware(ConvaiTokenMiddleware(view))

    response: Any = serve(request)

    assert json.loads(response.content)["convai"]["apiAuthToken"] in convai.live()
