"""The outcomes: their codes, and texts that are fit for logs and database columns."""

from __future__ import annotations

import pickle
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convai_tokens import exceptions
from convai_tokens.exceptions import (
    MAX_TEXT,
    ConvaiTokensError,
    ConvaiUnavailable,
    ErrorCode,
    clean_text,
)

SECRET_ALPHABET = "ABCXYZabcxyz0189_.~+/=-"
secrets_of_vendors = st.text(SECRET_ALPHABET, min_size=16, max_size=600)

CODES = {
    "ConvaiTokensError": "convai_error",
    "ConvaiUnavailable": "convai_unavailable",
    "ConvaiPaused": "convai_unavailable",  # one more reason for the same advice to clients
    "ConvaiRefused": "convai_refused",
    "Misconfigured": "convai_misconfigured",
    "TransactionOpen": "convai_misconfigured",  # of the same kind, for clients
    "TokenRejected": "token_rejected",
    "TokenGone": "token_gone",
    "SessionEnded": "session_ended",
    "TokenSuperseded": "token_superseded",
    "NoLiveToken": "no_live_token",
    "EndUserBlank": "end_user_blank",
    "LearnerLimited": "learner_rate_limited",
    "SealBroken": "seal_broken",
    "NotAuthenticated": "not_authenticated",
    "CredentialNotSupported": "credential_not_supported",
    "NotAllowed": "convai_not_allowed",
    "Impersonated": "convai_impersonated",
    "UnknownStack": "convai_unknown_stack",
    "CrossSite": "cross_site",
}


def test_every_exception_has_one_root_and_the_table_of_codes_is_whole() -> None:
    found = {
        name: value.code
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, ConvaiTokensError)
    }

    assert found == CODES


@pytest.mark.parametrize("name", sorted(CODES))
def test_an_exception_carries_code_text_and_waiting_time(name: str) -> None:
    error = getattr(exceptions, name)("Told so.", retry_after=7.5)

    assert (error.code, str(error), error.retry_after) == (CODES[name], "Told so.", 7.5)
    assert error.describe() == f"{CODES[name]}: Told so."


def test_a_code_given_to_one_exception_stays_with_that_one() -> None:
    error = ConvaiUnavailable("Slow down.", code=ErrorCode.CONVAI_RATE_LIMITED)

    assert error.code == "convai_rate_limited"
    assert ConvaiUnavailable("Down.").code == "convai_unavailable"


def test_no_time_is_named_unless_convai_named_one() -> None:
    assert ConvaiUnavailable("Down.").retry_after is None


@pytest.mark.parametrize("maybe_done", [True, False])
def test_unavailable_says_whether_the_call_may_have_been_carried_out(maybe_done: bool) -> None:
    assert ConvaiUnavailable("Down.", maybe_done=maybe_done).maybe_done is maybe_done


def test_unavailable_takes_the_call_for_not_carried_out_unless_told() -> None:
    assert ConvaiUnavailable("Down.").maybe_done is False


def test_an_exception_survives_being_sent_to_another_process() -> None:
    error = ConvaiUnavailable(
        "Down.", code=ErrorCode.CONVAI_TIMEOUT, retry_after=3.0, maybe_done=True
    )

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is ConvaiUnavailable
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_the_text_of_an_exception_is_cleaned() -> None:
    error = ConvaiTokensError("bad key CANARY-KEY-5d41402abc4b2a76b\r\nnext line")

    assert str(error) == "bad key [...] next line"
    assert "CANARY" not in repr(error)


def test_a_description_fits_the_database_column() -> None:
    error = ConvaiTokensError("word " * 100)

    assert len(error.describe()) == MAX_TEXT


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("5d41402abc4b2a76b9719d911017c592", id="hex digits"),
        pytest.param("123e4567-e89b-12d3-a456-426614174000", id="uuid"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl-_", id="jwt"),
        pytest.param("c2VjcmV0IHRleHQgaGVyZQ+/==", id="base64"),
        pytest.param("0123456789abcdef", id="sixteen characters"),
    ],
)
def test_what_looks_like_a_key_or_a_token_is_taken_out(secret: str) -> None:
    assert clean_text(f"said '{secret}' again") == "said '[...]' again"


def test_prose_stays_as_it_is() -> None:
    prose = "Convai answered 429 to generate. API rate limit exceeded, reference 12345678901234."

    assert clean_text(prose) == prose


def test_control_characters_become_one_space() -> None:
    assert clean_text("\x00one\r\n\t\x1btwo\x7f\x85three\u2028\u2029four\n") == "one two three four"


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert clean_text("word " * 60) == ("word " * 60)[: MAX_TEXT - 1] + "…"
    assert clean_text("word " * 47 + "12345") == "word " * 47 + "12345"


@given(before=st.text(), secret=secrets_of_vendors, after=st.text())
@example(before="", secret="x" * 16, after="")
def test_no_run_as_long_as_a_key_comes_through(before: str, secret: str, after: str) -> None:
    cleaned = clean_text(before + secret + after)

    assert secret not in cleaned
    assert not re.search(r"[A-Za-z0-9_.~+/=-]{16}", cleaned)


@given(st.text(max_size=300))
@example("x " * 500)
def test_any_text_comes_out_on_one_line_of_at_most_240_characters(text: str) -> None:
    cleaned = clean_text(text)

    assert len(cleaned) <= MAX_TEXT
    assert len(cleaned.splitlines()) <= 1
    assert not any(unicodedata.category(character) == "Cc" for character in cleaned)
    assert clean_text(cleaned) == cleaned
