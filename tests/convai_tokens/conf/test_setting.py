"""The settings dict: defaults, the project's values, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import certifi
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from convai_tokens.conf import SETTINGS, Hook, app_settings, configured
from convai_tokens.payloads import flat, nested
from convai_tokens.secret import Secret

ConvaiSettings = Callable[..., None]


# A value of each setting that is fine, and not its default.
OTHERS: dict[str, Any] = {
    **dict.fromkeys(["API_KEY", "SERVER_URL"], "another"),
    "BASE_URL": "https://convai.example.org",
    **dict.fromkeys(["CONNECT_TIMEOUT", "READ_TIMEOUT", "LOGIN_BUDGET"], 7.5),
    **dict.fromkeys(["MAX_CONCURRENT", "MAX_LIVE_TOKENS", "LEARNER_RATE"], 77),
    "ENCRYPTION_KEYS": ["k" * 32],
    **dict.fromkeys(["ISSUE_IF", "END_USER", "PAYLOAD", "DISPATCHER"], lambda *args: None),
    **dict.fromkeys(["REVOKE_HORIZON", "RETENTION"], timedelta(days=7)),
    "ALLOW_GET": True,
    "PROXY": "http://proxy.example.org:3128",
    "CA_BUNDLE": certifi.where(),
    "WATCH_SESSION_ROWS": False,
    "NO_CREDENTIALS": ["key"],
    "TOKENS_FOR_IMPERSONATORS": True,
    "ONE_SESSION_PER_DEVICE": True,
}


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - {"API_KEY"}))
def test_a_setting_that_the_project_leaves_out_has_its_default(name: str, settings: Any) -> None:
    settings.CONVAI_TOKENS = {}

    default = SETTINGS[name].default
    expected = import_string(default) if isinstance(SETTINGS[name], Hook) else default
    assert getattr(app_settings, name) == expected


def test_a_project_without_the_dict_has_all_defaults(settings: Any) -> None:
    del settings.CONVAI_TOKENS

    assert configured() == {}
    assert app_settings.BASE_URL == "https://api.convai.com"


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_the_projects_value_wins_from_the_moment_it_is_set(
    name: str, convai_settings: ConvaiSettings
) -> None:
    assert getattr(app_settings, name) != OTHERS[name]

    convai_settings(**{name: OTHERS[name]})

    assert getattr(app_settings, name) is OTHERS[name]


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_value_that_the_setting_must_never_be_is_refused_where_it_is_used(
    name: str, convai_settings: ConvaiSettings
) -> None:
    convai_settings(**{name: object()})

    with pytest.raises(ImproperlyConfigured, match=rf"CONVAI_TOKENS\['{name}'\]"):
        getattr(app_settings, name)


def test_a_name_that_is_no_setting_is_an_attribute_error(convai_settings: ConvaiSettings) -> None:
    convai_settings(TYPO=1)

    with pytest.raises(AttributeError, match="TYPO"):
        _ = app_settings.TYPO  # type: ignore[attr-defined] # so mypy says too


def test_a_callable_is_found_by_its_dotted_path(convai_settings: ConvaiSettings) -> None:
    convai_settings(PAYLOAD="convai_tokens.payloads.flat")

    assert app_settings.PAYLOAD is flat


def test_a_callable_may_be_given_as_the_object_itself(convai_settings: ConvaiSettings) -> None:
    convai_settings(PAYLOAD=nested)

    assert app_settings.PAYLOAD is nested


def test_a_dotted_path_that_names_nothing_is_a_configuration_error(
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(PAYLOAD="convai_tokens.payloads.no_such_thing")

    with pytest.raises(ImproperlyConfigured, match="no_such_thing"):
        _ = app_settings.PAYLOAD


def test_the_api_key_is_a_secret_without_the_blanks_around_it(
    convai_settings: ConvaiSettings,
) -> None:
    convai_settings(API_KEY="  the-key \n")

    key = app_settings.api_key()

    assert key == Secret("the-key")


def test_a_callable_api_key_is_called_each_time(convai_settings: ConvaiSettings) -> None:
    keys = iter(["first-key\n", "second-key"])
    convai_settings(API_KEY=lambda: next(keys))

    assert [app_settings.api_key(), app_settings.api_key()] == [
        Secret("first-key"),
        Secret("second-key"),
    ]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param(" \t\n", id="blanks"),
        pytest.param(None, id="none"),
        pytest.param(lambda: "", id="callable giving an empty text"),
        pytest.param(lambda: "  ", id="callable giving blanks"),
        pytest.param(lambda: None, id="callable giving none"),
    ],
)
def test_a_blank_api_key_is_a_configuration_error(
    key: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(API_KEY=key)

    with pytest.raises(ImproperlyConfigured, match="API_KEY"):
        app_settings.api_key()


def test_the_api_key_may_not_be_missing(settings: Any) -> None:
    settings.CONVAI_TOKENS = {}

    with pytest.raises(ImproperlyConfigured, match="API_KEY"):
        app_settings.api_key()


def test_encryption_keys_come_from_the_secret_key_and_its_fallbacks(settings: Any) -> None:
    settings.SECRET_KEY = "the-present-one"
    settings.SECRET_KEY_FALLBACKS = ["the-one-before", "the-oldest"]

    keys = ["the-present-one", "the-one-before", "the-oldest"]
    assert app_settings.encryption_keys() == [*map(Secret, keys)]


def test_own_encryption_keys_take_the_place_of_the_secret_key(
    settings: Any, convai_settings: ConvaiSettings
) -> None:
    settings.SECRET_KEY_FALLBACKS = ["the-one-before"]
    keys = ["new-" + "n" * 40, "old-" + "o" * 40]
    convai_settings(ENCRYPTION_KEYS=keys)

    assert app_settings.encryption_keys() == [*map(Secret, keys)]


def test_encryption_keys_show_in_no_repr(convai_settings: ConvaiSettings) -> None:
    convai_settings(ENCRYPTION_KEYS=["a-key-of-its-own" + "k" * 40])

    assert repr(app_settings.encryption_keys()) == "['***']"
