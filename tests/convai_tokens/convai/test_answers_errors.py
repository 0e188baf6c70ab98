"""Each of the vendor's errors, in each envelope, with each status, means one outcome.

Many cases, so each test goes through its own; the message of a failure names the answer.
"""

from __future__ import annotations

import logging
from itertools import product

import pytest

from convai_tokens.exceptions import (
    ConvaiRefused,
    ConvaiUnavailable,
    TokenGone,
    TokenRejected,
)
from tests.convai_tokens.convai.vendor_answers import (
    ENVELOPES,
    KEY_TEXTS,
    OBJECTS,
    PLAN_TEXT,
    RATE_TEXTS,
    TOKEN,
    TOKEN_TEXTS,
    UNMISTAKABLE,
    VERBS,
    VERBS_OF_A_TOKEN,
    assert_each,
    in_envelopes,
    read,
)

pytestmark = pytest.mark.usefixtures("at_two_o_clock")

BAD_KEY = (ConvaiRefused, "convai_bad_key")
GONE = (TokenGone, "token_gone")
PLAN_LIMIT = (ConvaiRefused, "convai_plan_limit")
RATE_LIMITED = (ConvaiUnavailable, "convai_rate_limited")
REFUSED = (ConvaiRefused, "convai_refused")
REJECTED = (TokenRejected, "token_rejected")
UNAVAILABLE = (ConvaiUnavailable, "convai_unavailable")
NOT_UNDERSTOOD = (ConvaiUnavailable, "convai_not_understood")

WITHOUT_INTERNAL = {name: each for name, each in ENVELOPES.items() if name != "INTERNAL_ERROR"}
INTERNAL = {"INTERNAL_ERROR": ENVELOPES["INTERNAL_ERROR"]}


@pytest.mark.parametrize("text", KEY_TEXTS)
def test_a_401_or_403_that_names_the_api_key_is_a_bad_key(text: str) -> None:
    assert_each(BAD_KEY, VERBS, [401, 403], [*in_envelopes(ENVELOPES, text), text.encode()])


@pytest.mark.parametrize("text", KEY_TEXTS)
def test_an_error_inside_a_200_that_names_the_api_key_is_a_bad_key(text: str) -> None:
    assert_each(BAD_KEY, VERBS, [200], in_envelopes(UNMISTAKABLE, text))


@pytest.mark.parametrize("text", RATE_TEXTS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_text_about_the_rate_is_unavailable_whatever_4xx_it_comes_with(
    verb: str, text: str
) -> None:
    for status, body in product((400, 401, 403, 429), in_envelopes(ENVELOPES, text)):
        outcome = read(verb, status, body, Retry_After="7")

        assert type(outcome) is ConvaiUnavailable, (status, body)
        assert (outcome.code, outcome.retry_after) == ("convai_rate_limited", 7.0)
        assert outcome.maybe_done is False


@pytest.mark.parametrize("text", RATE_TEXTS)
def test_a_text_about_the_rate_counts_inside_a_200_too(text: str) -> None:
    assert_each(RATE_LIMITED, VERBS, [200], in_envelopes(UNMISTAKABLE, text))


@pytest.mark.parametrize("body", [b"", b"slow down", {"ERROR": PLAN_TEXT}, {"error": "Api key"}])
@pytest.mark.parametrize("verb", VERBS)
def test_a_429_is_about_the_rate_whatever_its_text(verb: str, body: object) -> None:
    outcome = read(verb, 429, body)

    assert type(outcome) is ConvaiUnavailable
    assert (outcome.code, outcome.retry_after) == ("convai_rate_limited", None)


@pytest.mark.parametrize("status", [400, 401, 402, 403])
def test_an_exhausted_plan_is_a_refusal(status: int) -> None:
    assert_each(PLAN_LIMIT, VERBS, [status], in_envelopes(ENVELOPES, PLAN_TEXT))


def test_an_exhausted_plan_inside_a_200_is_a_refusal() -> None:
    assert_each(PLAN_LIMIT, VERBS, [200], in_envelopes(UNMISTAKABLE, PLAN_TEXT))


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
def test_a_404_or_410_that_says_nothing_of_the_token_is_no_proof_for_a_wrong_path_gets_one_too(
    body: object,
) -> None:
    assert_each(REJECTED, VERBS_OF_A_TOKEN, [404, 410], [body])


@pytest.mark.parametrize("text", TOKEN_TEXTS)
def test_a_400_or_404_that_calls_the_token_dead_means_that_it_is_gone(text: str) -> None:
    assert_each(GONE, VERBS_OF_A_TOKEN, [400, 404, 410], in_envelopes(OBJECTS, text))


@pytest.mark.parametrize(
    "text",
    [
        "Could not revoke token, try again later",
        "The token could not be revoked: database timeout",
        "token service is temporarily unavailable",
        "Unexpected token '<', \"<!DOCTYPE\"... is not valid JSON",
    ],
)
def test_a_failure_that_mentions_a_token_is_not_the_tokens_death(text: str) -> None:
    others = {name: each for name, each in UNMISTAKABLE.items() if name not in INTERNAL}

    assert_each(REJECTED, VERBS_OF_A_TOKEN, [400, 404], in_envelopes(others, text))
    assert_each(NOT_UNDERSTOOD, VERBS_OF_A_TOKEN, [200], in_envelopes(others, text))
    assert_each(UNAVAILABLE, VERBS_OF_A_TOKEN, [200, 400, 404], in_envelopes(INTERNAL, text))


@pytest.mark.parametrize("text", TOKEN_TEXTS)
def test_an_error_inside_a_200_that_calls_the_token_dead_means_that_it_is_gone(text: str) -> None:
    assert_each(GONE, VERBS_OF_A_TOKEN, [200], in_envelopes(UNMISTAKABLE, text))


@pytest.mark.parametrize("status", [400, 401, 403, 405, 415, 422])
def test_another_4xx_rejects_the_token_without_saying_that_it_is_gone(status: int) -> None:
    bodies = in_envelopes(WITHOUT_INTERNAL, "Unauthorized", "Something is wrong", "")

    assert_each(REJECTED, VERBS_OF_A_TOKEN, [status], [*bodies, *in_envelopes(INTERNAL, "")])


@pytest.mark.parametrize("text", ["Unauthorized", "Something is wrong"])
def test_a_failure_inside_of_convai_by_its_own_words_is_unavailable(text: str) -> None:
    statuses = [400, 401, 403, 405, 415, 422]

    assert_each(UNAVAILABLE, VERBS_OF_A_TOKEN, statuses, in_envelopes(INTERNAL, text))


@pytest.mark.parametrize("text", TOKEN_TEXTS)
def test_a_401_or_403_about_the_token_is_no_proof_that_it_is_gone(text: str) -> None:
    assert_each(REJECTED, VERBS_OF_A_TOKEN, [401, 403], [{"ERROR": text}])


@pytest.mark.parametrize("envelope", ["ok", "ERROR", "status"])
def test_an_error_inside_a_200_that_says_nothing_of_the_token_is_not_understood(
    envelope: str,
) -> None:
    assert_each(NOT_UNDERSTOOD, VERBS_OF_A_TOKEN, [200], [UNMISTAKABLE[envelope]("No.")])


@pytest.mark.parametrize("body", [b"", b"Unauthorized", {"ERROR": "Unknown token."}])
def test_another_4xx_to_generate_is_a_refusal_since_no_token_is_in_play(body: object) -> None:
    assert_each(REFUSED, ["generate"], [400, 401, 402, 403, 404, 405, 410, 422], [body])


@pytest.mark.parametrize("envelope", sorted(UNMISTAKABLE))
def test_an_error_inside_a_200_hides_no_token(envelope: str) -> None:
    body = {"apiAuthToken": TOKEN} | UNMISTAKABLE[envelope]("It went wrong.")

    outcome = read("generate", 200, body)

    assert type(outcome) is ConvaiUnavailable
    assert outcome.maybe_done is True


@pytest.mark.parametrize("status", [500, 501, 502, 504, 529, 599])
@pytest.mark.parametrize("verb", VERBS)
def test_5xx_is_unavailable_and_may_have_been_done(verb: str, status: int) -> None:
    for body in (b"", b"<html>", {"ERROR": KEY_TEXTS[0]}, {"error": RATE_TEXTS[0]}):
        outcome = read(verb, status, body, Retry_After="30")

        assert type(outcome) is ConvaiUnavailable
        assert (outcome.code, outcome.retry_after) == ("convai_unavailable", 30.0)
        assert outcome.maybe_done is True


@pytest.mark.parametrize("text", RATE_TEXTS)
@pytest.mark.parametrize("verb", VERBS)
def test_503_that_names_a_rate_is_unavailable_and_nothing_was_begun(verb: str, text: str) -> None:
    for body in (*in_envelopes(ENVELOPES, text), text.encode()):
        outcome = read(verb, 503, body, Retry_After="30")

        assert type(outcome) is ConvaiUnavailable, body
        assert (outcome.code, outcome.retry_after) == ("convai_unavailable", 30.0)
        assert outcome.maybe_done is False


@pytest.mark.parametrize(
    "body", [b"", b"<h1>503 Service Temporarily Unavailable</h1>", {"ERROR": KEY_TEXTS[0]}]
)
@pytest.mark.parametrize("verb", VERBS)
def test_any_other_503_may_be_a_proxys_that_had_sent_the_call_on(verb: str, body: object) -> None:
    outcome = read(verb, 503, body, Retry_After="30")

    assert type(outcome) is ConvaiUnavailable
    assert (outcome.code, outcome.retry_after) == ("convai_unavailable", 30.0)
    assert outcome.maybe_done is True


@pytest.mark.parametrize("body", [b"", {"apiAuthToken": TOKEN}, {"STATUS": "SUCCESS"}])
@pytest.mark.parametrize("verb", VERBS)
def test_redirects_and_refusals_to_wait_are_unavailable_and_nothing_was_done(
    verb: str, body: object
) -> None:
    for status in (300, 301, 302, 303, 304, 307, 308, 399, 408, 425):
        outcome = read(verb, status, body)

        assert type(outcome) is ConvaiUnavailable, status
        assert (outcome.code, outcome.maybe_done) == ("convai_unavailable", False)


@pytest.mark.parametrize("status", [100, 101, 102, 103, 199])
@pytest.mark.parametrize("verb", VERBS)
def test_after_an_interim_answer_the_call_may_still_be_carried_out(verb: str, status: int) -> None:
    outcome = read(verb, status)

    assert type(outcome) is ConvaiUnavailable
    assert (outcome.code, outcome.maybe_done) == ("convai_unavailable", True)


@pytest.mark.parametrize("envelope", sorted(ENVELOPES))
def test_no_outcome_repeats_the_text_of_the_answer(
    envelope: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = ENVELOPES[envelope]("Canary CANARY-KEY and CANARY-TOKEN.")

    outcomes = [
        read(verb, status, body)
        for verb in VERBS
        for status in (200, 302, 400, 401, 403, 404, 429, 500)
    ]

    told = repr([(outcome, getattr(outcome, "__dict__", "")) for outcome in outcomes])
    assert "canary" not in told.lower()
    assert "canary" not in caplog.text.lower()
