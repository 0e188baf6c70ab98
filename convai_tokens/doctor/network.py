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

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
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

TRY_LATER = gettext_lazy(
    "See whether Convai reports an outage, and run the doctor again in some minutes."
)
UNINSPECTED = gettext_lazy(
    "Name your network's CA (a PEM file) in CA_BUNDLE; for the sandbox, use plain http. "
    "Adding a certificate to the system's store or REQUESTS_CA_BUNDLE changes nothing: "
    "certifi's counts."
)
# OpenSSL's verify codes (X509_V_ERR_*).
UNTRUSTED = {
    10: (
        gettext_lazy("it has expired"),
        gettext_lazy("Nothing to do on your side but to check this machine's clock."),
    ),
    9: (
        gettext_lazy("it is not valid yet"),
        gettext_lazy("Set this machine's clock; it is probably slow."),
    ),
    62: (
        gettext_lazy("it is for another host"),
        gettext_lazy("Compare the host in BASE_URL with https://api.convai.com."),
    ),
    64: (
        gettext_lazy("it is for another address"),
        gettext_lazy("Give a host name in BASE_URL, as in the certificate."),
    ),
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
    _parts, address = _address()
    proxy = _proxy()
    if proxy:
        address = proxy.host, proxy.port
    timeout = app_settings.CONNECT_TIMEOUT
    where = _("Port %(which)s of %(which_2)s") % {"which": address[1], "which_2": address[0]}
    try:
        _within(timeout, lambda: socket.create_connection(address, timeout).close())
    except socket.gaierror:
        setting = "PROXY" if proxy else "BASE_URL"
        cause = _(
            "The name in %(setting)s is misspelt, or this machine's resolver doesn't work."
        ) % {"setting": setting}
        return failed(
            _("The name %(which)s is not resolved.") % {"which": address[0]},
            cause,
            _("Try: getent hosts %(which)s") % {"which": address[0]},
        )
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        what = (
            _("refuses connections")
            if refused
            else _("is not reached (%(name)s)") % {"name": type(error).__name__}
        )
        cause = _("A firewall on the way, or no route.")
        if refused:
            cause = _("Nothing listens there, or a firewall turns the connection down.")
        if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
            cause += _(" HTTPS_PROXY is set, but only the setting PROXY counts.")
        return failed(
            f"{where} {what}.",
            cause,
            _("Let this machine reach %(lower)s.") % {"lower": where.lower()},
        )
    return ok(f"{where} answers{_(', the proxy to Convai') if proxy else ''}.")


def tls() -> Finding:
    """Does the certificate satisfy the client, and for how long?"""
    url, address = _address()
    if url.scheme != "https":
        return skipped(_("Not applicable: plain http on loopback."))

    def shake_hands() -> tuple[str, str]:
        with closing(_connection(app_settings.CONNECT_TIMEOUT)) as connection:
            connection.connect()
            secured = connection.sock
            return str((secured.getpeercert() or {})["notAfter"]), secured.version() or ""

    try:
        not_after, version = _within(app_settings.READ_TIMEOUT, shake_hands)
    except ssl.SSLCertVerificationError as error:
        untold = _("the app trusts nobody who vouches for it (%s)") % error.verify_message
        reason, remedy = UNTRUSTED.get(error.verify_code, (untold, UNINSPECTED))
        fix = str(remedy)
        cause = _("A proxy inspects the traffic, the sandbox's --https is in use, or a wrong host.")
        return failed(
            _("The certificate isn't accepted: %(reason)s.") % {"reason": reason}, cause, fix
        )
    except ProxyRefused as error:
        cause = _("The proxy wants a user and password (407), or lets nobody through to Convai.")
        fix = _(
            "Mend PROXY, or have your network's staff allow CONNECT to port %(which)s of it."
        ) % {"which": address[1]}
        return failed(str(error), cause, fix)
    except (ssl.SSLError, OSError) as error:
        cause = _("The port doesn't speak TLS, or something on the way breaks it off.")
        fix = _("Compare host and port of BASE_URL with https://api.convai.com.")
        return failed(
            _("No TLS connection came about (%(name)s).") % {"name": type(error).__name__},
            cause,
            fix,
        )
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), UTC)
    days = (ends - datetime.now(UTC)).days
    detail = _("%(version)s, the certificate is valid for %(days)s more days.") % {
        "version": version,
        "days": days,
    }
    if app_settings.CA_BUNDLE:
        detail += _(" Trusted are the authorities in %(ca_bundle)s.") % {
            "ca_bundle": app_settings.CA_BUNDLE
        }
    if ends - datetime.now(UTC) > CERTIFICATE_ENDS:
        return ok(detail)
    return warning(detail, _("Convai is late to replace it."), _("Tell Convai's support in time."))


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
        detail = _("Convai's clock is not known (%(name)s).") % {"name": type(error).__name__}
        return warning(detail, _("No answer in time, or one without a Date header."), TRY_LATER)
    ours = started + (datetime.now(UTC) - started) / 2
    seconds = round((theirs - ours).total_seconds())
    if abs(seconds) <= CLOCK_DIFFERS.total_seconds():
        return ok(_("Convai's clock and this machine's agree."))
    detail = _("Convai's clock is %(abs)s s %(value)s ours.") % {
        "abs": abs(seconds),
        "value": _("ahead of") if seconds > 0 else "behind",
    }
    judge = failed if abs(seconds) > CLOCK_WRONG.total_seconds() else warning
    cause = _("This machine's clock isn't synchronised, so tokens seem to expire early or late.")
    return judge(detail, cause, _("Switch on time synchronisation (chrony, systemd-timesyncd)."))
