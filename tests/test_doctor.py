"""The doctor: each step, ok and failing, through the sandbox; its document and exit status."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.core.cache import cache
from django.core.management import call_command
from django.db import OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from convai_sandbox.process import Sandbox
from convai_tokens.convai.client import ConvaiClient, get_client
from convai_tokens.doctor import (
    installation as health,
)
from convai_tokens.doctor import (
    network as health_convai,
)
from convai_tokens.doctor import (
    step as health_step,
)
from convai_tokens.doctor import (
    trial as health_token,
)
from convai_tokens.doctor.step import Status, Step
from convai_tokens.exceptions import ConvaiUnavailable, ErrorCode
from convai_tokens.lifecycle.sealing import seal
from convai_tokens.lifecycle.sweep import SEEN_KEY
from convai_tokens.management.commands import convai_doctor
from convai_tokens.models import ConvaiToken, LearnerSession, TokenEvent

KEY = "CANARY-KEY-5d41402abc4b2a76b9719d911017c592"  # the suite's API_KEY
PREFIX = "CANARYTOKEN"
OK, WARNING, FAILED, SKIPPED = Status.OK, Status.WARNING, Status.FAILED, Status.SKIPPED
NAMES = [
    "api_key",
    "base_url",
    "system_checks",
    "middleware",
    "network",
    "tls",
    "clock",
    "generate",
    "extend",
    "revoke",
    "migrations",
    "encryption_keys",
    "owed",
    "given_up",
    "cache",
    "sweep",
    "overdue",
]
CALLS = NAMES[4:10]
ConvaiSettings = Callable[..., None]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_token, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(health_token, "LONGEST_PAUSE", 0.0)


@pytest.fixture
def shared_cache(settings: Any, tmp_path: Any) -> None:
    """A cache that is not one process's, swept a moment ago."""
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    cache.set(SEEN_KEY, timezone.now(), timeout=None)


@pytest.fixture(scope="module")
def https_sandbox() -> Iterator[Sandbox]:
    with Sandbox(https=True) as sandbox:
        yield sandbox


@pytest.fixture
def trusted(https_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox with HTTPS, its certificate in the place of certifi's bundle."""
    https_sandbox.reset()
    for module in (health_convai, requests.adapters):
        monkeypatch.setattr(module, "DEFAULT_CA_BUNDLE_PATH", https_sandbox.certificate)
    return https_sandbox


@pytest.fixture
def token_row(db: None) -> Callable[..., ConvaiToken]:
    """Make a token row, sealed unless told otherwise, in a session of its own."""

    def make(value: str = PREFIX, **fields: Any) -> ConvaiToken:
        token = ConvaiToken.objects.create(
            session=LearnerSession.objects.create(username="learner", stack="knox"),
            **{"expires_at": timezone.now() + timedelta(minutes=30), **fields},
        )
        if value:
            ConvaiToken.objects.filter(pk=token.pk).update(sealed=seal(value, token.pk))
        return token

    return make


def ago(**period: float) -> Any:
    return timezone.now() - timedelta(**period)


def owe(make: Callable[..., ConvaiToken], **fields: Any) -> ConvaiToken:
    now = timezone.now()
    return make(**{"status": "revoking", "owed_since": now, "next_attempt_at": now, **fields})


def trial() -> dict[str, Step]:
    """Try a token; return what was told."""
    told: list[Step] = []
    health_token.try_token(told.append)
    return {step.name: step for step in told}


def run_doctor(*options: str) -> tuple[int, str]:
    """Run the command in this process; return its exit status and what it wrote."""
    out = io.StringIO()
    code = 0
    try:
        call_command("convai_doctor", *options, stdout=out, stderr=out, no_color=True)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, out.getvalue()


def document(*options: str) -> dict[str, Any]:
    code, text = run_doctor("--json", *options)
    found: dict[str, Any] = json.loads(text)
    assert found["exit_status"] == code
    return found


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["status"] for step in found["steps"]}


def names_a_remedy(step: Step) -> bool:
    """Tell whether a step that needs doing names cause and fix, in a few plain sentences."""
    return all(text.endswith(".") and len(text) < 300 for text in (step.cause, step.fix))


# The steps on our own side


def test_the_key_is_present_and_not_shown() -> None:
    step = health.api_key()

    assert (step.status, step.name, step.cause, step.fix) == (OK, "api_key", "", "")
    assert step.milliseconds is not None
    assert KEY not in repr(step)


def _vault_that_leaks() -> str:
    raise RuntimeError(f"403 for {KEY}")


@pytest.mark.parametrize(
    "key", ["", "  ", None, lambda: "", "spoilt\nkey", "käse", _vault_that_leaks]
)
def test_a_key_that_cannot_be_used_is_named_and_not_shown(
    key: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(API_KEY=key)

    step = health.api_key()

    assert step.status is FAILED
    assert names_a_remedy(step)
    assert not any(secret in repr(step) for secret in (KEY, "spoilt", "käse"))


def test_the_base_url_is_shown_without_its_user_and_password(
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(BASE_URL="https://someone:secret@gateway.example.org:8443/convai?key=secret")

    step = health.base_url()

    assert (step.status, step.detail) == (OK, "https, gateway.example.org, port 8443.")


@pytest.mark.parametrize(
    "url", ["http://someone:secret@example.org", "https://", "https://secret:99999", "", None]
)
def test_a_base_url_that_cannot_be_used_is_named(url: Any, convai_settings: ConvaiSettings) -> None:
    convai_settings(BASE_URL=url)

    step = health.base_url()

    assert step.status is FAILED
    assert names_a_remedy(step)
    assert "secret" not in repr(step)


def test_the_system_checks_pass() -> None:
    assert health.system_checks().status is OK


def test_a_failing_system_check_is_told_with_its_id_and_hint(
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(READ_TIMEOUT="soon", MAX_LIVE_TOKEN=3)

    step = health.system_checks()

    assert step.status is FAILED
    assert "convai_tokens.E003: " in step.detail
    assert "convai_tokens.E008: " in step.detail
    assert "The settings are: " in step.fix


def test_a_silenced_system_check_is_not_told(
    convai_settings: ConvaiSettings, settings: Any
) -> None:
    convai_settings(MAX_LIVE_TOKEN=3)
    settings.SILENCED_SYSTEM_CHECKS = ["convai_tokens.E003"]

    assert health.system_checks().status is OK


def test_the_middleware_is_looked_for(settings: Any) -> None:
    before = health.middleware()
    settings.MIDDLEWARE = []

    step = health.middleware()

    assert before.status is OK
    assert step.status is FAILED
    assert "Add it at the end" in step.fix


@pytest.mark.django_db
def test_applied_migrations_are_ok() -> None:
    assert health.migrations().status is OK


@pytest.mark.django_db
def test_a_missing_migration_is_named() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'convai_tokens'")

    step = health.migrations()

    assert step.status is FAILED
    assert "convai_tokens.0001_initial" in step.detail
    assert "manage.py migrate" in step.fix


@pytest.mark.django_db
def test_without_stored_values_the_keys_are_tried_on_a_text(
    convai_settings: ConvaiSettings,
) -> None:
    derived = health.encryption_keys()
    convai_settings(ENCRYPTION_KEYS=["k" * 40])

    own = health.encryption_keys()

    assert (derived.status, own.status) == (OK, OK)
    assert "SECRET_KEY, as" in derived.detail
    assert own.detail.endswith("Keys: ENCRYPTION_KEYS.")


def test_stored_values_that_do_not_open_are_counted(
    token_row: Callable[..., ConvaiToken], convai_settings: ConvaiSettings
) -> None:
    convai_settings(ENCRYPTION_KEYS=["an old key " * 4])
    token_row(status="active")
    owe(token_row)
    convai_settings(ENCRYPTION_KEYS=["a new key " * 4, "an old key " * 4])
    token_row(status="active")
    both = health.encryption_keys()
    convai_settings(ENCRYPTION_KEYS=["a new key " * 4])

    step = health.encryption_keys()

    assert both.status is OK
    assert "all of 3" in both.detail
    assert step.status is FAILED
    assert step.detail.startswith("2 of 3 stored values looked at don't open, 1 of them owed")
    assert names_a_remedy(step)
    assert "new key" not in repr(step)


def test_the_newest_and_the_oldest_and_all_owed_values_are_opened(
    token_row: Callable[..., ConvaiToken], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SAMPLE", 1)
    monkeypatch.setattr(health, "MOST_OWED", 2)
    tokens = [
        token_row(status="active", expires_at=timezone.now() + timedelta(minutes=minutes))
        for minutes in range(5)
    ]
    for hours in (3, 2, 1):
        owe(token_row, owed_since=ago(hours=hours))
    ConvaiToken.objects.filter(pk__in=[tokens[0].pk, tokens[4].pk]).update(sealed="v1.broken")
    ConvaiToken.objects.filter(owed_since__gt=ago(minutes=90)).update(sealed="v1.broken")

    step = health.encryption_keys()

    assert step.detail.startswith("2 of 4 stored values looked at don't open, 0 of them owed")


@pytest.mark.django_db
def test_nothing_owed_is_ok() -> None:
    assert health.owed().detail == "Revocations owed: 0."


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(minutes=3), OK),
        (timedelta(hours=1), WARNING),
        (timedelta(hours=13), FAILED),
    ],
)
def test_what_is_owed_is_judged_by_its_age(
    age: timedelta, status: Status, token_row: Callable[..., ConvaiToken]
) -> None:
    owe(token_row, owed_since=timezone.now() - age, last_error="convai_timeout: No answer.")
    owe(token_row)

    step = health.owed()

    assert step.status is status
    assert step.detail.startswith("Revocations owed: 2, the oldest for ")
    assert ("convai_timeout: No answer." in step.detail) == (status is not OK)
    assert ".." not in step.detail
    assert names_a_remedy(step) == (status is not OK)


def test_what_is_owed_tells_when_its_next_try_is(token_row: Callable[..., ConvaiToken]) -> None:
    """As after a 429 with a long Retry-After: all else is ok by then."""
    later = timezone.now() + timedelta(minutes=40)
    owe(token_row, owed_since=ago(hours=1), next_attempt_at=later)

    assert "Its next try is in 40 min." in health.owed().detail


def test_what_is_owed_beyond_the_horizon_is_no_matter_of_zero_seconds(
    token_row: Callable[..., ConvaiToken],
) -> None:
    owe(token_row, owed_since=ago(hours=28))

    step = health.owed()

    assert step.status is FAILED
    assert "raise REVOKE_HORIZON" in step.fix


def test_tokens_that_were_given_up_of_late_are_counted(
    token_row: Callable[..., ConvaiToken],
) -> None:
    before = health.given_up()
    for kind, days in (("lapsed", 1), ("lapsed", 6), ("lapsed", 8), ("unknown", 2)):
        token = token_row("", status=kind)
        TokenEvent.objects.create(session=token.session, token=token, kind=kind, at=ago(days=days))

    step = health.given_up()

    assert before.status is OK
    assert step.status is WARNING
    assert step.detail == "Tokens of the last 7 days: 2 lapsed, 1 unknown."
    assert names_a_remedy(step)


def test_a_cache_of_one_process_is_a_warning_and_hides_the_sweep() -> None:
    assert health.cache().status is WARNING
    assert names_a_remedy(health.cache())
    assert health.sweep().status is SKIPPED
    assert "Can't be known" in health.sweep().detail


@pytest.mark.usefixtures("shared_cache")
def test_a_shared_cache_is_ok_and_keeps_nothing_of_the_doctor(tmp_path: Any) -> None:
    before = sorted(tmp_path.iterdir())

    step = health.cache()

    assert step.status is OK
    assert sorted(tmp_path.iterdir()) == before


def test_a_cache_that_is_down_fails_without_its_address(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.test_doctor.BrokenCache", "LOCATION": ""}}

    steps = [health.cache(), health.sweep()]

    assert [step.status for step in steps] == [FAILED, FAILED]
    assert all(names_a_remedy(step) for step in steps)
    assert "secret" not in repr(steps)


@pytest.mark.django_db
def test_a_cache_that_is_down_is_one_failure_and_not_two(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.test_doctor.BrokenCache", "LOCATION": ""}}
    steps: dict[str, Step] = {}

    convai_doctor.examine(lambda step: steps.update({step.name: step}), offline=True)

    assert steps["cache"].status is FAILED
    assert steps["sweep"].status is SKIPPED


class BrokenCache:
    """A cache whose server is down."""

    def __init__(self, location: str, options: dict[str, Any]) -> None:
        pass

    def get(self, *args: Any, **kwargs: Any) -> None:
        raise ConnectionError("redis://:secret@cache.example.org")

    def set(self, *args: Any, **kwargs: Any) -> None:
        self.get()

    def clear(self) -> None:
        pass

    def close(self) -> None:
        pass


class SilentCache(BrokenCache):
    """A cache that keeps nothing, and says nothing."""

    def get(self, *args: Any, **kwargs: Any) -> None:
        return None

    def delete(self, *args: Any) -> None:
        pass


def test_a_cache_that_keeps_nothing_fails(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.test_doctor.SilentCache", "LOCATION": ""}}

    step = health.cache()

    assert step.status is FAILED
    assert "keeps nothing" in step.detail


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(seconds=50), OK),
        (timedelta(minutes=30), WARNING),
        (timedelta(hours=3), FAILED),
        (None, WARNING),
    ],
)
def test_the_sweep_is_judged_by_when_it_came_to_its_end(
    age: timedelta | None, status: Status
) -> None:
    if age is None:
        cache.delete(SEEN_KEY)
    else:
        cache.set(SEEN_KEY, timezone.now() - age)

    step = health.sweep()

    assert step.status is status
    assert ("convai_sweep" in step.fix) == (status is not OK)


@pytest.mark.parametrize(
    ("swept", "fields", "status"),
    [
        (WARNING, {"next_attempt_at": 20}, FAILED),
        (SKIPPED, {"next_attempt_at": 20}, FAILED),
        (OK, {"next_attempt_at": 20}, WARNING),
        (WARNING, {"next_attempt_at": 2}, OK),
        (WARNING, {"next_attempt_at": 20, "claimed_until": -1}, OK),
        (WARNING, {"next_attempt_at": 20, "claimed_until": 8}, FAILED),
    ],
)
def test_revocations_that_nobody_claims_say_that_the_sweep_is_not_running(
    swept: Status, fields: dict[str, int], status: Status, token_row: Callable[..., ConvaiToken]
) -> None:
    owe(token_row, **{name: ago(minutes=minutes) for name, minutes in fields.items()})

    step = health.overdue(Step(swept, ""))

    assert step.status is status
    assert ("isn't running" in step.cause) == (status is FAILED)
    assert ("or Convai fails it" in step.cause) == (swept is SKIPPED)


def test_a_step_that_raises_fails_without_the_words_of_the_exception() -> None:
    @health_step.timed
    def surprise() -> Step:
        raise ValueError(KEY)

    step = surprise()

    assert (step.name, step.status) == ("surprise", FAILED)
    assert "ValueError" in step.detail
    assert KEY not in repr(step)


def test_a_database_that_is_down_is_named_without_its_address() -> None:
    @health_step.timed
    def read() -> Step:
        raise OperationalError("connection to someone:secret@db.example.org failed")

    step = read()

    assert (step.status, step.detail) == (FAILED, "The database raised OperationalError.")
    assert names_a_remedy(step)


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "40 s"), (720, "12 min"), (18000, "5 h"), (259200, "3 days")]
)
def test_ages_are_told_in_words(seconds: int, words: str) -> None:
    assert health._age(timedelta(seconds=seconds)) == words


# Reaching Convai


@pytest.mark.usefixtures("convai")
def test_a_convai_that_listens_is_reached() -> None:
    assert health_convai.network().status is OK


def test_a_port_on_which_nobody_listens_is_named(
    convai_settings: ConvaiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    convai_settings(BASE_URL="http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://someone:secret@proxy.example.org")

    step = health_convai.network()

    assert step.status is FAILED
    assert "Port 9 of 127.0.0.1 refuses" in step.detail
    assert "the app uses no proxy" in step.cause
    assert "secret" not in repr(step)


def test_a_name_that_is_not_resolved_is_named(convai_settings: ConvaiSettings) -> None:
    convai_settings(BASE_URL="https://convai.invalid")

    step = health_convai.network()

    assert step.status is FAILED
    assert "convai.invalid is not resolved" in step.detail
    assert step.fix == "Try: getent hosts convai.invalid"


def test_a_resolver_that_hangs_is_not_waited_for(
    convai_settings: ConvaiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    convai_settings(CONNECT_TIMEOUT=0.1)
    let_go, ended = threading.Event(), threading.Event()

    def hang(*args: Any) -> Any:
        let_go.wait(20)
        ended.set()
        raise OSError

    monkeypatch.setattr(socket, "create_connection", hang)

    step = health_convai.network()

    assert not ended.is_set()
    let_go.set()
    assert step.status is FAILED
    assert "TimeoutError" in step.detail


@pytest.mark.usefixtures("convai")
def test_plain_http_on_loopback_has_no_certificate() -> None:
    step = health_convai.tls()

    assert step.status is SKIPPED
    assert "plain http on loopback" in step.detail


def test_a_certificate_that_ends_soon_is_a_warning_and_else_ok(
    trusted: Sandbox, convai_settings: ConvaiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    convai_settings(BASE_URL=trusted.url)  # its certificate is good for one day
    soon = health_convai.tls()
    monkeypatch.setattr(health_convai, "CERTIFICATE_ENDS", timedelta(hours=1))

    step = health_convai.tls()

    assert (soon.status, step.status) == (WARNING, OK)
    assert names_a_remedy(soon)
    assert step.detail == "TLSv1.3, the certificate is valid for 0 more days."


def test_a_certificate_that_nobody_vouches_for_says_whose_trust_counts(
    https_sandbox: Sandbox, convai_settings: ConvaiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", https_sandbox.certificate or "")
    convai_settings(BASE_URL=https_sandbox.url)

    step = health_convai.tls()

    assert step.status is FAILED
    assert "self-signed certificate" in step.detail
    assert "sandbox" in step.cause
    assert "certifi" in step.fix


def test_a_certificate_for_another_address_is_told_apart(
    trusted: Sandbox, convai_settings: ConvaiSettings
) -> None:
    convai_settings(BASE_URL=f"https://127.0.0.2:{trusted.port}")

    step = _tls_by_way_of(trusted)

    assert step.status is FAILED
    assert "for another address" in step.detail


def _tls_by_way_of(sandbox: Sandbox) -> Step:
    """Run the step with every connection going to the sandbox, whatever the address."""
    connect = socket.create_connection
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            socket, "create_connection", lambda _, timeout: connect(("127.0.0.1", sandbox.port))
        )
        return health_convai.tls()


def test_a_port_that_does_not_speak_tls_is_named(
    convai: Sandbox, convai_settings: ConvaiSettings
) -> None:
    convai_settings(BASE_URL=f"https://127.0.0.1:{convai.port}")

    step = health_convai.tls()

    assert step.status is FAILED
    assert "No TLS connection" in step.detail
    assert names_a_remedy(step)


@pytest.mark.parametrize(
    ("offset", "status"),
    [(0, OK), (-20, OK), (90, WARNING), (-90, WARNING), (900, FAILED), (-900, FAILED)],
)
def test_the_clocks_are_compared(offset: int, status: Status, convai: Sandbox) -> None:
    convai.set(clock_offset=offset)

    step = health_convai.clock()

    assert step.status is status
    assert ("ahead of" in step.detail) == (offset > 30)
    assert ("behind" in step.detail) == (offset < -30)
    assert names_a_remedy(step) == (status is not OK)


def test_the_clock_is_asked_without_the_key_and_without_following_anybody(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[requests.PreparedRequest] = []
    send = requests.Session.send

    def spy(self: Any, request: requests.PreparedRequest, **kwargs: Any) -> Any:
        sent.append(request)
        assert kwargs["allow_redirects"] is False
        return send(self, request, **kwargs)

    monkeypatch.setattr(requests.Session, "send", spy)

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    step = health_convai.clock()

    assert step.status is OK
    assert [request.method for request in sent] == ["HEAD"]
    assert KEY not in repr(sent[0].headers)


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_an_answer_without_a_date_is_a_warning(
    date: str | None, convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_convai, "_within", lambda seconds, call: date)

    step = health_convai.clock()

    assert step.status is WARNING
    assert names_a_remedy(step)


# The throw-away token


def test_a_token_is_generated_extended_and_revoked(convai: Sandbox) -> None:
    found = trial()

    assert {name: step.status for name, step in found.items()} == {
        "generate": OK,
        "extend": OK,
        "revoke": OK,
    }
    assert convai.summary()["revoked"] == 1
    assert convai.live() == []


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ({"accepted_keys": ["another"]}, "convai_bad_key"),
        ({"faults": {"429": 1}}, "convai_rate_limited"),
        ({"faults": {"403": 1}, "error_text": "API usage limit exceeded for current plan."},
         "convai_plan_limit"),
        ({"faults": {"503": 1}}, "convai_unavailable"),
        ({"faults": {"404": 1}}, "convai_refused"),
        ({"redirect": 302}, "convai_unavailable"),
        ({"reset": True}, "convai_dropped"),
        ({"malformed": "not_json"}, "convai_unavailable"),
    ],
)  # fmt: skip
def test_a_token_that_is_not_generated_fails_with_its_cause(
    switches: dict[str, Any], code: str, convai: Sandbox
) -> None:
    convai.set(**switches)

    found = trial()

    assert found["generate"].status is FAILED
    assert found["generate"].detail.startswith(f"{code}: ")
    assert names_a_remedy(found["generate"])
    assert found["extend"].status is found["revoke"].status is SKIPPED
    assert convai.live() == []


def test_a_convai_that_hangs_is_given_up_with_a_word_on_the_token(
    convai: Sandbox, convai_settings: ConvaiSettings
) -> None:
    convai_settings(CONNECT_TIMEOUT=0.2, READ_TIMEOUT=0.2)
    convai.set(hang_after=True)

    step = trial()["generate"]

    assert step.detail.startswith("convai_timeout: ")
    assert step.detail.endswith("A token that nobody has may be alive.")


def test_the_token_is_revoked_also_when_extend_fails(convai: Sandbox) -> None:
    convai.set(faults={"429": 1}, fault_paths=["extend"], retry_after="30")

    found = trial()

    assert found["extend"].status is FAILED
    assert found["revoke"].status is OK
    assert convai.summary()["revoked"] == 1


def test_the_token_is_revoked_also_when_nobody_can_be_told(convai: Sandbox) -> None:
    def closed(step: Step) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        health_token.try_token(closed)

    assert convai.summary()["revoked"] == 1


def test_a_token_that_could_not_be_revoked_is_told_with_its_end(convai: Sandbox) -> None:
    convai.set(faults={"503": 1}, fault_paths=["revoke"])

    step = trial()["revoke"]

    assert step.status is FAILED
    ends = convai.ledger()["tokens"][0]["expires_at"][11:16]
    assert f"was NOT revoked: it lives until {ends} UTC" in step.detail
    assert names_a_remedy(step)
    assert convai.summary()["calls"]["/user/revoke-token"] == len(health_token.PAUSES)


def test_an_interrupted_revocation_is_told(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: ConvaiClient, value: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ConvaiClient, "revoke", interrupt)
    told: list[Step] = []

    with pytest.raises(KeyboardInterrupt):
        health_token.try_token(told.append)

    assert (told[-1].name, told[-1].status) == ("revoke", FAILED)
    assert "was NOT revoked" in told[-1].detail


def test_a_revocation_that_succeeds_at_a_later_try_is_a_warning(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Exception | None] = [ConvaiUnavailable("A hiccup."), None]
    revoke = ConvaiClient.revoke

    def hiccup(self: ConvaiClient, value: Any) -> None:
        if answer := answers.pop(0):
            raise answer
        revoke(self, value)

    monkeypatch.setattr(ConvaiClient, "revoke", hiccup)

    step = trial()["revoke"]

    assert step.status is WARNING
    assert "A hiccup." in step.detail
    assert convai.live() == []


@pytest.mark.parametrize(
    ("text", "code"), [("Not Found", "token_rejected"), ("Unknown token.", "token_gone")]
)
def test_a_convai_that_does_not_know_the_new_token_is_a_failure(
    convai: Sandbox, text: str, code: str
) -> None:
    convai.set(faults={"404": 1}, fault_paths=["revoke"], error_text=text)

    step = trial()["revoke"]

    assert step.status is FAILED
    assert step.detail.startswith(f"{code}: ")
    assert "was NOT revoked" in step.detail


def test_a_token_that_is_gone_after_an_unheard_answer_was_revoked_by_then(
    convai: Sandbox,
) -> None:
    convai.set(drop=True, fault_paths=["revoke"], revoke_dead=404)
    revoke = ConvaiClient.revoke

    def drop_once(self: ConvaiClient, value: Any) -> None:
        try:
            revoke(self, value)
        finally:
            convai.set(drop=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConvaiClient, "revoke", drop_once)
        step = trial()["revoke"]

    assert step.status is WARNING
    assert step.detail.startswith("Revoked, but ")
    assert convai.live() == []


@pytest.mark.parametrize(
    ("switches", "name", "words"),
    [
        ({"expiration_format": "nonsense"}, "generate", "missing or unreadable"),
        ({"expiration_format": "none"}, "generate", "missing or unreadable"),
        ({"clock_offset": -7200}, "generate", "passed already"),
        ({"ttl": 60}, "generate", "1 min"),
        ({"ttl": 36000}, "generate", "600 min"),
        ({"extend_by": 60}, "extend", "1 min"),
        ({"extend_by": 30 * 3600}, "extend", "1800 min"),
    ],
)
def test_an_implausible_expiration_is_a_warning(
    switches: dict[str, Any], name: str, words: str, convai: Sandbox
) -> None:
    convai.set(**switches)

    found = trial()

    assert found[name].status is WARNING
    assert words in found[name].detail
    assert names_a_remedy(found[name])
    assert found["revoke"].status is OK


@pytest.mark.parametrize("form", ["z", "naive", "epoch"])
def test_every_form_of_expiration_is_plausible_and_so_are_24_hours_by_extend(
    form: str, convai: Sandbox
) -> None:
    convai.set(expiration_format=form, extend_by=24 * 3600)

    assert {step.status for step in trial().values()} == {OK}


def test_the_doctor_calls_although_the_breaker_is_open_and_leaves_it_as_it_is(
    convai: Sandbox,
) -> None:
    breakers = get_client().breaker, get_client().revoking
    for breaker in breakers:
        breaker.heard(ConvaiUnavailable("", code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=60))

    found = trial()

    assert {step.status for step in found.values()} == {OK}
    assert all(50 < breaker.pause_left <= 60 for breaker in breakers)


def test_a_failing_doctor_does_not_open_the_breaker_nor_write_log_lines(
    convai: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    convai.set(accepted_keys=["another"])

    trial()

    assert get_client().breaker.pause_left == get_client().revoking.pause_left == 0
    assert [record for record in caplog.records if record.name == "convai_tokens"] == []
    logging.getLogger("convai_tokens").warning("afterwards")
    assert "afterwards" in caplog.text


def test_convai_is_not_called_while_a_transaction_is_open(convai: Sandbox) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        trial()

    assert convai.summary()["calls"] == {}


def test_promise_8_the_doctor_calls_convai_before_it_opens_a_transaction_or_reads_a_row(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, int]] = []
    real = ConvaiClient._in_thread  # still in the caller's thread, whose connection counts

    def spy(self: Any, *args: Any) -> Any:
        seen.append((connections["default"].in_atomic_block, len(queries)))
        return real(self, *args)

    monkeypatch.setattr(ConvaiClient, "_in_thread", spy)
    with CaptureQueriesContext(connections["default"]) as queries:
        run_doctor()

    assert seen == [(False, 0)] * 3
    assert len(queries) > 0


# The command


@pytest.mark.usefixtures("shared_cache")
def test_all_is_well_and_the_exit_status_is_0(convai: Sandbox) -> None:
    code, text = run_doctor()

    assert code == 0
    lines = text.splitlines()
    assert re.fullmatch(r"✓ api_key {7,}\d+ ms  Present \(never shown\)\.", lines[0])
    assert lines[-1] == "✓ All is well: 16 ok, 1 skipped."
    assert [line.split()[1] for line in lines if line[:1] in "✓!✗-" and line][:-1] == NAMES


def test_warnings_end_with_exit_status_1(convai: Sandbox) -> None:
    code, text = run_doctor()

    assert code == 1
    assert "\n! cache " in text
    assert "\n" + " " * 29 + "Cause: Each process" in text
    assert text.splitlines()[-1].startswith("! It works, but needs attention: 14 ok, 1 warning,")


def test_a_failure_ends_with_exit_status_2(convai: Sandbox) -> None:
    convai.set(accepted_keys=["another"])

    code, text = run_doctor()

    assert code == 2
    assert "\n✗ generate " in text
    assert "Fix: Copy the key anew" in text
    assert text.splitlines()[-1].startswith("✗ It needs mending: ")


def test_little_is_shown_with_verbosity_0(convai: Sandbox) -> None:
    _, text = run_doctor("--verbosity=0")

    assert text.startswith("! cache ")
    assert "✓" not in text


@pytest.mark.usefixtures("shared_cache")
def test_the_document_has_every_step_in_its_shape(convai: Sandbox) -> None:
    found = document()

    assert list(found) == ["verdict", "exit_status", "at", "version", "steps"]
    assert (found["verdict"], found["exit_status"]) == ("ok", 0)
    assert [step["name"] for step in found["steps"]] == NAMES
    for step in found["steps"]:
        assert set(step) == {"name", "status", "detail", "cause", "fix", "milliseconds"}
        assert step["status"] in ("ok", "warning", "failed", "skipped")
        assert step["detail"]


def test_offline_calls_nobody(convai: Sandbox) -> None:
    found = document("--offline")

    assert [name for name, status in statuses(found).items() if status == "skipped"][:6] == CALLS
    assert convai.summary()["calls"] == {}


@pytest.mark.parametrize(
    ("changes", "skipped"),
    [
        ({"BASE_URL": "http://example.org"}, CALLS),
        ({"BASE_URL": "http://127.0.0.1:9"}, CALLS[1:]),
        ({"API_KEY": ""}, ["tls", *CALLS[3:]]),
    ],
)
def test_steps_that_could_only_fail_are_skipped(
    changes: dict[str, str], skipped: list[str], convai: Sandbox, convai_settings: ConvaiSettings
) -> None:
    convai_settings(**changes)

    found = document()

    assert found["verdict"] == "failed"
    assert [name for name in CALLS if statuses(found)[name] == "skipped"] == skipped


def test_the_key_goes_over_no_connection_that_is_not_trusted(
    https_sandbox: Sandbox, convai_settings: ConvaiSettings, transactional_db: None
) -> None:
    https_sandbox.reset()
    convai_settings(BASE_URL=https_sandbox.url)

    found = document()

    assert statuses(found)["tls"] == "failed"
    assert {statuses(found)[name] for name in CALLS[2:]} == {"skipped"}
    assert https_sandbox.summary()["calls"] == {}


def test_all_calls_are_made_over_https(
    trusted: Sandbox, convai_settings: ConvaiSettings, transactional_db: None
) -> None:
    convai_settings(BASE_URL=trusted.url)

    found = statuses(document())

    assert [found[name] for name in CALLS] == ["ok", "warning", "ok", "ok", "ok", "ok"]
    assert trusted.summary()["revoked"] == 1


def test_without_tables_the_steps_that_read_them_are_skipped(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = health_step.timed(lambda: health_step.failed("Not applied.", "A cause.", "A fix."))
    monkeypatch.setattr(
        health, "migrations", lambda: Step(**{**vars(missing()), "name": "migrations"})
    )

    found = statuses(document())

    readers = ("encryption_keys", "owed", "given_up", "overdue")
    assert {found[name] for name in readers} == {"skipped"}


def test_the_doctor_leaves_no_rows_and_no_token(convai: Sandbox, learner: Any) -> None:
    run_doctor()

    models = (LearnerSession, ConvaiToken, TokenEvent)
    assert [model._default_manager.count() for model in models] == [0, 0, 0]
    assert convai.live() == []


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"faults": {"400": 1}, "fault_paths": ["extend"]},
        {"faults": {"503": 1}, "fault_paths": ["revoke"]},
        {"accepted_keys": ["another"]},
        {"redirect": 307},
    ],
)
@pytest.mark.parametrize("form", ["--json", "--no-color"])
def test_no_key_and_no_token_is_ever_shown(
    form: str,
    switches: dict[str, Any],
    convai: Sandbox,
    token_row: Callable[..., ConvaiToken],
    caplog: pytest.LogCaptureFixture,
) -> None:
    owe(token_row, owed_since=ago(hours=14))
    convai.set(token_prefix=PREFIX, echo_secrets=True, **switches)

    with caplog.at_level(logging.DEBUG):
        _, text = run_doctor(form, "--verbosity=3", "--traceback")

    assert "extend" in text
    assert KEY not in text + caplog.text
    assert PREFIX not in text + caplog.text


def test_log_lines_keep_out_of_the_document(
    convai: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stdout)
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        with pytest.raises(SystemExit):
            call_command("convai_doctor", "--json")
        assert handler.stream is sys.stdout
    finally:
        root.setLevel(level)
        root.removeHandler(handler)

    out, err = capsys.readouterr()
    assert json.loads(out)["verdict"] == "warning"
    assert "/user/connect" in err


def test_a_terminal_without_utf8_gets_plain_marks(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="latin-1")

    with pytest.raises(SystemExit):
        call_command("convai_doctor", "--offline", stdout=out, no_color=True)
    out.flush()

    assert raw.getvalue().startswith(b"+ api_key ")


@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_a_stop_signal_waits_for_the_step_and_the_token_is_revoked(
    verb: str, convai: Sandbox
) -> None:
    convai.set(latency=1.5, fault_paths=[verb])

    process = _start_doctor(convai)
    _await_call(convai, verb)
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=30)

    assert process.returncode == 2
    found = json.loads(text)
    assert found["steps"][-1]["name"] == "doctor"
    assert statuses(found)["revoke"] == "ok"
    assert (convai.summary()["revoked"], convai.live()) == (1, [])


def test_a_second_signal_is_obeyed_at_once(convai: Sandbox) -> None:
    convai.set(hang=True, fault_paths=["extend"])

    process = _start_doctor(convai)
    _await_call(convai, "extend")
    for number in (signal.SIGTERM, signal.SIGINT):  # two of a kind could become one
        process.send_signal(number)
    text, _ = process.communicate(timeout=30)

    assert statuses(json.loads(text)) == {
        **dict.fromkeys(["api_key", "base_url", "system_checks", "middleware"], "ok"),
        "network": "ok",
        "tls": "skipped",
        "clock": "ok",
        "generate": "ok",
        "revoke": "ok",
        "doctor": "failed",
    }
    assert convai.live() == []


def _start_doctor(sandbox: Sandbox) -> subprocess.Popen[str]:
    program = (
        "import django\nfrom django.conf import settings\n"
        f"settings.CONVAI_TOKENS = {{**settings.CONVAI_TOKENS, 'BASE_URL': {sandbox.url!r}}}\n"
        "django.setup()\nfrom django.core.management import call_command\n"
        "call_command('convai_doctor', json=True)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )


def _await_call(sandbox: Sandbox, verb: str) -> None:
    path = {"generate": "/user/connect", "extend": "/user/extend-token"}[verb]
    until = time.monotonic() + 20
    while path not in sandbox.summary()["calls"]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_verdict_is_the_worst_status() -> None:
    steps = [Step(status, "") for status in (OK, SKIPPED, WARNING, FAILED)]

    assert [health_step.verdict(steps[:count]) for count in range(5)] == [
        OK,
        OK,
        OK,
        WARNING,
        FAILED,
    ]
