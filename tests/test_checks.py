"""The system checks: each mistake has one id and a hint, and nobody is called for any of them."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from enum import IntEnum
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.checks.registry import registry
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from convai_tokens.checks import CHECKS, DEPLOY_CHECKS, configuration, engines, site
from convai_tokens.checks.site import MIDDLEWARE, OUTSIDE, check_urls
from convai_tokens.conf import SETTINGS, is_loopback
from convai_tokens.views import TokenView

ConvaiSettings = Callable[..., None]
Level = IntEnum("Level", ["READ_UNCOMMITTED", "READ_COMMITTED", "REPEATABLE_READ"])  # as psycopg's

KEY = "CANARY-KEY-5d41402abc4b2a76b9719d911017c592"
SHARED_CACHE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}
LONG_KEYS = ["n" * 32, "o" * 40]


@pytest.fixture(autouse=True)
def _no_network_and_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a check must call nobody")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for connection in connections.all():
        monkeypatch.setattr(connection, "ensure_connection", refuse)
        monkeypatch.setattr(connection, "cursor", refuse)


def found(*, deploy: bool = False) -> list[CheckMessage]:
    """Return what Django's registered checks say about this app; each has to come with a hint."""
    messages = [
        message
        for message in run_checks(include_deployment_checks=deploy)
        if (message.id or "").startswith("convai_tokens.")
    ]
    assert all(message.hint for message in messages)
    assert KEY not in repr([(message.msg, message.hint) for message in messages])
    return messages


def ids(*, deploy: bool = False) -> list[str]:
    return [str(message.id).removeprefix("convai_tokens.") for message in found(deploy=deploy)]


def test_the_settings_of_the_suite_are_without_a_mistake() -> None:
    assert ids() == []


def test_every_check_is_bound_and_the_deploy_checks_only_for_deployment() -> None:
    assert set(CHECKS) <= set(registry.registered_checks)
    assert set(DEPLOY_CHECKS) <= set(registry.deployment_checks)
    assert not set(DEPLOY_CHECKS) & set(registry.registered_checks)


def test_the_apps_own_checks_can_be_run_by_themselves(convai_settings: ConvaiSettings) -> None:
    convai_settings(API_KEY="")

    with pytest.raises(SystemCheckError, match=r"convai_tokens\.E001"):
        call_command("check", tags=["convai_tokens"])


def test_no_check_of_the_module_is_left_unbound() -> None:
    modules = (configuration, engines, site)
    written = {
        value
        for module in modules
        for name, value in vars(module).items()
        if name.startswith("check_")
    }

    assert written == {*CHECKS, *DEPLOY_CHECKS}


def test_a_project_that_sets_nothing_lacks_only_the_key(settings: Any) -> None:
    del settings.CONVAI_TOKENS

    assert ids() == ["E001"]


# E001


@pytest.mark.parametrize("key", ["", "  \n", None, 42, b"a key in bytes"])
def test_e001_a_blank_key_is_told(key: Any, convai_settings: ConvaiSettings) -> None:
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


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.0.1", False),
        ("convai.com", False),
        ("", False),
        (None, False),
    ],
)
def test_only_hosts_that_stand_for_this_machine_are_loopback(
    host: str | None, expected: bool
) -> None:
    assert is_loopback(host) is expected


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


# E004, E005


def test_e004_a_missing_middleware_is_told(settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]

    assert ids() == ["E004"]


def test_e004_a_middleware_that_is_there_is_accepted(settings: Any) -> None:
    settings.MIDDLEWARE = [*OUTSIDE, MIDDLEWARE]

    assert ids() == []


@pytest.mark.parametrize("name", OUTSIDE)
def test_e005_a_middleware_that_has_to_be_outside_is_told_when_it_is_not(
    name: str, settings: Any
) -> None:
    others = [each for each in settings.MIDDLEWARE if each != name]
    settings.MIDDLEWARE = [*others, name]

    (message,) = found()

    assert message.id == "convai_tokens.E005"
    assert repr(name) in message.msg


def test_e005_each_of_them_is_told(settings: Any) -> None:
    settings.MIDDLEWARE = [MIDDLEWARE, *OUTSIDE]

    assert ids() == ["E005"] * len(OUTSIDE)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([], id="none of them"),
        pytest.param(["django.middleware.common.CommonMiddleware"], id="another one inside"),
    ],
)
def test_e005_what_may_be_inside_or_missing_is_accepted(others: list[str], settings: Any) -> None:
    settings.MIDDLEWARE = [MIDDLEWARE, *others]

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


# E007


def end_user_without_a_name(user: Any) -> tuple[str, str]:
    return str(user.pk), "  "


def end_user_without_an_id(user: Any) -> tuple[None, str]:
    return None, user.get_username()


def end_user_that_fails(user: Any) -> tuple[str, str]:
    raise LookupError("no directory")


def end_user_with_too_much(user: Any) -> tuple[str, str, str]:
    return "42", "Ada", "Lovelace"


def end_user_of_nobody(user: Any) -> None:
    return None


def employee(user: Any) -> tuple[str, str]:
    return f"employee-{user.pk}", user.get_username()


@pytest.mark.parametrize(
    ("end_user", "named"),
    [
        (end_user_without_a_name, "EndUserBlank"),
        (end_user_without_an_id, "EndUserBlank"),
        (end_user_that_fails, "LookupError: no directory"),
        (end_user_with_too_much, "ValueError"),
        (end_user_of_nobody, "TypeError"),
    ],
)
def test_e007_an_end_user_that_fails_for_a_plain_user_is_told(
    end_user: Any, named: str, convai_settings: ConvaiSettings
) -> None:
    convai_settings(END_USER=end_user)

    (message,) = found()

    assert message.id == "convai_tokens.E007"
    assert named in message.msg


@pytest.mark.parametrize("end_user", [employee, f"{__name__}.employee"])
def test_e007_an_end_user_of_the_project_is_accepted(
    end_user: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(END_USER=end_user)

    assert ids() == []


# E008


@pytest.mark.parametrize("name", ["CONNECT_TIMEOUT", "READ_TIMEOUT", "LOGIN_BUDGET"])
@pytest.mark.parametrize(
    "value", [0, -1, "3", None, True, timedelta(seconds=3), float("nan"), float("inf")]
)
def test_e008_what_is_no_number_of_seconds_is_told(
    name: str, value: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(**{name: value})

    (message,) = found()

    assert message.id == "convai_tokens.E008"
    assert repr(name) in message.msg


@pytest.mark.parametrize("name", ["REVOKE_HORIZON", "RETENTION"])
@pytest.mark.parametrize("value", [timedelta(), timedelta(seconds=-1), 3600, None, "25 h"])
def test_e008_what_is_no_period_is_told(
    name: str, value: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(**{name: value})

    (message,) = found()

    assert message.id == "convai_tokens.E008"
    assert repr(name) in message.msg


@pytest.mark.parametrize("name", ["MAX_LIVE_TOKENS", "MAX_CONCURRENT"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "5", None, True])
def test_e008_what_is_no_whole_number_is_told(
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


# W014: URLs


def test_w014_no_address_of_the_token_endpoint(settings: Any) -> None:
    settings.ROOT_URLCONF = "lms_site.api.urls"

    (message,) = found()

    assert message.id == "convai_tokens.W014"


class Urls:
    """A URLconf with the app's addresses in some other place than the usual one."""

    def __init__(self, *urlpatterns: Any) -> None:
        self.urlpatterns = urlpatterns


@pytest.mark.parametrize(
    "urls",
    [
        Urls(path("<slug:tenant>/", include([path("x/", include("convai_tokens.urls"))]))),
        Urls(path("x/", include(("convai_tokens.urls", "other"), namespace="mine"))),
        Urls(path("x/", type("Ours", (TokenView,), {}).as_view())),
        Urls(re_path("x/", csrf_exempt(TokenView.as_view()))),
    ],
)
def test_w014_the_token_endpoint_may_be_anywhere(urls: Urls, settings: Any) -> None:
    settings.ROOT_URLCONF = urls

    assert ids() == []


@pytest.mark.parametrize("odd", ["a text", ("a", "tuple"), object()])
def test_w014_leaves_what_is_no_pattern_to_djangos_own_checks(odd: Any, settings: Any) -> None:
    settings.ROOT_URLCONF = Urls(odd)

    assert [message.id for message in check_urls(None)] == ["convai_tokens.W014"]


def test_the_app_imports_no_views_before_the_urls_do() -> None:
    """They bring in what ``REST_FRAMEWORK`` names, and freeze it before later apps are ready."""
    code = "import django, sys; django.setup(); print('rest_framework.views' in sys.modules)"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "False"


def test_w014_a_process_without_urls_needs_no_endpoint(settings: Any) -> None:
    del settings.ROOT_URLCONF

    assert check_urls(None) == []


# W010, W011: for deployment


def test_w010_keys_derived_from_the_secret_key_are_told_for_deployment_only(
    settings: Any,
) -> None:
    settings.CACHES = SHARED_CACHE

    assert ids(deploy=True) == ["W010"]
    assert ids() == []


@pytest.mark.parametrize(
    "backend",
    [
        "django.core.cache.backends.locmem.LocMemCache",
        "django.core.cache.backends.dummy.DummyCache",
    ],
)
def test_w011_a_cache_of_one_process_is_told_for_deployment_only(
    backend: str, settings: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(ENCRYPTION_KEYS=LONG_KEYS)
    settings.CACHES = {"default": {"BACKEND": backend}}

    assert ids(deploy=True) == ["W011"]
    assert ids() == []


def test_own_keys_and_a_shared_cache_are_accepted_for_deployment(
    settings: Any, convai_settings: ConvaiSettings
) -> None:
    convai_settings(ENCRYPTION_KEYS=LONG_KEYS)
    settings.CACHES = SHARED_CACHE

    assert ids(deploy=True) == []


# W015: isolation


@pytest.mark.parametrize("vendor", ["mysql", "postgresql"])
@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("read committed", []),
        ("READ COMMITTED", []),
        (Level.READ_COMMITTED, []),
        (None, ["W015"]),  # MySQL: whatever the server has, and that is repeatable read
        ("repeatable read", ["W015"]),
        (Level.REPEATABLE_READ, ["W015"]),
    ],
    ids=str,
)
def test_w015_transactions_see_what_others_commit(
    vendor: str, level: Any, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connections["default"]
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"isolation_level": level})

    assert ids() == told


@pytest.mark.parametrize("vendor", ["mysql", "postgresql", "sqlite"])
def test_w015_what_django_chooses_by_itself_is_right(
    vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections["default"], "vendor", vendor)
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", {})

    assert ids() == []
