"""Turns away what a web page in the developer's browser sends, for the ledger holds tokens."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from .api import verb_of


def refusal(path: str, headers: Mapping[str, str]) -> str:
    """Return why a request is turned away, or "" for one that may go on."""
    host, origin = headers.get("Host", ""), headers.get("Origin", "")
    # A page may let its own name lead to 127.0.0.1 (DNS rebinding), but the browser still sends
    # that name. Only plain sockets leave Host out.
    if host and not _is_loopback(host):
        return "Host must be 127.0.0.1, localhost or [::1]."
    # A game in a browser connects; keys, tokens and switches are nothing for other pages.
    if origin and verb_of(path) != "connect" and origin.partition("://")[2] != host:
        return "Pages of other origins may only call /connect."
    return ""


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
