"""System checks of this app's own settings: each value against its declaration in ``conf.py``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name

from ..conf import SETTINGS, TABLE_HINT, AppSettings, app_settings, configured
from ..payloads import id_and_name


def check_values(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001, E002, E006, E008, E009, E018, E019: a value that isn't what its setting must be.

    A callable ``API_KEY`` isn't called: it may ask a vault.
    """
    found: list[CheckMessage] = [
        Error(
            f"CONVAI_TOKENS[{name!r}] {problem}",
            hint=setting.kind.hint,
            id=f"convai_tokens.{setting.kind.check_id}",
        )
        for name, setting in SETTINGS.items()
        if (problem := setting.problem())
    ]
    if not found and (problem := app_settings.proxy_problem()):
        hint = "Use https in BASE_URL, or no proxy for a sandbox on loopback."
        found.append(Error(problem, hint=hint, id="convai_tokens.E018"))
    if not found and app_settings.RETENTION < app_settings.REVOKE_HORIZON:
        found.append(
            Error(
                "CONVAI_TOKENS['RETENTION'] must not be shorter than REVOKE_HORIZON.",
                hint=TABLE_HINT,
                id="convai_tokens.E008",
            )
        )
    return found


def check_names(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E003: settings that nobody reads."""
    return [
        Error(
            f"CONVAI_TOKENS[{name!r}] is not a setting.",
            hint=f"The settings are: {', '.join(sorted(SETTINGS))}.",
            id="convai_tokens.E003",
        )
        for name in configured()
        if name not in SETTINGS
    ]


def check_end_user(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E007: ``END_USER`` fails, or gives blanks, for a user who has a key and a name."""
    if AppSettings.END_USER.problem():
        return []  # told already
    user_model = get_user_model()
    user = user_model(pk=1)
    setattr(user, user_model.USERNAME_FIELD, "learner")
    try:
        blank = not all(id_and_name(user))
        problem = "EndUserBlank: the id or the name is blank." if blank else ""
    except Exception as error:  # noqa: BLE001 - it is the project's own code
        problem = f"{type(error).__name__}: {error}"
    if not problem:
        return []
    return [
        Error(
            f"CONVAI_TOKENS['END_USER'] fails for a user with key 1 and name 'learner': {problem}",
            hint="Return (id, name), both non-empty; the id stable and unique for each learner.",
            id="convai_tokens.E007",
        )
    ]


def check_own_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W010, for ``check --deploy``: the encryption keys are derived from ``SECRET_KEY``."""
    if AppSettings.ENCRYPTION_KEYS.given() is not None:
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
