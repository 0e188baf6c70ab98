"""What a learner's client is told, in both shapes, with a token and without."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.http import HttpRequest

from convai_tokens.conf import app_settings
from convai_tokens.exceptions import ConvaiRefused, ConvaiUnavailable, EndUserBlank, ErrorCode
from convai_tokens.lifecycle.storing import Issued
from convai_tokens.models import ConvaiToken
from convai_tokens.payloads import (
    LoginBlock,
    end_user,
    everybody,
    failed_block,
    fields,
    flat,
    issued_block,
    named_end_user,
    nested,
    pseudonymous_end_user,
    retry_after,
)
from convai_tokens.secret import Secret

ConvaiSettings = Callable[..., None]

NOW = datetime(2026, 11, 22, 14, 0, 0, 250_000, tzinfo=UTC)
TOKEN = "CANARY-TOKEN-eyJhbGciOiJIUzI1NiJ9"
STAND_IN = "stand-in-of-the-token"


@pytest.fixture(autouse=True)
def _at_two_o_clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ada() -> Any:
    return get_user_model()(pk=42, username="ada", first_name="Ada", last_name="Lovelace")


def issued(
    expires_at: datetime = NOW + timedelta(hours=1), clock_ahead: timedelta = timedelta()
) -> Issued:
    return Issued(ConvaiToken(), Secret(TOKEN), expires_at, clock_ahead, STAND_IN)


def test_a_token_is_nested_as_one_object(ada: Any) -> None:
    block = issued_block(ada, issued())

    assert nested(block) == {
        "convai": {
            "apiAuthToken": STAND_IN,
            "expirationTime": "2026-11-22T15:00:00Z",
            "expiresIn": 3600,
            "endUserId": "42",
            "endUserName": "Ada Lovelace",
            "serverUrl": "https://live.convai.com",
        }
    }


@pytest.mark.parametrize(
    ("ahead", "shown"),
    [
        (timedelta(minutes=20), "2026-11-22T15:20:00Z"),
        (-timedelta(hours=2), "2026-11-22T13:00:00Z"),
    ],
)
def test_the_end_is_told_by_convais_clock_and_the_seconds_left_by_none(
    ada: Any, ahead: timedelta, shown: str
) -> None:
    block = issued_block(ada, issued(clock_ahead=ahead))

    assert (block.expiration_time, block.expires_in) == (shown, 3600)


def test_a_token_is_flat_under_the_names_of_the_vendors_example(ada: Any) -> None:
    block = issued_block(ada, issued())

    assert flat(block) == {
        "convaiApiAuthToken": STAND_IN,
        "convaiExpirationTime": "2026-11-22T15:00:00Z",
        "learnerId": "42",
        "learnerDisplayName": "Ada Lovelace",
        "convaiServerUrl": "https://live.convai.com",
    }


def test_without_a_token_the_keys_are_the_same_and_an_error_says_why(ada: Any) -> None:
    block = failed_block(ada, ConvaiUnavailable("Convai is down.", retry_after=6.2))

    assert nested(block) == {
        "convai": {
            "apiAuthToken": None,
            "expirationTime": None,
            "expiresIn": None,
            "endUserId": "42",
            "endUserName": "Ada Lovelace",
            "serverUrl": "https://live.convai.com",
            "error": {
                "code": "convai_unavailable",
                "message": "Convai can't be used now.",
                "retryAfter": 7,
            },
        }
    }


def test_without_a_token_flat_says_why_too(ada: Any) -> None:
    block = failed_block(ada, ConvaiUnavailable("Convai is down.", code=ErrorCode.CONVAI_TIMEOUT))

    assert flat(block) == {
        "convaiApiAuthToken": None,
        "convaiExpirationTime": None,
        "learnerId": "42",
        "learnerDisplayName": "Ada Lovelace",
        "convaiServerUrl": "https://live.convai.com",
        "convaiError": {
            "code": "convai_timeout",
            "message": "Convai did not answer in time.",
            "retryAfter": 15,
        },
    }


def test_nested_is_what_the_token_endpoint_tells_one_level_down(ada: Any) -> None:
    block = issued_block(ada, issued())

    assert nested(block) == {"convai": fields(block)}


@pytest.mark.parametrize("shape", [nested, flat])
def test_a_payload_is_json_with_the_tokens_stand_in_and_not_the_token(
    shape: Callable[[LoginBlock], dict[str, Any]], ada: Any
) -> None:
    block = issued_block(ada, issued())

    assert STAND_IN in json.dumps(shape(block))
    assert TOKEN not in repr((block, shape(block)))


@pytest.mark.parametrize(
    ("expires_at", "told"),
    [
        (datetime(2026, 11, 22, 15, 0, 0, 999_999, tzinfo=UTC), "2026-11-22T15:00:00Z"),
        (datetime(2026, 12, 1, 1, 2, 3, tzinfo=UTC), "2026-12-01T01:02:03Z"),
    ],
)
def test_the_end_is_told_in_whole_seconds_with_a_z(
    expires_at: datetime, told: str, ada: Any
) -> None:
    assert issued_block(ada, issued(expires_at)).expiration_time == told


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        (timedelta(hours=1), 3600),
        (timedelta(seconds=3599, milliseconds=999), 3599),
        (timedelta(milliseconds=1), 0),
        (timedelta(), 0),
        (timedelta(hours=-1), 0),
    ],
)
def test_the_time_left_is_told_in_whole_seconds_and_never_below_zero(
    left: timedelta, seconds: int, ada: Any
) -> None:
    assert issued_block(ada, issued(NOW + left)).expires_in == seconds


def test_the_server_url_is_the_projects(ada: Any, convai_settings: ConvaiSettings) -> None:
    convai_settings(SERVER_URL="https://live.example.com")

    assert fields(issued_block(ada, issued()))["serverUrl"] == "https://live.example.com"


@pytest.mark.parametrize(
    ("told", "seconds"), [(None, 15), (0.0, 0), (0.1, 1), (15.0, 15), (3600.0, 3600)]
)
def test_the_time_to_wait_is_rounded_up_to_whole_seconds(told: float | None, seconds: int) -> None:
    assert retry_after(ConvaiUnavailable("Down.", retry_after=told)) == seconds


def test_a_refusal_tells_the_longer_time_until_convai_is_called_again() -> None:
    assert retry_after(ConvaiRefused("No such key.")) == 60


def test_every_learner_gets_a_token_by_default(ada: Any) -> None:
    assert everybody(HttpRequest(), ada) is True


def test_the_default_end_user_is_key_and_full_name(ada: Any) -> None:
    assert end_user(ada) == ("42", "Ada Lovelace")


def test_a_user_without_a_full_name_goes_by_the_username() -> None:
    assert end_user(get_user_model()(pk=7, username="grace")) == ("7", "grace")


@pytest.mark.parametrize("full_name", ["", "   "])
def test_a_blank_full_name_counts_as_none(full_name: str) -> None:
    user: Any = SimpleNamespace(pk=7, get_full_name=lambda: full_name, get_username=lambda: "grace")

    assert end_user(user) == ("7", "grace")


def test_a_user_model_that_knows_no_full_name_goes_by_the_username() -> None:
    user: Any = SimpleNamespace(pk=7, get_username=lambda: "grace@example.com")

    assert end_user(user) == ("7", "grace@example.com")


def test_id_and_name_are_texts_without_blanks_around_them(
    ada: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(END_USER=lambda user: (user.pk, f" {user.first_name}\n"))

    assert named_end_user(ada) == ("42", "Ada")


def first_name(user: Any) -> tuple[str, str]:
    return f"employee-{user.pk}", user.first_name


@pytest.mark.parametrize("given", [first_name, f"{__name__}.first_name"])
def test_the_end_user_is_the_projects_as_object_or_dotted_path(
    given: Any, ada: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(END_USER=given)

    assert fields(issued_block(ada, issued())).items() >= {
        ("endUserId", "employee-42"),
        ("endUserName", "Ada"),
    }


@pytest.mark.parametrize("given", [flat, "convai_tokens.payloads.flat"])
def test_the_shape_is_the_projects_as_object_or_dotted_path(
    given: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(PAYLOAD=given)

    assert app_settings.PAYLOAD is flat


BLANK = [
    ("", "Ada"),
    ("42", ""),
    (None, "Ada"),
    ("42", None),
    (" \t", "Ada"),
    ("42", "\n"),
    ("", ""),
]


@pytest.mark.parametrize("blank", BLANK)
def test_a_blank_end_user_gets_no_block_with_a_token(
    blank: tuple[Any, Any], ada: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(END_USER=lambda user: blank)

    with pytest.raises(EndUserBlank):
        issued_block(ada, issued())


@pytest.mark.parametrize("blank", BLANK)
def test_a_blank_end_user_is_told_neither_id_nor_name(
    blank: tuple[Any, Any], ada: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(END_USER=lambda user: blank)

    told = fields(failed_block(ada, EndUserBlank("END_USER gave a blank id or name.")))

    assert (told["endUserId"], told["endUserName"]) == (None, None)
    assert told["error"]["code"] == "end_user_blank"


def test_an_id_of_zero_is_no_blank(ada: Any, convai_settings: ConvaiSettings) -> None:
    convai_settings(END_USER=lambda user: (0, "Ada"))

    assert named_end_user(ada) == ("0", "Ada")


def test_a_pseudonym_is_stable_tells_users_apart_and_names_nobody(
    learner: Any, make_user: Any, settings: Any
) -> None:
    other = make_user("second", first_name="Anna", last_name="Alpha")
    first, name = pseudonymous_end_user(learner)

    assert (first, name) == pseudonymous_end_user(learner)
    assert pseudonymous_end_user(other)[0] != first
    assert (len(first), name) == (32, "Learner")
    settings.SECRET_KEY = "another" * 8
    assert pseudonymous_end_user(learner)[0] != first
