"""Generate, extend, revoke and connect, in all the ways in which Convai's pages disagree."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from convai_sandbox.process import Sandbox
from convai_sandbox.switches import ENVELOPES

from .calls import KEY, call, generate, token_of


def test_a_generated_token_connects_until_it_is_revoked(convai_sandbox: Sandbox) -> None:
    reply = call(convai_sandbox, "generate")
    token = reply.json["apiAuthToken"]

    before = convai_sandbox.connect(token)
    revoked = call(convai_sandbox, "revoke", token)

    assert (reply.status, before, revoked.status) == (200, 200, 200)
    assert revoked.json == {"STATUS": "SUCCESS"}
    assert convai_sandbox.connect(token) == 401
    assert reply.headers["Content-Type"] == "application/json"


def test_generating_leaves_earlier_tokens_alive(convai_sandbox: Sandbox) -> None:
    first, second = generate(convai_sandbox), generate(convai_sandbox)

    assert first != second
    assert convai_sandbox.live() == [first, second]


@pytest.mark.parametrize("header", ["API-AUTH-TOKEN", "CONVAI-API-KEY", "X-API-Key", "x-api-key"])
def test_a_client_may_send_its_token_in_any_of_three_headers(
    convai_sandbox: Sandbox, header: str
) -> None:
    token = generate(convai_sandbox)

    status, body = convai_sandbox.call("POST", "/connect", headers={header: token})

    assert (status, b"connected" in body) == (200, True)
    assert token_of(convai_sandbox, token)["used_count"] == 1


@pytest.mark.parametrize("headers", [{}, {"API-AUTH-TOKEN": "unknown"}, {"CONVAI-API-KEY": KEY}])
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_nothing_but_a_live_token_connects(
    convai_sandbox: Sandbox, headers: dict[str, str], envelope: str
) -> None:
    convai_sandbox.set(error_envelope=envelope)

    assert convai_sandbox.call("POST", "/connect", headers=headers)[0] == 401


@pytest.mark.parametrize(
    ("style", "shape"),
    [
        ("z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        ("naive", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"),
    ],
)
def test_an_expiration_time_is_written_as_asked(
    convai_sandbox: Sandbox, style: str, shape: str
) -> None:
    convai_sandbox.set(expiration_format=style, ttl=600)

    text = call(convai_sandbox, "generate").json["expirationTime"]

    ends = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
    assert re.fullmatch(shape, text)
    assert abs(ends - datetime.now(UTC) - timedelta(minutes=10)) < timedelta(seconds=30)


def test_an_expiration_time_can_be_a_number_missing_or_nonsense(convai_sandbox: Sandbox) -> None:
    shown: dict[str, Any] = {}
    for style in ("epoch", "none", "nonsense"):
        convai_sandbox.set(expiration_format=style)
        shown[style] = call(convai_sandbox, "generate").json

    assert abs(shown["epoch"]["expirationTime"] - time.time() - 3600) < 30
    assert "expirationTime" not in shown["none"]
    assert shown["nonsense"]["expirationTime"] == "in about an hour"


def test_the_clock_offset_shows_in_expiration_time_and_date(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(clock_offset=-7200)

    reply = call(convai_sandbox, "generate")

    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    ends = datetime.fromisoformat(reply.json["expirationTime"])
    assert abs(ends - hour_ago) < timedelta(seconds=30)
    date = parsedate_to_datetime(reply.headers["Date"])
    assert abs(date - hour_ago + timedelta(hours=1)) < timedelta(seconds=30)


@pytest.mark.parametrize(("extend_by", "seconds"), [(0, 600), (3600, 3600), (86400, 86400)])
def test_extending_resets_the_clock(
    convai_sandbox: Sandbox, extend_by: float, seconds: float
) -> None:
    convai_sandbox.set(ttl=600, extend_by=extend_by)
    token = generate(convai_sandbox)
    convai_sandbox.set(clock_offset=300)

    reply = call(convai_sandbox, "extend", token)

    ends = datetime.fromisoformat(reply.json["expirationTime"])
    known = token_of(convai_sandbox, token)
    assert abs((ends - datetime.now(UTC)).total_seconds() - seconds - 300) < 30
    assert known["extend_count"] == len(known["extended"]) == 1
    assert abs(datetime.fromisoformat(known["expires_at"]) - ends) < timedelta(seconds=1)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 410])
@pytest.mark.parametrize("names", [True, False])
def test_revoking_a_dead_token_answers_as_asked(
    convai_sandbox: Sandbox, status: int, names: bool
) -> None:
    convai_sandbox.set(revoke_unknown=status, revoke_dead=status, name_token=names)
    revoked, expired = generate(convai_sandbox), generate(convai_sandbox)
    call(convai_sandbox, "revoke", revoked)
    convai_sandbox.set(clock_offset=4000)

    replies = [call(convai_sandbox, "revoke", token) for token in ("unknown", revoked, expired)]
    extended = call(convai_sandbox, "extend", expired)

    assert [reply.status for reply in (*replies, extended)] == [status] * 3 + [404]
    assert {b"token" in reply.body for reply in replies} == {names and status != 200}
    assert (b"token" in extended.body) is names
    assert token_of(convai_sandbox, revoked)["revoke_count"] == 2
    # A revocation that was confirmed counts, even if the clock is set back afterwards.
    convai_sandbox.set(clock_offset=0)
    assert convai_sandbox.live() == ([] if status == 200 else [expired])


@pytest.mark.parametrize("verb", ["generate", "extend", "revoke"])
def test_a_bad_or_missing_key_is_refused(convai_sandbox: Sandbox, verb: str) -> None:
    token = generate(convai_sandbox)
    convai_sandbox.set(accepted_keys=["good"])

    missing = call(convai_sandbox, verb, token, key="")
    bad = call(convai_sandbox, verb, token, key="bad")
    good = call(convai_sandbox, verb, token, key="good")

    assert (missing.status, bad.status, good.status) == (401, 401, 200)
    assert missing.json == {"ERROR": "The request is missing an API key."}
    assert bad.json == {"ERROR": "Api key is invalid."}


def test_extend_and_revoke_can_be_made_to_need_no_key(convai_sandbox: Sandbox) -> None:
    token = generate(convai_sandbox)
    convai_sandbox.set(key_on_extend=False, key_on_revoke=False)

    replies = [call(convai_sandbox, verb, token, key="") for verb in ("extend", "revoke")]

    assert [reply.status for reply in replies] == [200, 200]
    assert call(convai_sandbox, "generate", key="").status == 401


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"{}", b'{"apiAuthToken": 3}', b"[" * 9])
def test_extend_and_revoke_want_a_token_in_json(convai_sandbox: Sandbox, body: bytes) -> None:
    for path in ("/user/extend-token", "/user/revoke-token"):
        status, _ = convai_sandbox.call("POST", path, body, {"CONVAI-API-KEY": KEY})
        assert status == 400


def test_generating_is_limited_per_key_and_minute(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(rate_limit=2, retry_after="seconds")

    replies = [call(convai_sandbox, "generate") for _ in range(3)]
    other = call(convai_sandbox, "generate", key="another")
    convai_sandbox.set(clock_offset=61)
    later = call(convai_sandbox, "generate")

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].json == {"ERROR": "You've reached your request limit per minute"}
    assert 50 <= int(replies[2].headers["Retry-After"]) <= 60
    assert (other.status, later.status) == (200, 200)
    assert convai_sandbox.summary()["generated"] == 4
