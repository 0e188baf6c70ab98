"""System checks: one id for each mistake, each with a hint; no network, no database.

Those of this app's own settings; ``site.py`` has those of what the site puts around it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.utils.module_loading import import_string

from ..conf import DEFAULTS, app_settings
from ..payloads import named_end_user

DOTTED_PATHS = ("ISSUE_IF", "END_USER", "PAYLOAD", "DISPATCHER")
SECONDS = ("CONNECT_TIMEOUT", "READ_TIMEOUT", "LOGIN_BUDGET")
COUNTS = ("MAX_LIVE_TOKENS", "MAX_CONCURRENT")
PERIODS = ("REVOKE_HORIZON", "RETENTION")
MIN_KEY_LENGTH = 32


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name stands for this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def check_api_key(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: a missing or blank key. A callable isn't called: it may ask a vault."""
    key = app_settings.API_KEY
    if callable(key) or (isinstance(key, str) and key.strip()):
        return []
    return [
        Error(
            "CONVAI_TOKENS['API_KEY'] is missing or blank.",
            hint="Set it to your Convai API key, read from the environment or a secrets store, "
            "or to a callable that returns it.",
            id="convai_tokens.E001",
        )
    ]


def check_base_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E002: a base URL by which the key would travel in clear, or nowhere."""
    if _is_safe_url(app_settings.BASE_URL):
        return []
    return [
        Error(
            "CONVAI_TOKENS['BASE_URL'] is neither https nor http on loopback.",
            hint="Use https://api.convai.com; plain http would show the API key to the network.",
            id="convai_tokens.E002",
        )
    ]


def _is_safe_url(value: Any) -> bool:
    try:
        url = urlsplit(str(value))
        host = url.hostname
    except ValueError:
        return False
    return bool(host) and (url.scheme == "https" or (url.scheme == "http" and is_loopback(host)))


def check_names(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E003: settings that nobody reads."""
    return [
        Error(
            f"CONVAI_TOKENS[{name!r}] is not a setting.",
            hint=f"The settings are: {', '.join(sorted(DEFAULTS))}.",
            id="convai_tokens.E003",
        )
        for name in app_settings.configured()
        if name not in DEFAULTS
    ]


def check_paths(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E006: a dotted path that doesn't import, or names nothing callable."""
    return [
        Error(
            f"CONVAI_TOKENS[{name!r}] can't be used: {problem}",
            hint=f"Give a callable or its dotted path; the default is {DEFAULTS[name]!r}.",
            id="convai_tokens.E006",
        )
        for name in DOTTED_PATHS
        for problem in _path_problems(getattr(app_settings, name))
    ]


def _path_problems(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError as error:
            yield str(error)
            return
    if not callable(value):
        yield f"{value!r} is not callable."


def check_end_user(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E007: ``END_USER`` fails, or gives blanks, for a user who has a key and a name."""
    if check_paths(None):
        return []  # told already
    user_model = get_user_model()
    user = user_model(pk=1)
    setattr(user, user_model.USERNAME_FIELD, "learner")
    try:
        named_end_user(user)
    except Exception as error:  # noqa: BLE001 - it is the project's own code
        problem = f"{type(error).__name__}: {error}"
    else:
        return []
    return [
        Error(
            f"CONVAI_TOKENS['END_USER'] fails for a user with key 1 and name 'learner': {problem}",
            hint="Return (id, name), both non-empty; the id stable and unique for each learner.",
            id="convai_tokens.E007",
        )
    ]


def check_values(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E008: a number or period that is none, or that contradicts another."""
    problems = [
        f"CONVAI_TOKENS[{name!r}] must be a number of seconds above 0."
        for name in SECONDS
        if not _is_number(getattr(app_settings, name))
    ]
    problems += [
        f"CONVAI_TOKENS[{name!r}] must be a positive timedelta."
        for name in PERIODS
        if not _is_period(getattr(app_settings, name))
    ]
    problems += [
        f"CONVAI_TOKENS[{name!r}] must be a whole number above 0."
        for name in COUNTS
        if not isinstance(getattr(app_settings, name), int)
        or not _is_number(getattr(app_settings, name))
    ]
    if not problems and app_settings.RETENTION < app_settings.REVOKE_HORIZON:
        problems.append("CONVAI_TOKENS['RETENTION'] must not be shorter than REVOKE_HORIZON.")
    hint = "See the table of settings in the README for the units and defaults."
    return [Error(problem, hint=hint, id="convai_tokens.E008") for problem in problems]


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 < value < float("inf")


def _is_period(value: Any) -> bool:
    return isinstance(value, timedelta) and value > timedelta()


def check_encryption_keys(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """E009: encryption keys that are no list of long texts."""
    keys = app_settings.ENCRYPTION_KEYS
    if keys is None:
        return []
    if isinstance(keys, (list, tuple)) and keys and all(_is_key(key) for key in keys):
        return []
    return [
        Error(
            f"CONVAI_TOKENS['ENCRYPTION_KEYS'] must be a list of texts of {MIN_KEY_LENGTH} or "
            "more characters, newest first.",
            hint="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
            id="convai_tokens.E009",
        )
    ]


def _is_key(key: Any) -> bool:
    return isinstance(key, str) and len(key.strip()) >= MIN_KEY_LENGTH


def check_own_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W010, for ``check --deploy``: the encryption keys are derived from ``SECRET_KEY``."""
    if app_settings.ENCRYPTION_KEYS is not None:
        return []
    return [
        Warning(
            "CONVAI_TOKENS['ENCRYPTION_KEYS'] is not set: token values are sealed under a key "
            "derived from SECRET_KEY.",
            hint="Set keys of their own, so that a change of SECRET_KEY doesn't lose what is owed. "
            "Put SECRET_KEY first and the new one last, until all processes know both; then the "
            "new one first.",
            id="convai_tokens.W010",
        )
    ]
