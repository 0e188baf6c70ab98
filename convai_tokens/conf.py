"""The one dict ``CONVAI_TOKENS``, read lazily, so that ``override_settings`` works.

Each setting is declared once, in ``AppSettings``: its name, default, kind and line of
documentation. The typed accessor, the system checks and the table in docs/settings.md come from
there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .secret import Secret

if TYPE_CHECKING:
    # Settings are read before Django has loaded its models.
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http import HttpRequest

T = TypeVar("T")

MIN_KEY_LENGTH = 32


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name stands for this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 < value < float("inf")


def _is_safe_url(value: Any) -> bool:
    try:
        url = urlsplit(str(value))
        host = url.hostname
    except ValueError:
        return False
    return bool(host) and (url.scheme == "https" or (url.scheme == "http" and is_loopback(host)))


def _is_text(value: Any, length: int = 1) -> bool:
    text = value.reveal() if isinstance(value, Secret) else value
    return isinstance(text, str) and len(text.strip()) >= length


def _are_keys(value: Any) -> bool:
    def is_key(key: Any) -> bool:
        return _is_text(key, MIN_KEY_LENGTH)

    is_list = isinstance(value, (list, tuple)) and bool(value)
    return value is None or (is_list and all(map(is_key, value)))


@dataclass(frozen=True)
class Kind:
    """What a setting's value must be, who tells it when it isn't, and what to do then."""

    must_be: str
    holds: Callable[[Any], bool]
    check_id: str
    hint: str


TABLE_HINT = "See the table of settings in docs/settings.md for the units and defaults."
API_KEY = Kind(
    "a text that isn't blank, or a callable that returns one",
    lambda value: callable(value) or _is_text(value),
    "E001",
    "Set it to your Convai API key, read from the environment or a secrets store, or to a "
    "callable that returns it.",
)
SAFE_URL = Kind(
    "https, or http on loopback",
    _is_safe_url,
    "E002",
    "Use https://api.convai.com; plain http would show the API key to the network.",
)
TEXT = Kind("a text", lambda value: isinstance(value, str), "E008", TABLE_HINT)
FLAG = Kind("True or False", lambda value: isinstance(value, bool), "E008", TABLE_HINT)
SECONDS = Kind("a number of seconds above 0", _is_number, "E008", TABLE_HINT)
COUNT = Kind(
    "a whole number above 0",
    lambda value: isinstance(value, int) and _is_number(value),
    "E008",
    TABLE_HINT,
)
PERIOD = Kind(
    "a positive timedelta",
    lambda value: isinstance(value, timedelta) and value > timedelta(),
    "E008",
    TABLE_HINT,
)
KEYS = Kind(
    f"a list of texts of {MIN_KEY_LENGTH} or more characters, newest first",
    _are_keys,
    "E009",
    "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
)


_NOTHING = object()


class Setting(Generic[T]):
    """One key of the dict. As an attribute of ``app_settings`` it is the project's value."""

    def __init__(self, default: T, kind: Kind, about: str, *, shown: str = "") -> None:
        self.default = default
        self.kind = kind
        self.about = about
        self.shown = shown or repr(default)  # the default, in the documentation's table
        self.name = ""
        self._accepted: Any = _NOTHING  # the value that was looked at last, and is fine

    def __set_name__(self, owner: type[AppSettings], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type[AppSettings]) -> Self: ...

    @overload
    def __get__(self, instance: AppSettings, owner: type[AppSettings]) -> T: ...

    def __get__(self, instance: AppSettings | None, owner: type[AppSettings]) -> Self | T:
        if instance is None:
            return self
        return self.value()

    def value(self) -> T:
        """Return the project's value as it stands, or the default.

        Raises ``ImproperlyConfigured`` when it is what the setting must never be: nobody may have
        run the checks.
        """
        # No local variable holds it where something is raised: it may be a secret.
        if self.given() is not self._accepted:
            if problem := self.problem():
                name, hint = self.name, self.kind.hint
                raise ImproperlyConfigured(f"CONVAI_TOKENS[{name!r}] {problem} {hint}")
            self._accepted = self.given()
        return self._used(self.given())

    def given(self) -> Any:
        """Return the project's value unchecked."""
        return configured().get(self.name, self.default)

    def problem(self) -> str:
        """Return what is wrong with the project's value; empty when nothing is."""
        return self._problem_of(self.given())

    def _problem_of(self, value: Any) -> str:
        return "" if self.kind.holds(value) else f"must be {self.kind.must_be}."

    def _used(self, value: Any) -> T:
        used: T = value
        return used


class Hook(Setting[T]):
    """A setting that is a callable, or names one by its dotted path."""

    def __init__(self, path: str, about: str) -> None:
        hint = f"Give a callable or its dotted path; the default is {path!r}."
        kind = Kind("a callable, or its dotted path", callable, "E006", hint)
        super().__init__(path, kind, about)  # type: ignore[arg-type] # the path, for the callable

    def _problem_of(self, value: Any) -> str:
        try:
            used = self._used(value)
        except ImportError as error:
            return f"can't be imported: {error}."
        return "" if callable(used) else f"is {used!r}, which isn't callable."

    def _used(self, value: Any) -> T:
        used: T = import_string(value) if isinstance(value, str) else value
        return used


def configured() -> dict[str, Any]:
    """Return the dict as the project has it; empty where it has none."""
    found: dict[str, Any] = getattr(settings, "CONVAI_TOKENS", {})
    return found


class AppSettings:
    """``app_settings.NAME``: the project's value, or the default."""

    API_KEY: Setting[str | Secret | Callable[[], str | Secret]] = Setting(
        "", API_KEY, "the real key, or a callable that returns it (asked at each call)"
    )
    BASE_URL = Setting(
        "https://api.convai.com", SAFE_URL, "Convai's API: https, or http on loopback"
    )
    SERVER_URL = Setting("https://live.convai.com", TEXT, "handed to the client as `serverUrl`")
    CONNECT_TIMEOUT = Setting(2.0, SECONDS, "seconds that one call may take to connect")
    READ_TIMEOUT = Setting(3.0, SECONDS, "seconds that one call may wait for its answer")
    LOGIN_BUDGET = Setting(
        3.0, SECONDS, "seconds; all that a login may spend on Convai, retries included"
    )
    MAX_CONCURRENT = Setting(
        8, COUNT, "learners' requests that may wait on Convai at once, per process"
    )
    ENCRYPTION_KEYS: Setting[Sequence[str | Secret] | None] = Setting(
        None,
        KEYS,
        f"list of texts of {MIN_KEY_LENGTH} or more characters, newest first",
        shown="derived from `SECRET_KEY` and its fallbacks",
    )
    ISSUE_IF: Hook[Callable[[HttpRequest, AbstractBaseUser], bool]] = Hook(
        "convai_tokens.payloads.everybody", "`(request, user) -> bool`: who gets a token"
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
        5, COUNT, "per learner session; the oldest is revoked when one more is generated"
    )
    ALLOW_GET = Setting(False, FLAG, "GET on the token endpoint, for the Unity SDK's no-code mode")
    DISPATCHER: Hook[Callable[[list[int]], object]] = Hook(
        "convai_tokens.dispatch.thread", "who tries a revocation at once: docs/dispatchers.md"
    )
    REVOKE_HORIZON = Setting(
        timedelta(hours=25), PERIOD, "how long an owed revocation is tried", shown="25 hours"
    )
    RETENTION = Setting(
        timedelta(days=180),
        PERIOD,
        "how long rows are kept; what is owed is never purged",
        shown="180 days",
    )
    WATCH_SESSION_ROWS = Setting(
        True, FLAG, "see deleted session rows end; costs `clearsessions` its fast delete"
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
