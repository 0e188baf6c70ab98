"""Every answer of Convai's comes out as a result or as one outcome; errors have their own file."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from convai_tokens.conf import app_settings
from convai_tokens.convai.answers import GeneratedToken, answered_probe
from convai_tokens.convai.times import Lifetime
from convai_tokens.convai.transport import text_of
from convai_tokens.exceptions import MAX_TEXT, ConvaiTokensError, ConvaiUnavailable
from convai_tokens.secret import Secret
from tests.convai_tokens.convai.vendor_answers import (
    KEY_TEXTS,
    NOW,
    PLAN_TEXT,
    RATE_TEXTS,
    READERS,
    TOKEN,
    VERBS,
    VERBS_OF_A_TOKEN,
    read,
)

pytestmark = pytest.mark.usefixtures("at_two_o_clock")

ONE_HOUR = timedelta(hours=1)


def test_generate_gives_the_token_and_its_end() -> None:
    answer = {"apiAuthToken": TOKEN, "expirationTime": "2026-11-22T15:00:00Z"}

    outcome = read("generate", 200, answer)

    assert outcome == GeneratedToken(Secret(TOKEN), Lifetime(NOW + ONE_HOUR))
    assert TOKEN not in repr(outcome)


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    "token", ["x", "123e4567-e89b-12d3-a456-426614174000", "t" * 4096, "two words", "~!+/=._-"]
)
def test_generate_takes_a_token_of_any_alphabet_up_to_4_kb(status: int, token: str) -> None:
    assert read("generate", status, {"apiAuthToken": token}).value == Secret(token)


A_YES = [
    pytest.param(b"", id="empty"),
    pytest.param(b" \r\n", id="blank"),
    pytest.param({"STATUS": "SUCCESS"}, id="STATUS"),
    pytest.param({"STATUS": "OK", "message": "Revoked."}, id="STATUS ok"),
    pytest.param({"status": "success"}, id="status"),
    pytest.param({"status": "ok", "error": None, "ERROR": ""}, id="empty errors"),
    pytest.param({"ok": True}, id="ok"),
    pytest.param({"success": True, "statusCode": 200}, id="success"),
    pytest.param({"revoked": True}, id="revoked"),
]
NO_YES = [
    pytest.param(b"OK", id="plain text"),
    pytest.param(b"<html><body>Hello</body></html>", id="html"),
    pytest.param(b"<!doctype html><title>Back soon</title>", id="maintenance page"),
    pytest.param(b"\xff\xfe\x00broken", id="no text at all"),
    pytest.param(b"\x1f\x8b\x08\x00", id="compressed"),
    pytest.param(b"[" * 100_000, id="nested too deep"),
    pytest.param(b'{"STATUS": "SUCCESS"', id="truncated"),
    pytest.param({}, id="empty object"),
    pytest.param([], id="list"),
    pytest.param([1, 2], id="list of numbers"),
    pytest.param([{"STATUS": "SUCCESS"}], id="a yes in a list"),
    pytest.param({"data": {"STATUS": "SUCCESS"}}, id="a yes inside"),
    pytest.param(None, id="null"),
    pytest.param(True, id="true"),
    pytest.param(17, id="number"),
    pytest.param("success", id="JSON text"),
    pytest.param({"message": "Done"}, id="message"),
    pytest.param({"message": "queued"}, id="queued"),
    pytest.param({"error": None, "ERROR": ""}, id="empty errors alone"),
    pytest.param({"success": False}, id="success false"),
    pytest.param({"success": "false"}, id="success as text"),
    pytest.param({"success": 1}, id="success as number"),
    pytest.param({"revoked": False, "STATUS": "SUCCESS"}, id="revoked false"),
    pytest.param({"status": "pending"}, id="pending"),
    pytest.param({"status": "accepted"}, id="accepted"),
    pytest.param({"errorMessage": "Timed out", "errorType": "Timeout"}, id="a function's failure"),
    pytest.param({"errorType": "Runtime.Exit"}, id="errorType alone"),
    pytest.param({"errors": ["Bad gateway"]}, id="errors"),
    pytest.param({"ok": True, "errors": [{"message": "no"}]}, id="ok, and errors"),
    pytest.param({"detail": "Service temporarily unavailable"}, id="detail"),
    pytest.param({"STATUS": "SUCCESS", "detail": "not now"}, id="a yes with a detail"),
    pytest.param({"statusCode": 500}, id="statusCode 500"),
    pytest.param({"statusCode": "404", "ok": True}, id="statusCode as text"),
    pytest.param({"statusCode": 503, "STATUS": "SUCCESS"}, id="a yes with a statusCode"),
]


@pytest.mark.parametrize("body", A_YES)
def test_revoke_is_confirmed_by_a_yes_in_a_way_of_the_vendors(body: Any) -> None:
    for status in (200, 201, 204):
        assert read("revoke", status, body).startswith(f"{status}, ")


@pytest.mark.parametrize("body", A_YES)
def test_extend_without_a_time_means_one_hour(body: Any) -> None:
    assert {read("extend", status, body) for status in (200, 201, 204)} == {
        Lifetime(NOW + ONE_HOUR)
    }


@pytest.mark.parametrize("body", NO_YES)
@pytest.mark.parametrize("verb", VERBS_OF_A_TOKEN)
def test_a_2xx_that_says_no_yes_confirms_nothing(verb: str, body: Any) -> None:
    for status in (200, 201, 204, 207):
        outcome = read(verb, status, body)

        assert type(outcome) is ConvaiUnavailable, f"{status} with {body!r} is {outcome!r}"
        assert (outcome.code, outcome.maybe_done) == ("convai_not_understood", True)


@pytest.mark.parametrize("body", [*A_YES, *NO_YES])
@pytest.mark.parametrize("verb", VERBS_OF_A_TOKEN)
def test_a_202_promises_and_confirms_nothing(verb: str, body: Any) -> None:
    outcome = read(verb, 202, body)

    assert isinstance(outcome, ConvaiUnavailable)
    assert outcome.code == "convai_not_understood"


@pytest.mark.parametrize("body", [*A_YES, *NO_YES])
def test_generate_without_a_token_is_nonsense_that_may_have_been_done(body: Any) -> None:
    for status in (200, 202, 204):
        outcome = read("generate", status, body)

        assert type(outcome) is ConvaiUnavailable
        assert (outcome.code, outcome.maybe_done) == ("convai_unavailable", True)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param(" \t\n", id="blanks"),
        pytest.param(None, id="null"),
        pytest.param(42, id="number"),
        pytest.param(True, id="true"),
        pytest.param(["t"], id="list"),
        pytest.param({"t": 1}, id="object"),
        pytest.param("t" * 4097, id="over 4 kB"),
        pytest.param("half a \ud83d pair", id="text that can't be encoded"),
        pytest.param("töken", id="not ASCII"),
        *[
            pytest.param(f"{TOKEN}{bad}{TOKEN}", id=f"{ord(bad):#x} inside")
            for bad in "\r\n\t\x00\x1b\x7f\x85\u2028"
        ],
        pytest.param(f"{TOKEN}\r\n X-Injected: 1", id="a folded header"),
        pytest.param(f"{TOKEN}\n", id="line break at the end"),
        pytest.param(f" {TOKEN}", id="blank before"),
        pytest.param(f"{TOKEN} ", id="blank after"),
    ],
)
def test_generate_never_hands_out_what_is_no_token(value: Any) -> None:
    outcome = read("generate", 200, {"apiAuthToken": value})

    assert type(outcome) is ConvaiUnavailable
    assert outcome.maybe_done is True


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500, 503])
def test_a_background_probe_is_answered_by_whatever_is_said(status: int) -> None:
    assert answered_probe(status, {}, Secret('{"ERROR": "Unknown token."}')) is True


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        pytest.param(429, {}, "convai_rate_limited", id="429"),
        pytest.param(503, {"Retry-After": "9"}, "convai_unavailable", id="503 that says when"),
    ],
)
def test_a_background_probe_that_is_told_to_come_later_is_not_answered(
    status: int, headers: dict[str, str], code: str
) -> None:
    outcome = answered_probe(status, headers, Secret())

    assert isinstance(outcome, ConvaiUnavailable)
    assert outcome.code == code


def json_bodies() -> st.SearchStrategy[bytes]:
    envelopes = ["ERROR", "error", "API_ERROR", "INTERNAL_ERROR", "ok", "message", "detail"]
    keys = st.sampled_from(["apiAuthToken", "expirationTime", "status", "STATUS", *envelopes])
    texts = st.text(max_size=30) | st.sampled_from([*KEY_TEXTS, *RATE_TEXTS, PLAN_TEXT, "error"])
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(TOKEN)
    values = st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8
    )
    return (st.dictionaries(keys, values) | values).map(lambda value: json.dumps(value).encode())


any_body = st.binary() | json_bodies() | st.text().map(str.encode)
any_headers = st.dictionaries(st.sampled_from(["Retry-After", "Date"]), st.text(max_size=40))
any_status = st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 503]) | st.integers()


@hypothesis_settings(max_examples=60)
@given(st.sampled_from(VERBS), any_status, any_headers, any_body)
def test_any_answer_at_all_becomes_an_outcome(
    verb: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    outcome = READERS[verb](status, headers, text_of(body))

    if isinstance(outcome, ConvaiTokensError):
        assert outcome.retry_after is None or 0 <= outcome.retry_after <= 3600
        assert len(outcome.describe()) <= MAX_TEXT
        return
    assert 200 <= status < 300
    if verb == "revoke":
        assert outcome.startswith(f"{status}, ")
        return
    if verb == "generate":
        assert outcome.value.strip()
    assert NOW < outcome.expires_at <= NOW + app_settings.REVOKE_HORIZON
    assert outcome.expires_at.utcoffset() == timedelta()
