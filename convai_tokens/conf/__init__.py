"""The one dict ``CONVAI_TOKENS``, read lazily, so that ``override_settings`` works.

Each setting is declared once, in ``AppSettings``: its name, default, kind and line of
documentation. The typed accessor, the system checks and the table in docs/settings.md come from
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from ..secret import Secret
from . import kinds
from .kinds import MIN_KEY_LENGTH, TABLE_HINT, is_loopback
from .setting import Hook, Setting, configured

if TYPE_CHECKING:
    # Settings are read before Django has loaded its models.
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http import HttpRequest

__all__ = [
    "MIN_KEY_LENGTH",
    "SETTINGS",
    "TABLE_HINT",
    "AppSettings",
    "Hook",
    "Setting",
    "app_settings",
    "configured",
    "is_loopback",
    "table",
]


class AppSettings:
    """``app_settings.NAME``: the project's value, or the default."""

    API_KEY: Setting[str | Secret | Callable[[], str | Secret]] = Setting(
        "", kinds.API_KEY, "the real key, or a callable that returns it (asked at each call)"
    )
    BASE_URL = Setting(
        "https://api.convai.com", kinds.SAFE_URL, "Convai's API: https, or http on loopback"
    )
    PROXY: Setting[str | Secret] = Setting(
        "", kinds.PROXY, "a proxy on the way to Convai: http://user:password@host:port"
    )
    CA_BUNDLE = Setting(
        "", kinds.CA_FILE, "PEM file of the authorities to trust, in place of certifi's"
    )
    SERVER_URL = Setting(
        "https://live.convai.com", kinds.TEXT, "handed to the client as `serverUrl`"
    )
    CONNECT_TIMEOUT = Setting(2.0, kinds.SECONDS, "seconds that one call may take to connect")
    READ_TIMEOUT = Setting(3.0, kinds.SECONDS, "seconds that one call may wait for its answer")
    LOGIN_BUDGET = Setting(
        3.0, kinds.SECONDS, "seconds; all that a login may spend on Convai, retries included"
    )
    MAX_CONCURRENT = Setting(
        8, kinds.COUNT, "learners' requests that may wait on Convai at once, per process"
    )
    ENCRYPTION_KEYS: Setting[Sequence[str | Secret] | None] = Setting(
        None,
        kinds.KEYS,
        f"list of texts of {MIN_KEY_LENGTH} or more characters, newest first",
        shown="derived from `SECRET_KEY` and its fallbacks",
    )
    ISSUE_IF: Hook[Callable[[HttpRequest, AbstractBaseUser], bool]] = Hook(
        "convai_tokens.payloads.everybody", "`(request, user) -> bool`: who gets a token"
    )
    TOKENS_FOR_IMPERSONATORS = Setting(
        False, kinds.FLAG, "staff who act as a learner get tokens under the learner's id"
    )
    END_USER: Hook[Callable[[AbstractBaseUser], Iterable[object]]] = Hook(
        "convai_tokens.payloads.end_user",
        "`(user) -> (id, name)`, neither blank. The id must be stable and unique: Convai's "
        "long-term memory hangs on it",
    )
    PAYLOAD: Hook[Callable[[Any], dict[str, Any]]] = Hook(
        "convai_tokens.payloads.nested",
        "how the login block looks; `convai_tokens.payloads.flat` is the other one",
    )
    MAX_LIVE_TOKENS = Setting(
        5, kinds.COUNT, "per learner session; the oldest is revoked when one more is generated"
    )
    ONE_SESSION_PER_DEVICE = Setting(
        False, kinds.FLAG, "a login that names a `device` ends whatever is alive on that device"
    )
    LEARNER_RATE = Setting(
        60, kinds.COUNT, "tokens that one learner may get in an hour, over all sessions"
    )
    ALLOW_GET = Setting(
        False, kinds.FLAG, "GET on the token endpoint, for the Unity SDK's no-code mode"
    )
    DISPATCHER: Hook[Callable[[list[int]], object]] = Hook(
        "convai_tokens.dispatch.thread", "who tries a revocation at once: docs/dispatchers.md"
    )
    REVOKE_HORIZON = Setting(
        timedelta(hours=25), kinds.PERIOD, "how long an owed revocation is tried", shown="25 hours"
    )
    RETENTION = Setting(
        timedelta(days=180),
        kinds.PERIOD,
        "how long rows are kept; what is owed is never purged",
        shown="180 days",
    )
    NO_CREDENTIALS: Setting[Sequence[str]] = Setting(
        (),
        kinds.NAMES,
        "names in login responses that look like credentials', and are none: docs/logins.md",
    )
    WATCH_SESSION_ROWS = Setting(
        True, kinds.FLAG, "see deleted session rows end; costs `clearsessions` its fast delete"
    )

    def api_key(self) -> Secret:
        """Return the real API key.

        A callable is called each time, so that a key rolled in a vault needs no restart. Raises
        ``ImproperlyConfigured`` when it is blank, or no header can carry it.
        """
        key = _told_key(AppSettings.API_KEY.given())
        if not key:
            raise ImproperlyConfigured("CONVAI_TOKENS['API_KEY'] is blank, or no text.")
        if not (key.reveal().isascii() and key.reveal().isprintable()):
            raise ImproperlyConfigured("CONVAI_TOKENS['API_KEY'] holds what no header can carry.")
        return key

    def proxy_problem(self) -> str:
        """Return what is wrong with ``PROXY`` beside ``BASE_URL``; empty when nothing is."""
        if not self.PROXY or self.BASE_URL.startswith("https:"):
            return ""
        return _(
            "CONVAI_TOKENS['PROXY'] needs a BASE_URL with https: the proxy would see the API key."
        )

    def encryption_keys(self) -> Sequence[Secret]:
        """Return the key texts that seal and unseal, newest first.

        Source: ``ENCRYPTION_KEYS``, or Django's ``SECRET_KEY`` and its fallbacks.
        """
        fallbacks: list[Any] = settings.SECRET_KEY_FALLBACKS
        return [Secret.of(key) for key in self.ENCRYPTION_KEYS or [settings.SECRET_KEY, *fallbacks]]


def _told_key(given: Any) -> Secret | None:
    """Return what ``API_KEY`` tells, without the blanks around it; None if that is no text."""
    told = given() if callable(given) else given
    told = told.reveal() if isinstance(told, Secret) else told
    return Secret(told.strip()) if isinstance(told, str) else None


SETTINGS: dict[str, Setting[Any]] = {
    name: value for name, value in vars(AppSettings).items() if isinstance(value, Setting)
}
app_settings = AppSettings()


def table() -> str:
    """Return the table of all settings in docs/settings.md."""
    lines = ["| key | default | what it is |", "|---|---|---|"]
    for name, setting in SETTINGS.items():
        default = setting.shown if " " in setting.shown else f"`{setting.shown}`"
        lines.append(f"| `{name}` | {default} | {setting.about} |")
    return "\n".join(lines) + "\n"
