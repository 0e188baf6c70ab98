"""The one dict ``CONVAI_TOKENS``, read lazily, so that ``override_settings`` works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

DEFAULTS: dict[str, Any] = {
    "API_KEY": "",
    "BASE_URL": "https://api.convai.com",
    "SERVER_URL": "https://live.convai.com",
    "CONNECT_TIMEOUT": 2.0,
    "READ_TIMEOUT": 3.0,
    "LOGIN_BUDGET": 3.0,
    "ENCRYPTION_KEYS": None,
    "ISSUE_IF": "convai_tokens.payloads.everybody",
    "END_USER": "convai_tokens.payloads.end_user",
    "PAYLOAD": "convai_tokens.payloads.nested",
    "MAX_LIVE_TOKENS": 5,
    "MAX_CONCURRENT": 8,
    "ALLOW_GET": False,
    "DISPATCHER": "convai_tokens.dispatch.thread",
    "REVOKE_HORIZON": timedelta(hours=25),
    "RETENTION": timedelta(days=180),
    "WATCH_SESSION_ROWS": True,
}


class Secret(str):
    """A string that looks like ``***`` wherever Python shows its ``repr``.

    Debug pages and crash reports print the ``repr`` of local variables, and so of every dict and
    list that holds one. It is a ``str`` in all else, so that it serialises as what it is.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class AppSettings:
    """``app_settings.NAME``: the project's value, or the default above."""

    def __getattr__(self, name: str) -> Any:
        if name not in DEFAULTS:
            raise AttributeError(f"CONVAI_TOKENS has no setting {name!r}")
        return self.configured().get(name, DEFAULTS[name])

    @staticmethod
    def configured() -> dict[str, Any]:
        """Return what the project has set, as it stands."""
        configured: dict[str, Any] = getattr(settings, "CONVAI_TOKENS", {})
        return configured

    def values(self, names: Sequence[str]) -> list[Any]:
        """Return several settings, for the price of one."""
        configured = self.configured()
        return [configured.get(name, DEFAULTS[name]) for name in names]

    def imported(self, name: str) -> Callable[..., Any]:
        """Return the callable that the setting ``name`` names by its dotted path, or is."""
        value = getattr(self, name)
        imported: Callable[..., Any] = import_string(value) if isinstance(value, str) else value
        return imported

    def api_key(self) -> Secret:
        """Return the real API key; raise ``ImproperlyConfigured`` when it is blank.

        A callable is called each time, so that a key rolled in a vault needs no restart.
        """
        value = self.API_KEY
        key = Secret(((value() if callable(value) else value) or "").strip())
        if not key:
            raise ImproperlyConfigured("CONVAI_TOKENS['API_KEY'] is blank.")
        return key

    def encryption_keys(self) -> Sequence[Secret]:
        """Return the key texts that seal and unseal, newest first.

        Source: ``ENCRYPTION_KEYS``, or Django's ``SECRET_KEY`` and its fallbacks.
        """
        keys = self.ENCRYPTION_KEYS or [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        return [Secret(key) for key in keys]


app_settings = AppSettings()
