"""What a setting's value must be, by kind: the rule, its check's id, and what to do."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from ..secret import Secret

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

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


def _is_proxy(value: Any) -> bool:
    text = value.reveal() if isinstance(value, Secret) else value
    if text == "":
        return True
    if not isinstance(text, str) or not (text.isascii() and text.isprintable()):
        return False
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    rest = url.path.removeprefix("/") + url.query + url.fragment
    return url.scheme == "http" and bool(url.hostname and port) and not rest


def _is_bundle(value: Any) -> bool:
    if value == "":
        return True
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
    except (OSError, TypeError, ValueError):
        return False
    return isinstance(value, str)


def _are_keys(value: Any) -> bool:
    def is_key(key: Any) -> bool:
        return _is_text(key, MIN_KEY_LENGTH)

    is_list = isinstance(value, (list, tuple)) and bool(value)
    return value is None or (is_list and all(map(is_key, value)))


@dataclass(frozen=True)
class Kind:
    """What a setting's value must be, who tells it when it isn't, and what to do then."""

    must_be: StrOrPromise
    holds: Callable[[Any], bool]
    check_id: str
    hint: StrOrPromise


TABLE_HINT = gettext_lazy(
    "See the table of settings in docs/settings.md for the units and defaults."
)
API_KEY = Kind(
    gettext_lazy("a text that isn't blank, or a callable that returns one"),
    lambda value: callable(value) or _is_text(value),
    "E001",
    gettext_lazy(
        "Set it to your Convai API key, read from the environment or a secrets store, or to "
        "a callable that returns it."
    ),
)
SAFE_URL = Kind(
    gettext_lazy("https, or http on loopback"),
    _is_safe_url,
    "E002",
    gettext_lazy("Use https://api.convai.com; plain http would show the API key to the network."),
)
TEXT = Kind(gettext_lazy("a text"), lambda value: isinstance(value, str), "E008", TABLE_HINT)
FLAG = Kind(
    gettext_lazy("True or False"), lambda value: isinstance(value, bool), "E008", TABLE_HINT
)
SECONDS = Kind(gettext_lazy("a number of seconds above 0"), _is_number, "E008", TABLE_HINT)
COUNT = Kind(
    gettext_lazy("a whole number above 0"),
    lambda value: isinstance(value, int) and _is_number(value),
    "E008",
    TABLE_HINT,
)
PERIOD = Kind(
    gettext_lazy("a positive timedelta"),
    lambda value: isinstance(value, timedelta) and value > timedelta(),
    "E008",
    TABLE_HINT,
)
PROXY = Kind(
    gettext_lazy("empty, or http://host:port, with user:password@ before the host or not"),
    _is_proxy,
    "E018",
    gettext_lazy(
        "Give the proxy's own address, its port included; it is spoken to in plain http, and "
        "TLS to Convai goes through it end to end. What isn't a letter, digit, '-', '.', '_' "
        "or '~' in user and password is percent-encoded."
    ),
)
CA_FILE = Kind(
    gettext_lazy("empty, or the path of a PEM file that can be read and has a certificate in it"),
    _is_bundle,
    "E019",
    gettext_lazy(
        "Name the file that has your network's CA certificate, and that this user may read; "
        "empty for certifi's bundle."
    ),
)
NAMES = Kind(
    gettext_lazy("a list of texts"),
    lambda value: isinstance(value, (list, tuple, set)) and all(map(_is_text, value)),
    "E008",
    TABLE_HINT,
)
KEYS = Kind(
    format_lazy(
        gettext_lazy("a list of texts of {length} or more characters, newest first"),
        length=MIN_KEY_LENGTH,
    ),
    _are_keys,
    "E009",
    gettext_lazy("Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"),
)
