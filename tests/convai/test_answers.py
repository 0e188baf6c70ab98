"""Every documented answer of Convai's, and every undocumented one, comes out as one outcome."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from convai_tokens.conf import Secret
from convai_tokens.convai.answers import (
    GeneratedToken,
    confirmed_revoked,
    extended_until,
    generated_token,
)
from convai_tokens.exceptions import (
    MAX_TEXT,
    ConvaiRefused,
    ConvaiTokensError,
    ConvaiUnavailable,
    TokenGone,
    TokenRejected,
)

NOW = datetime(2026, 11, 22, 14, 0, 0, tzinfo=UTC)
ONE_HOUR = timedelta(hours=1)
TOKEN = "eyJhbGciOiJIUzI1NiJ9.CANARY-TOKEN.c2lnbmF0dXJl"

READERS: dict[str, Callable[[int, Mapping[str, str], bytes], Any]] = {
    "generate": generated_token,
    "extend": extended_until,
    "revoke": confirmed_revoked,
}
VERBS = sorted(READERS)
VERBS_OF_A_TOKEN = ["extend", "revoke"]

# The envelopes that Convai's public pages show, each as a function of the text inside.
UNMISTAKABLE: dict[str, Callable[[str], Any]] = {
    "ERROR": lambda text: {"ERROR": text},
    "ERROR with a reference": lambda text: {"ERROR": text, "Reference ID": "0b7c"},
    "error": lambda text: {"error": text},
    "API_ERROR": lambda text: {"API_ERROR": text},
    "INTERNAL_ERROR": lambda text: {"INTERNAL_ERROR": text},
    "status": lambda text: {"status": "error", "message": text, "transactionID": "0b7c"},
    "STATUS": lambda text: {"STATUS": "ERROR", "message": text},
    "ok": lambda text: {"ok": False, "error": text},
    "ok with a message": lambda text: {"ok": False, "message": text},
}
ENVELOPES: dict[str, Callable[[str], Any]] = {
    **UNMISTAKABLE,
    "detail": lambda text: {"detail": text},
    "detail as a list": lambda text: {"detail": [{"msg": text, "loc": ["header"]}]},
    "message": lambda text: {"message": text},
    "JSON text": lambda text: text,
}
KEY_TEXTS = [
    "Api key is invalid.",
    "The request is missing an API key.",
    "The request contains an invalid API key.",
    "invalid api_key",
]
RATE_TEXTS = [
    "You've reached your request limit per minute",
    "API rate limit exceeded. Please try again later.",
    "Too many requests",
]
PLAN_TEXT = "API usage limit exceeded for current plan."
TOKEN_TEXTS = ["Unknown token.", "apiAuthToken has expired", "Token already revoked"]


@pytest.fixture(autouse=True)
def _at_two_o_clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def read(verb: str, status: int, body: Any = b"", **headers: str) -> Any:
    """Return what the verb's reader makes of an answer; a body that isn't bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return READERS[verb](status, names, content)


def test_generate_gives_the_token_and_its_end() -> None:
    answer = {"apiAuthToken": TOKEN, "expirationTime": "2026-11-22T15:00:00Z"}

    outcome = read("generate", 200, answer)

    assert outcome == GeneratedToken(Secret(TOKEN), datetime(2026, 11, 22, 15, tzinfo=UTC))
    assert TOKEN not in repr(outcome)


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("token", ["x", "123e4567-e89b-12d3-a456-426614174000", "t" * 4096])
def test_generate_takes_a_token_of_any_alphabet_up_to_4_kb(status: int, token: str) -> None:
    assert read("generate", status, {"apiAuthToken": token}).value == token


@pytest.mark.parametrize(
    ("given", "end"),
    [
        pytest.param("2026-11-22T15:30:00Z", NOW + timedelta(minutes=90), id="Z"),
        pytest.param("2026-11-22T15:30:00.000250Z", None, id="Z with microseconds"),
        pytest.param("2026-11-22T15:30:00.000250", None, id="naive with microseconds"),
        pytest.param("2026-11-22T15:30:00", NOW + timedelta(minutes=90), id="naive"),
        pytest.param(" 2026-11-22T15:30:00Z\n", NOW + timedelta(minutes=90), id="blanks around"),
        pytest.param("2026-11-22T17:30:00+02:00", NOW + timedelta(minutes=90), id="offset"),
        pytest.param(int(NOW.timestamp()) + 5400, NOW + timedelta(minutes=90), id="epoch"),
        pytest.param(NOW.timestamp() + 5400.00025, None, id="epoch with a fraction"),
        pytest.param("2026-11-23T14:00:00Z", NOW + timedelta(hours=24), id="in 24 hours"),
    ],
)
@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_each_time_format_is_read_as_utc(verb: str, given: Any, end: datetime | None) -> None:
    expected = end or NOW + timedelta(minutes=90, microseconds=250)

    outcome = read(verb, 200, {"apiAuthToken": TOKEN, "expirationTime": given})

    expires_at = outcome.expires_at if verb == "generate" else outcome
    assert expires_at == expected
    assert expires_at.tzinfo is UTC


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param("soon", id="words"),
        pytest.param("2026-13-45T99:00:00Z", id="no such day"),
        pytest.param("0001-01-01T00:00:00+23:59", id="before the first year"),
        pytest.param("9999-12-31T23:59:59-23:59", id="after the last year"),
        pytest.param([2026, 11, 22], id="list"),
        pytest.param({"at": "2026-11-22T15:30:00Z"}, id="object"),
        pytest.param(True, id="true"),
        pytest.param(float("nan"), id="NaN"),
        pytest.param(float("inf"), id="Infinity"),
        pytest.param(1e300, id="too far away"),
        pytest.param(10**400, id="beyond any float"),
        pytest.param(1795359600000, id="milliseconds"),
        pytest.param(-1, id="negative"),
        pytest.param("2026-11-22T14:00:00Z", id="this very second"),
        pytest.param("2026-11-22T13:59:59Z", id="passed"),
    ],
)
@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_a_time_of_no_use_means_one_hour_and_is_said_in_the_log(
    verb: str, given: Any, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = read(verb, 200, {"apiAuthToken": TOKEN, "expirationTime": given})

    assert (outcome.expires_at if verb == "generate" else outcome) == NOW + ONE_HOUR
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "expirationTime" in caplog.text
    assert "assuming one hour" in caplog.text


def test_generate_without_a_time_means_one_hour_and_is_said_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcome = read("generate", 200, {"apiAuthToken": TOKEN})

    assert outcome.expires_at == NOW + ONE_HOUR
    assert "expirationTime is missing" in caplog.text


NOTHING_TO_READ = [
    pytest.param(b"", id="empty"),
    pytest.param(b"OK", id="plain text"),
    pytest.param(b"<html><body>Hello</body></html>", id="html"),
    pytest.param(b"\xff\xfe\x00broken", id="no text at all"),
    pytest.param(b"[" * 100_000, id="nested too deep"),
    pytest.param({"STATUS": "SUCCESS"}, id="STATUS"),
    pytest.param({"status": "success"}, id="status"),
    pytest.param({"ok": True}, id="ok"),
    pytest.param({"error": None, "ERROR": ""}, id="empty errors"),
    pytest.param({"message": "Done"}, id="message"),
    pytest.param({}, id="empty object"),
    pytest.param([], id="list"),
    pytest.param(None, id="null"),
    pytest.param(17, id="number"),
]


@pytest.mark.parametrize("body", NOTHING_TO_READ)
@pytest.mark.parametrize("status", [200, 202, 204])
def test_revoke_is_confirmed_by_any_2xx_without_an_error(status: int, body: Any) -> None:
    assert read("revoke", status, body) is True


@pytest.mark.parametrize("body", NOTHING_TO_READ)
@pytest.mark.parametrize("status", [200, 202, 204])
def test_extend_without_a_time_means_one_hour(status: int, body: Any) -> None:
    assert read("extend", status, body) == NOW + ONE_HOUR


@pytest.mark.parametrize("body", NOTHING_TO_READ)
@pytest.mark.parametrize("status", [200, 202, 204])
def test_generate_without_a_token_is_nonsense_that_may_have_been_done(
    status: int, body: Any
) -> None:
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
    ],
)
def test_generate_never_hands_out_what_is_no_token(value: Any) -> None:
    outcome = read("generate", 200, {"apiAuthToken": value})

    assert type(outcome) is ConvaiUnavailable
    assert outcome.maybe_done is True


@pytest.mark.parametrize("envelope", sorted(ENVELOPES))
@pytest.mark.parametrize("text", KEY_TEXTS)
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("verb", VERBS)
def test_a_401_or_403_that_names_the_api_key_is_a_bad_key(
    verb: str, status: int, text: str, envelope: str
) -> None:
    outcome = read(verb, status, ENVELOPES[envelope](text))

    assert type(outcome) is ConvaiRefused
    assert outcome.code == "convai_bad_key"


@pytest.mark.parametrize("text", KEY_TEXTS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_bad_key_is_understood_in_plain_text_too(verb: str, text: str) -> None:
    assert read(verb, 401, text.encode()).code == "convai_bad_key"


@pytest.mark.parametrize("envelope", sorted(UNMISTAKABLE))
@pytest.mark.parametrize("text", KEY_TEXTS)
@pytest.mark.parametrize("verb", VERBS)
def test_an_error_inside_a_200_that_names_the_api_key_is_a_bad_key(
    verb: str, text: str, envelope: str
) -> None:
    assert read(verb, 200, UNMISTAKABLE[envelope](text)).code == "convai_bad_key"


@pytest.mark.parametrize("envelope", sorted(ENVELOPES))
@pytest.mark.parametrize("text", RATE_TEXTS)
@pytest.mark.parametrize("status", [400, 401, 403, 429])
@pytest.mark.parametrize("verb", VERBS)
def test_a_text_about_the_rate_is_unavailable_whatever_4xx_it_comes_with(
    verb: str, status: int, text: str, envelope: str
) -> None:
    outcome = read(verb, status, ENVELOPES[envelope](text), Retry_After="7")

    assert type(outcome) is ConvaiUnavailable
    assert (outcome.code, outcome.retry_after) == ("convai_rate_limited", 7.0)
    assert outcome.maybe_done is False


@pytest.mark.parametrize("envelope", sorted(UNMISTAKABLE))
@pytest.mark.parametrize("text", RATE_TEXTS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_text_about_the_rate_counts_inside_a_200_too(verb: str, text: str, envelope: str) -> None:
    assert read(verb, 200, UNMISTAKABLE[envelope](text)).code == "convai_rate_limited"


@pytest.mark.parametrize("body", [b"", b"slow down", {"ERROR": PLAN_TEXT}, {"error": "Api key"}])
@pytest.mark.parametrize("verb", VERBS)
def test_a_429_is_about_the_rate_whatever_its_text(verb: str, body: Any) -> None:
    outcome = read(verb, 429, body)

    assert type(outcome) is ConvaiUnavailable
    assert (outcome.code, outcome.retry_after) == ("convai_rate_limited", None)


@pytest.mark.parametrize("envelope", sorted(ENVELOPES))
@pytest.mark.parametrize("status", [400, 401, 402, 403])
@pytest.mark.parametrize("verb", VERBS)
def test_an_exhausted_plan_is_a_refusal(verb: str, status: int, envelope: str) -> None:
    outcome = read(verb, status, ENVELOPES[envelope](PLAN_TEXT))

    assert type(outcome) is ConvaiRefused
    assert outcome.code == "convai_plan_limit"


@pytest.mark.parametrize("envelope", sorted(UNMISTAKABLE))
@pytest.mark.parametrize("verb", VERBS)
def test_an_exhausted_plan_inside_a_200_is_a_refusal(verb: str, envelope: str) -> None:
    assert read(verb, 200, UNMISTAKABLE[envelope](PLAN_TEXT)).code == "convai_plan_limit"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Bad",
        b"<h1>Not Found</h1> The requested URL /user/revoke-token was not found on this server.",
        b'<meta name="csrf-token" content="x"><title>Page not found</title>',
        b"<script>window.__authToken = null</script><p>This page could not be found.</p>",
        {"ERROR": KEY_TEXTS[0]},
        {"detail": "Not Found"},
        {"detail": "No route revoke_token: not found"},
        {"error": "The CSRF token has expired."},
        {"error": "API token is invalid"},
    ],
)
@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("verb", VERBS_OF_A_TOKEN)
def test_a_404_or_410_that_says_nothing_of_the_token_is_no_proof_for_a_wrong_path_gets_one_too(
    verb: str, status: int, body: Any
) -> None:
    assert type(read(verb, status, body)) is TokenRejected


@pytest.mark.parametrize("envelope", sorted(set(ENVELOPES) - {"JSON text"}))
@pytest.mark.parametrize("text", TOKEN_TEXTS)
@pytest.mark.parametrize("status", [400, 404, 410])
@pytest.mark.parametrize("verb", VERBS_OF_A_TOKEN)
def test_a_400_or_404_that_calls_the_token_dead_means_that_it_is_gone(
    verb: str, status: int, text: str, envelope: str
) -> None:
    assert type(read(verb, status, ENVELOPES[envelope](text))) is TokenGone


@pytest.mark.parametrize(
    "text",
    [
        "Could not revoke token, try again later",
        "The token could not be revoked: database timeout",
        "token service is temporarily unavailable",
        "Unexpected token '<', \"<!DOCTYPE\"... is not valid JSON",
    ],
)
@pytest.mark.parametrize("envelope", sorted(UNMISTAKABLE))
@pytest.mark.parametrize("status", [200, 400, 404])
@pytest.mark.parametrize("verb", VERBS_OF_A_TOKEN)
def test_a_failure_that_mentions_a_token_is_not_the_tokens_death(
    verb: str, status: int, envelope: str, text: str
) -> None:
    outcome = read(verb, status, UNMISTAKABLE[envelope](text))

    inside = ConvaiUnavailable if envelope == "INTERNAL_ERROR" else TokenRejected
    assert type(outcome) is inside


@pytest.mark.parametrize("envelope", sorted(UNMISTAKABLE))
@pytest.mark.parametrize("text", TOKEN_TEXTS)
@pytest.mark.parametrize("verb", VERBS_OF_A_TOKEN)
def test_an_error_inside_a_200_that_calls_the_token_dead_means_that_it_is_gone(
    verb: str, text: str, envelope: str
) -> None:
    assert type(read(verb, 200, UNMISTAKABLE[envelope](text))) is TokenGone


@pytest.mark.parametrize("text", ["Unauthorized", "Something is wrong", ""])
@pytest.mark.parametrize("envelope", sorted(ENVELOPES))
@pytest.mark.parametrize("status", [400, 401, 403, 405, 415, 422])
@pytest.mark.parametrize("verb", VERBS_OF_A_TOKEN)
def test_another_4xx_rejects_the_token_without_saying_that_it_is_gone(
    verb: str, status: int, envelope: str, text: str
) -> None:
    outcome = read(verb, status, ENVELOPES[envelope](text))

    # A failure inside of Convai, by its own words.
    internal = envelope == "INTERNAL_ERROR" and text
    assert type(outcome) is (ConvaiUnavailable if internal else TokenRejected)


@pytest.mark.parametrize("text", TOKEN_TEXTS)
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("verb", VERBS_OF_A_TOKEN)
def test_a_401_or_403_about_the_token_is_no_proof_that_it_is_gone(
    verb: str, status: int, text: str
) -> None:
    assert type(read(verb, status, {"ERROR": text})) is TokenRejected


@pytest.mark.parametrize("envelope", ["ok", "ERROR", "status"])
@pytest.mark.parametrize("verb", VERBS_OF_A_TOKEN)
def test_an_error_inside_a_200_that_says_nothing_rejects_the_token(
    verb: str, envelope: str
) -> None:
    assert type(read(verb, 200, UNMISTAKABLE[envelope]("No."))) is TokenRejected


@pytest.mark.parametrize("body", [b"", b"Unauthorized", {"ERROR": "Unknown token."}])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 410, 422])
def test_another_4xx_to_generate_is_a_refusal_since_no_token_is_in_play(
    status: int, body: Any
) -> None:
    outcome = read("generate", status, body)

    assert type(outcome) is ConvaiRefused
    assert outcome.code == "convai_refused"


@pytest.mark.parametrize("envelope", sorted(UNMISTAKABLE))
def test_an_error_inside_a_200_hides_no_token(envelope: str) -> None:
    body = {"apiAuthToken": TOKEN, **UNMISTAKABLE[envelope]("It went wrong.")}

    outcome = read("generate", 200, body)

    assert type(outcome) is ConvaiUnavailable
    assert outcome.maybe_done is True


@pytest.mark.parametrize(
    "body", [b"", b"<html>", {"ERROR": KEY_TEXTS[0]}, {"error": RATE_TEXTS[0]}]
)
@pytest.mark.parametrize("status", [500, 501, 502, 504, 529, 599])
@pytest.mark.parametrize("verb", VERBS)
def test_5xx_is_unavailable_and_may_have_been_done(verb: str, status: int, body: Any) -> None:
    outcome = read(verb, status, body, Retry_After="30")

    assert type(outcome) is ConvaiUnavailable
    assert (outcome.code, outcome.retry_after) == ("convai_unavailable", 30.0)
    assert outcome.maybe_done is True


@pytest.mark.parametrize("body", [b"", {"error": RATE_TEXTS[0]}, {"ERROR": KEY_TEXTS[0]}])
@pytest.mark.parametrize("verb", VERBS)
def test_503_is_unavailable_and_nothing_was_begun(verb: str, body: Any) -> None:
    outcome = read(verb, 503, body, Retry_After="30")

    assert type(outcome) is ConvaiUnavailable
    assert (outcome.code, outcome.retry_after) == ("convai_unavailable", 30.0)
    assert outcome.maybe_done is False


@pytest.mark.parametrize("body", [b"", {"apiAuthToken": TOKEN}, {"STATUS": "SUCCESS"}])
@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 303, 304, 307, 308, 399, 408, 425])
@pytest.mark.parametrize("verb", VERBS)
def test_redirects_and_early_answers_are_unavailable_and_nothing_was_done(
    verb: str, status: int, body: Any
) -> None:
    outcome = read(verb, status, body)

    assert type(outcome) is ConvaiUnavailable
    assert (outcome.code, outcome.maybe_done) == ("convai_unavailable", False)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (" 5 ", 5.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("nan", 0.0),
        ("inf", 3600.0),
        ("86400", 3600.0),
        ("9" * 400, 3600.0),
        ("Sun, 22 Nov 2026 14:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 14:01:30 -0000", 90.0),
        ("Sun, 22 Nov 2026 16:01:30 +0200", 90.0),
        ("Sun, 22 Nov 2026 13:59:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 14:00:00 GMT", 3600.0),
        ("", None),
        ("soon", None),
        ("Sun, 99 Nov 2026 99:99:99 GMT", None),
        ("Sun, 22 Nov 99999999999 14:00:00 GMT", None),
        ("Sun, 22 Nov 2026 14:00:00 +" + "9" * 20, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_kept_within_an_hour(
    given: str, seconds: float | None
) -> None:
    assert read("generate", 503, Retry_After=given).retry_after == seconds


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
any_headers = st.dictionaries(st.just("Retry-After"), st.text(max_size=40))


any_status = st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 503]) | st.integers()


@given(st.sampled_from(VERBS), any_status, any_headers, any_body)
def test_any_answer_at_all_becomes_an_outcome(
    verb: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    outcome = READERS[verb](status, headers, body)

    if isinstance(outcome, ConvaiTokensError):
        assert outcome.retry_after is None or 0 <= outcome.retry_after <= 3600
        assert len(outcome.describe()) <= MAX_TEXT
        return
    assert 200 <= status < 300
    if verb == "revoke":
        assert outcome is True
        return
    if verb == "generate":
        assert outcome.value.strip()
    expires_at = outcome.expires_at if verb == "generate" else outcome
    assert expires_at > NOW
    assert expires_at.utcoffset() == timedelta()


@pytest.mark.parametrize("envelope", sorted(ENVELOPES))
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("verb", VERBS)
def test_no_outcome_repeats_the_text_of_the_answer(
    verb: str, status: int, envelope: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    outcome = read(verb, status, ENVELOPES[envelope]("Canary CANARY-KEY and CANARY-TOKEN."))

    assert "canary" not in repr((outcome, getattr(outcome, "__dict__", ""))).lower()
    assert "canary" not in caplog.text.lower()
