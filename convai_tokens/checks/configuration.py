"""System checks of this app's own settings: each value against its declaration in ``conf.py``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.utils.translation import gettext as _

from ..conf import SETTINGS, TABLE_HINT, AppSettings, app_settings, configured, is_loopback
from ..conf.kinds import API_KEY
from ..convai.answers import PATHS
from ..secret import Secret


def check_values(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001, E002, E006, E008, E009, E018, E019: a value that isn't what its setting must be.

    A callable ``API_KEY`` isn't called: it may ask a vault. Nor is a hook: it may ask the database,
    whose tables ``migrate`` is about to make.
    """
    found: list[CheckMessage] = [
        Error(
            f"CONVAI_TOKENS[{name!r}] {problem}",
            hint=str(setting.kind.hint),
            id=f"convai_tokens.{setting.kind.check_id}",
        )
        for name, setting in SETTINGS.items()
        if (problem := setting.problem()) and not (name == "API_KEY" and _is_blank())
    ]
    if not found and (problem := app_settings.proxy_problem()):
        hint = _("Use https in BASE_URL, or no proxy for a sandbox on loopback.")
        found.append(Error(problem, hint=hint, id="convai_tokens.E018"))
    if not found and app_settings.RETENTION < app_settings.REVOKE_HORIZON:
        found.append(
            Error(
                _("CONVAI_TOKENS['RETENTION'] must not be shorter than REVOKE_HORIZON."),
                hint=str(TABLE_HINT),
                id="convai_tokens.E008",
            )
        )
    return found


def check_names(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E003: settings that nobody reads."""
    return [
        Error(
            _("CONVAI_TOKENS[%(name)r] is not a setting.") % {"name": name},
            hint=_("The settings are: %(join)s.") % {"join": ", ".join(sorted(SETTINGS))},
            id="convai_tokens.E003",
        )
        for name in configured()
        if name not in SETTINGS
    ]


def check_api_key(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W021: the key is blank, as for an LMS's tests and builds."""
    if not _is_blank():
        return []
    hint = _("Fine for tests and builds: logins get an error block in place of a token. ") + str(
        API_KEY.hint
    )
    return [Warning(_("CONVAI_TOKENS['API_KEY'] is blank."), hint=hint, id="convai_tokens.W021")]


def check_api_key_for_deployment(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """E001, for ``check --deploy``: the key is blank."""
    if not _is_blank():
        return []
    message = _("CONVAI_TOKENS['API_KEY'] is blank, so that no learner gets a token.")
    return [Error(message, hint=str(API_KEY.hint), id="convai_tokens.E001")]


def _is_blank() -> bool:
    given = AppSettings.API_KEY.given()
    return given is None or (
        isinstance(given, (str, Secret)) and not Secret.of(given).reveal().strip()
    )


def check_base_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W023: another address of Convai's stands in the place of the token API's."""
    if AppSettings.BASE_URL.problem():
        return []  # told already
    url = urlsplit(app_settings.BASE_URL)
    if is_loopback(url.hostname):
        return []  # a sandbox
    realtime = {"live.convai.com", urlsplit(str(AppSettings.SERVER_URL.given())).hostname}
    told = ""
    if url.hostname in realtime:
        told = _("is the realtime server's address, which is SERVER_URL's")
    elif any(path in f"{url.path}/" for path in ("/user/", *PATHS.values())):
        told = _("has a verb's path in it, and the app adds that itself")
    if not told:
        return []
    hint = _("Use https://api.convai.com, without a path.")
    return [
        Warning(
            _("CONVAI_TOKENS['BASE_URL'] %(told)s.") % {"told": told},
            hint=hint,
            id="convai_tokens.W023",
        )
    ]


def check_own_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W010, for ``check --deploy``: the encryption keys are derived from ``SECRET_KEY``."""
    if AppSettings.ENCRYPTION_KEYS.given() is not None:
        return []
    return [
        Warning(
            _(
                "CONVAI_TOKENS['ENCRYPTION_KEYS'] is not set: token values are sealed under "
                "a key derived from SECRET_KEY."
            ),
            hint=_(
                "Set keys of their own, so that a change of SECRET_KEY doesn't lose what is "
                "owed. On a new installation one is enough. On one that has sealed values, "
                "put SECRET_KEY first and the new one last, until all processes know both; "
                "then the new one first."
            ),
            id="convai_tokens.W010",
        )
    ]
