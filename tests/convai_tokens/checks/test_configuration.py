"""The checks of this app's own settings."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from convai_tokens.conf import SETTINGS
from convai_tokens.secret import Secret
from tests.convai_tokens.checks.messages import (
    KEY,
    LONG_KEYS,
    SHARED_CACHE,
    ConvaiSettings,
    found,
    ids,
)

pytestmark = pytest.mark.usefixtures("no_network_and_no_database")


def test_a_project_that_sets_nothing_lacks_only_the_key(settings: Any) -> None:
    del settings.CONVAI_TOKENS

    assert ids() == ["W021"]


# E001, W021


@pytest.mark.parametrize("key", ["", "  \n", None, Secret(" ")])
def test_w021_a_blank_key_is_a_warning_so_that_tests_and_builds_need_none(
    key: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(API_KEY=key, ENCRYPTION_KEYS=LONG_KEYS)

    assert ids() == ["W021"]
    assert "E001" in ids(deploy=True)


@pytest.mark.parametrize("key", [42, b"a key in bytes", ["a key"]])
def test_e001_a_key_that_is_no_text_is_told_always(
    key: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(API_KEY=key)

    assert ids() == ["E001"]


def vault() -> str:
    raise AssertionError("a check must not ask the vault")


@pytest.mark.parametrize("key", [KEY, vault])
def test_e001_a_key_or_a_callable_is_accepted_and_not_called(
    key: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(API_KEY=key)

    assert ids() == []


# E002


@pytest.mark.parametrize(
    "url",
    [
        "http://api.convai.com",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://[2001:db8::1]:8000",
        "http://",
        "https://",
        "https:///user",
        "ftp://127.0.0.1",
        "//api.convai.com",
        "api.convai.com",
        "https://[::1",
        "",
        None,
    ],
)
def test_e002_a_base_url_that_would_show_the_key_is_told(
    url: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(BASE_URL=url)

    assert ids() == ["E002"]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.convai.com",
        "https://api.convai.com/",
        "HTTPS://convai.example.com:8443/below",
        "http://127.0.0.1:8099",
        "http://127.8.9.10",
        "http://localhost:8099",
        "http://[::1]:8099",
    ],
)
def test_e002_https_and_http_on_loopback_are_accepted(
    url: str, convai_settings: ConvaiSettings
) -> None:
    convai_settings(BASE_URL=url)

    assert ids() == []


# E003


def test_e003_each_unknown_setting_is_told_by_its_name(convai_settings: ConvaiSettings) -> None:
    convai_settings(API_KEYS="x", base_url="y")

    messages = found()

    assert [message.id for message in messages] == ["convai_tokens.E003"] * 2
    assert "'API_KEYS'" in messages[0].msg
    assert "'base_url'" in messages[1].msg
    assert all(name in str(messages[0].hint) for name in SETTINGS)


def test_e003_every_setting_by_its_right_name_is_accepted(settings: Any) -> None:
    settings.CONVAI_TOKENS = {**{name: it.default for name, it in SETTINGS.items()}, "API_KEY": KEY}

    assert ids() == []


# E006


@pytest.mark.parametrize("name", ["ISSUE_IF", "END_USER", "PAYLOAD", "DISPATCHER"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("no_such_module.function", id="no such module"),
        pytest.param("convai_tokens.payloads.no_such_function", id="no such function"),
        pytest.param("nodots", id="no dotted path"),
        pytest.param("convai_tokens.exceptions.MAX_TEXT", id="a number"),
        pytest.param(None, id="none"),
        pytest.param(17, id="no path at all"),
    ],
)
def test_e006_a_path_that_names_no_callable_is_told(
    name: str, value: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(**{name: value})

    (message,) = found()

    assert message.id == "convai_tokens.E006"
    assert f"CONVAI_TOKENS[{name!r}]" in message.msg


@pytest.mark.parametrize("name", ["ISSUE_IF", "END_USER", "PAYLOAD", "DISPATCHER"])
def test_e006_a_callable_given_as_an_object_is_accepted(
    name: str, convai_settings: ConvaiSettings
) -> None:
    convai_settings(**{name: lambda *args: ("42", "Ada")})

    assert ids() == []


# W023


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://live.convai.com", "realtime"),
        ("https://api.convai.com/user", "path"),
        ("https://api.convai.com/user/connect", "path"),
        ("https://gateway.example.org/convai/user/revoke-token/", "path"),
    ],
)
def test_w023_another_address_of_convais_is_recognised(
    url: str, told: str, convai_settings: ConvaiSettings
) -> None:
    convai_settings(BASE_URL=url)

    (message,) = found()

    assert message.id == "convai_tokens.W023"
    assert told in message.msg


@pytest.mark.parametrize("url", ["https://api.convai.com/", "https://gateway.example.org/users/x"])
def test_w023_the_api_or_a_gateway_to_it_is_fine(url: str, convai_settings: ConvaiSettings) -> None:
    convai_settings(BASE_URL=url)

    assert ids() == []


# What no check may run


def end_user_that_asks(user: Any) -> tuple[str, str]:
    found = get_user_model().objects.get(pk=user.pk)  # no check may ask the database
    return str(found.pk), found.get_username()


def test_no_check_runs_a_hook_which_may_ask_for_tables_that_are_not_there_yet(
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(END_USER=end_user_that_asks, ISSUE_IF=end_user_that_asks)

    assert ids() == []


# E008


WRONG_VALUES = [
    *product(
        ["CONNECT_TIMEOUT", "READ_TIMEOUT", "LOGIN_BUDGET"],
        [0, -1, "3", None, True, timedelta(seconds=3), float("nan"), float("inf")],
    ),
    *product(
        ["REVOKE_HORIZON", "RETENTION"],
        [timedelta(), timedelta(seconds=-1), 3600, None, "25 h"],
    ),
    *product(["MAX_LIVE_TOKENS", "MAX_CONCURRENT"], [0, -1, 2.0, "5", None, True]),
]


@pytest.mark.parametrize(("name", "value"), WRONG_VALUES)
def test_e008_what_is_no_number_or_period_as_the_setting_wants_it_is_told(
    name: str, value: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(**{name: value})

    (message,) = found()

    assert message.id == "convai_tokens.E008"
    assert repr(name) in message.msg


def test_e008_a_retention_shorter_than_the_horizon_is_told(
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(REVOKE_HORIZON=timedelta(hours=25), RETENTION=timedelta(hours=24))

    (message,) = found()

    assert message.id == "convai_tokens.E008"
    assert "RETENTION" in message.msg


def test_e008_each_wrong_value_is_told(convai_settings: ConvaiSettings) -> None:
    convai_settings(READ_TIMEOUT=0, RETENTION=None, MAX_LIVE_TOKENS=0)

    assert ids() == ["E008"] * 3


@pytest.mark.parametrize(
    "values",
    [
        {"CONNECT_TIMEOUT": 1, "READ_TIMEOUT": 0.5, "LOGIN_BUDGET": 10},
        {"REVOKE_HORIZON": timedelta(days=2), "RETENTION": timedelta(days=2)},
        {"MAX_LIVE_TOKENS": 1, "MAX_CONCURRENT": 1},
    ],
)
def test_e008_sensible_values_are_accepted(
    values: dict[str, Any], convai_settings: ConvaiSettings
) -> None:
    convai_settings(**values)

    assert ids() == []


# E009


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param("n" * 40, id="a text"),
        pytest.param([], id="empty"),
        pytest.param(["short"], id="short"),
        pytest.param(["n" * 31 + " "], id="31 characters and a blank"),
        pytest.param(["n" * 40, "short"], id="one of them short"),
        pytest.param([b"n" * 40], id="bytes"),
        pytest.param(["n" * 40, None], id="none among them"),
        pytest.param({"n" * 40}, id="set"),
    ],
)
def test_e009_keys_that_are_no_list_of_long_texts_are_told(
    keys: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(ENCRYPTION_KEYS=keys)

    (message,) = found()

    assert message.id == "convai_tokens.E009"
    assert "n" * 31 not in message.msg


@pytest.mark.parametrize("keys", [None, LONG_KEYS, tuple(LONG_KEYS)])
def test_e009_long_texts_or_nothing_are_accepted(
    keys: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(ENCRYPTION_KEYS=keys)

    assert ids() == []


# W010, W011: for deployment


def test_w010_keys_derived_from_the_secret_key_are_told_for_deployment_only(
    settings: Any,
) -> None:
    settings.CACHES = SHARED_CACHE

    assert ids(deploy=True) == ["W010"]
    assert ids() == []
