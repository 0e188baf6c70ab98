"""The doctor's steps on the way to Convai: is it reached, trusted, and on time?

The texts hold no secret: see ``step.py``.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from urllib3.exceptions import HTTPError

from ..conf import app_settings
from ..convai.connections import Connection, tls_context
from ..convai.deadline import call_within
from ..convai.proxy import Proxy, ProxyRefused
from ..convai.sockets import Call
from ..secret import Secret
from .step import Finding, failed, ok, skipped, warning

CERTIFICATE_ENDS = timedelta(days=7)  # the shortest certificates in use live for about that long
CLOCK_DIFFERS, CLOCK_WRONG = timedelta(seconds=30), timedelta(minutes=5)
T = TypeVar("T")

TRY_LATER = "See whether Convai reports an outage, and run the doctor again in some minutes."
UNINSPECTED = (
    "Name your network's CA (a PEM file) in CA_BUNDLE; for the sandbox, use plain http. Adding a "
    "certificate to the system's store or REQUESTS_CA_BUNDLE changes nothing: certifi's counts."
)
# OpenSSL's verify codes (X509_V_ERR_*).
UNTRUSTED = {
    10: ("it has expired", "Nothing to do on your side but to check this machine's clock."),
    9: ("it is not valid yet", "Set this machine's clock; it is probably slow."),
    62: ("it is for another host", "Compare the host in BASE_URL with https://api.convai.com."),
    64: ("it is for another address", "Give a host name in BASE_URL, as in the certificate."),
}


def _within(seconds: float, call: Callable[[], T]) -> T:
    return call_within(seconds, call, thread_name="convai-doctor")


def _address() -> tuple[SplitResult, tuple[str, int]]:
    url = urlsplit(app_settings.BASE_URL)
    return url, (url.hostname or "", url.port or (443 if url.scheme == "https" else 80))


def _connection(timeout: float) -> Connection:
    """Return one as the client makes it."""
    url, (host, port) = _address()
    tls = tls_context(app_settings.CA_BUNDLE) if url.scheme == "https" else None
    connection = Connection(host, port, tls, threading.Semaphore(), _proxy())
    connection.serve(Call(time.monotonic() + timeout, timeout, timeout))
    return connection


def _proxy() -> Proxy | None:
    return Proxy.of(Secret.of(app_settings.PROXY))


def network() -> Finding:
    """Is the name resolved, and does somebody listen? Asked of the proxy where there is one."""
    _, address = _address()
    proxy = _proxy()
    if proxy:
        address = proxy.host, proxy.port
    timeout = app_settings.CONNECT_TIMEOUT
    where = f"Port {address[1]} of {address[0]}"
    try:
        _within(timeout, lambda: socket.create_connection(address, timeout).close())
    except socket.gaierror:
        setting = "PROXY" if proxy else "BASE_URL"
        cause = f"The name in {setting} is misspelt, or this machine's resolver doesn't work."
        return failed(
            f"The name {address[0]} is not resolved.", cause, f"Try: getent hosts {address[0]}"
        )
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        what = "refuses connections" if refused else f"is not reached ({type(error).__name__})"
        cause = "A firewall on the way, or no route."
        if refused:
            cause = "Nothing listens there, or a firewall turns the connection down."
        if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
            cause += " HTTPS_PROXY is set, but only the setting PROXY counts."
        return failed(f"{where} {what}.", cause, f"Let this machine reach {where.lower()}.")
    return ok(f"{where} answers{', the proxy to Convai' if proxy else ''}.")


def tls() -> Finding:
    """Does the certificate satisfy the client, and for how long?"""
    url, address = _address()
    if url.scheme != "https":
        return skipped("Not applicable: plain http on loopback.")

    def shake_hands() -> tuple[str, str]:
        with closing(_connection(app_settings.CONNECT_TIMEOUT)) as connection:
            connection.connect()
            secured = connection.sock
            return str((secured.getpeercert() or {})["notAfter"]), secured.version() or ""

    try:
        not_after, version = _within(app_settings.READ_TIMEOUT, shake_hands)
    except ssl.SSLCertVerificationError as error:
        reason, fix = UNTRUSTED.get(
            error.verify_code,
            (f"the app trusts nobody who vouches for it ({error.verify_message})", UNINSPECTED),
        )
        cause = "A proxy inspects the traffic, the sandbox's --https is in use, or a wrong host."
        return failed(f"The certificate isn't accepted: {reason}.", cause, fix)
    except ProxyRefused as error:
        cause = "The proxy wants a user and password (407), or lets nobody through to Convai."
        fix = f"Mend PROXY, or have your network's staff allow CONNECT to port {address[1]} of it."
        return failed(str(error), cause, fix)
    except (ssl.SSLError, OSError) as error:
        cause = "The port doesn't speak TLS, or something on the way breaks it off."
        fix = "Compare host and port of BASE_URL with https://api.convai.com."
        return failed(f"No TLS connection came about ({type(error).__name__}).", cause, fix)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), UTC)
    days = (ends - datetime.now(UTC)).days
    detail = f"{version}, the certificate is valid for {days} more days."
    if app_settings.CA_BUNDLE:
        detail += f" Trusted are the authorities in {app_settings.CA_BUNDLE}."
    if ends - datetime.now(UTC) > CERTIFICATE_ENDS:
        return ok(detail)
    return warning(detail, "Convai is late to replace it.", "Tell Convai's support in time.")


def clock() -> Finding:
    """Do Convai's clock (its ``Date`` header) and ours agree? Asked without the key."""
    timeout = app_settings.READ_TIMEOUT

    def ask() -> str | None:
        with closing(_connection(timeout)) as connection:
            connection.request("HEAD", _address()[0].path or "/")
            return connection.getresponse().headers.get("Date")

    started = datetime.now(UTC)
    try:
        date = _within(timeout, ask)
        theirs = parsedate_to_datetime(date or "").astimezone(UTC)
    except (HTTPException, HTTPError, OSError, ValueError) as error:
        detail = f"Convai's clock is not known ({type(error).__name__})."
        return warning(detail, "No answer in time, or one without a Date header.", TRY_LATER)
    ours = started + (datetime.now(UTC) - started) / 2
    seconds = round((theirs - ours).total_seconds())
    if abs(seconds) <= CLOCK_DIFFERS.total_seconds():
        return ok("Convai's clock and this machine's agree.")
    detail = f"Convai's clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} ours."
    judge = failed if abs(seconds) > CLOCK_WRONG.total_seconds() else warning
    cause = "This machine's clock isn't synchronised, so tokens seem to expire early or late."
    return judge(detail, cause, "Switch on time synchronisation (chrony, systemd-timesyncd).")
