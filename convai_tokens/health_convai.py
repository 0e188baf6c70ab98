"""The doctor's steps that ask Convai: is it reached, trusted, on time, and does it do its work?

Texts in here never hold a key, a token, a password of a URL, or the words of an exception that
isn't ours. The steps on our own side are in ``health.py``.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import requests
from django.db import connections
from django.utils import timezone
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

from .conf import Secret, app_settings
from .convai.client import ConvaiClient
from .exceptions import ConvaiTokensError, TokenGone
from .health import Step, failed, ok, skipped, timed, warning

CERTIFICATE_ENDS = timedelta(days=7)  # the shortest certificates in use live for about that long
CLOCK_DIFFERS, CLOCK_WRONG = timedelta(seconds=30), timedelta(minutes=5)
LIFETIME = (timedelta(minutes=30), timedelta(minutes=90))  # Convai documents about an hour
PAUSES = (0.0, 1.0, 2.0)  # seconds before each try to revoke the doctor's own token
LONGEST_PAUSE = 5.0  # seconds; more than that isn't waited for Convai's Retry-After

T = TypeVar("T")

TRY_LATER = "See whether Convai reports an outage, and run the doctor again in some minutes."
# The client's outcomes, by code: likely cause, and fix.
HINTS = {
    "convai_timeout": ("Convai is slow or hangs, or a firewall swallows the answer.", TRY_LATER),
    "convai_dropped": ("Convai, or a proxy on the way, closes connections.", TRY_LATER),
    "convai_unavailable": (
        "Convai is failing, or BASE_URL leads to something else that answers in its place.",
        f"Compare BASE_URL with https://api.convai.com. {TRY_LATER}",
    ),
    "convai_rate_limited": (
        "The plan's limit per minute is reached: by logins, or by a doctor that runs too often.",
        "Run the doctor less often, or with --offline; ask Convai for a higher limit.",
    ),
    "convai_bad_key": (
        "CONVAI_TOKENS['API_KEY'] is not, or no longer, a key of your Convai account.",
        "Copy the key anew from your Convai account, and restart all processes of the LMS.",
    ),
    "convai_plan_limit": (
        "The Convai plan is used up.",
        "Raise the plan, or wait for its next period; until then learners get no tokens.",
    ),
    "convai_no_key": (
        "CONVAI_TOKENS['API_KEY'] is a callable, and it fails.",
        "Run the callable in manage.py shell, and mend what it needs (vault, network, rights).",
    ),
    "convai_refused": (
        "Convai takes our request for wrong, often because BASE_URL has a wrong host or path.",
        "Compare BASE_URL with https://api.convai.com; then ask Convai about your account.",
    ),
}
UNEXPECTED = (
    "Convai doesn't know a token that it generated a moment ago, or has moved this endpoint.",
    "Run the doctor again; if it stays so, tell Convai's support the time of this run.",
)
UNINSPECTED = (
    "Let the LMS reach Convai without inspection; for the sandbox, use plain http. Adding a "
    "certificate to the system's store or REQUESTS_CA_BUNDLE changes nothing: certifi's counts."
)
# OpenSSL's verify codes (X509_V_ERR_*).
UNTRUSTED = {
    10: ("it has expired", "Nothing to do on your side but to check this machine's clock."),
    9: ("it is not valid yet", "Set this machine's clock; it is probably slow."),
    62: ("it is for another host", "Compare the host in BASE_URL with https://api.convai.com."),
    64: ("it is for another address", "Give a host name in BASE_URL, as in the certificate."),
}


@dataclass
class Trial:
    """The throw-away token of one examination; ``ends`` is aware UTC."""

    value: Secret = field(default_factory=Secret)
    ends: datetime = field(default_factory=timezone.now)


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Return what ``call`` does; raise ``TimeoutError`` when it is late.

    No timeout of sockets bounds a look-up of the name, or an answer that drips.
    """
    outcome: queue.SimpleQueue[T | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put(call())
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that waits
            outcome.put(error)

    threading.Thread(target=run, name="convai-doctor", daemon=True).start()
    try:
        result = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, Exception):
        raise result
    return result


def _address() -> tuple[SplitResult, tuple[str, int]]:
    url = urlsplit(app_settings.BASE_URL)
    return url, (url.hostname or "", url.port or (443 if url.scheme == "https" else 80))


@timed
def network() -> Step:
    """Is the name resolved, and does somebody listen?"""
    _, address = _address()
    timeout = app_settings.CONNECT_TIMEOUT
    where = f"Port {address[1]} of {address[0]}"
    try:
        _within(timeout, lambda: socket.create_connection(address, timeout).close())
    except socket.gaierror:
        cause = "The name in BASE_URL is misspelt, or this machine's resolver doesn't work."
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
            cause += " HTTPS_PROXY is set, but the app uses no proxy."
        return failed(f"{where} {what}.", cause, f"Let this machine reach {where.lower()}.")
    return ok(f"{where} answers.")


@timed
def tls() -> Step:
    """Does the certificate satisfy the client, and for how long?"""
    url, address = _address()
    if url.scheme != "https":
        return skipped("tls", "Not applicable: plain http on loopback.")
    # As the client has it, through requests: its own bundle, whatever the system or environment.
    context = create_urllib3_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)

    def shake_hands() -> tuple[str, str]:
        with (
            socket.create_connection(address, app_settings.CONNECT_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=address[0]) as secured,
        ):
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
    except (ssl.SSLError, OSError) as error:
        cause = "The port doesn't speak TLS, or something on the way breaks it off."
        fix = "Compare host and port of BASE_URL with https://api.convai.com."
        return failed(f"No TLS connection came about ({type(error).__name__}).", cause, fix)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), UTC)
    days = (ends - timezone.now()).days
    detail = f"{version}, the certificate is valid for {days} more days."
    if ends - timezone.now() > CERTIFICATE_ENDS:
        return ok(detail)
    return warning(detail, "Convai is late to replace it.", "Tell Convai's support in time.")


@timed
def clock() -> Step:
    """Do Convai's clock (its ``Date`` header) and ours agree? Asked without the key."""
    timeout = app_settings.READ_TIMEOUT

    def ask() -> str | None:
        with requests.Session() as session:
            session.trust_env = False  # as the client: no proxy, no .netrc
            url = app_settings.BASE_URL
            answer = session.head(url, timeout=timeout, allow_redirects=False)
            return answer.headers.get("Date")

    started = timezone.now()
    try:
        date = _within(timeout, ask)
        theirs = parsedate_to_datetime(date or "").astimezone(UTC)
    except (requests.RequestException, OSError, ValueError) as error:
        detail = f"Convai's clock is not known ({type(error).__name__})."
        return warning(detail, "No answer in time, or one without a Date header.", TRY_LATER)
    ours = started + (timezone.now() - started) / 2
    seconds = round((theirs - ours).total_seconds())
    if abs(seconds) <= CLOCK_DIFFERS.total_seconds():
        return ok("Convai's clock and this machine's agree.")
    detail = f"Convai's clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} ours."
    judge = failed if abs(seconds) > CLOCK_WRONG.total_seconds() else warning
    cause = "This machine's clock isn't synchronised, so tokens seem to expire early or late."
    return judge(detail, cause, "Switch on time synchronisation (chrony, systemd-timesyncd).")


@contextmanager
def _held_back() -> Iterator[list[str]]:
    """Keep this app's log lines, and yield the warnings: the doctor tells what they are about.

    It holds for all threads, which is a command's business, and not a web process's.
    """
    notes: list[str] = []

    def take(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            notes.append(record.getMessage())
        return False

    logger = logging.getLogger("convai_tokens")
    logger.addFilter(take)
    try:
        yield notes
    finally:
        logger.removeFilter(take)


def _ask(call: Callable[[ConvaiClient], T]) -> tuple[T, list[str]]:
    """Return what ``call`` returns, and what the client noted; raise the client's outcomes.

    Each call has a client of its own, so that neither this process's breaker nor the answer to an
    earlier step keeps Convai, and above all the revocation, from being called.
    """
    client = ConvaiClient(
        app_settings.BASE_URL,
        connect_timeout=app_settings.CONNECT_TIMEOUT,
        read_timeout=app_settings.READ_TIMEOUT,
    )
    with _held_back() as notes, client.admission():
        return call(client), notes


def _told(error: ConvaiTokensError, more: str = "") -> Step:
    """Return the failed step for an outcome of the client, whose texts hold no secret."""
    return failed(f"{error.describe()}{more}", *HINTS.get(error.code, UNEXPECTED))


def _lifetime(verb: str, ends: datetime, notes: list[str], longest: timedelta) -> Step:
    """Judge the time that Convai gave the token."""
    lives = ends - timezone.now()
    if notes:
        cause = "The two clocks differ, or Convai has changed its answer."
        fix = "If the step clock is ok, tell Convai's support; the app assumes one hour."
        return warning(f"{verb}, but: {' '.join(notes)}", cause, fix)
    detail = f"{verb}; the token would live for {round(lives.total_seconds() / 60)} min."
    if LIFETIME[0] <= lives <= longest:
        return ok(detail)
    cause = "The clocks differ, or Convai has changed how long its tokens live."
    fix = "If the step clock is ok, ask Convai; REVOKE_HORIZON must be longer than tokens live."
    return warning(detail, cause, fix)


def try_token(tell: Callable[[Step], object]) -> None:
    """Generate, extend and revoke a token of the doctor's own; tell each step.

    It is revoked whatever comes between, an interruption included. It is no learner's, so it gets
    no row: the audit is about learner sessions, and nobody ever holds the value.
    """
    if any(it.in_atomic_block for it in connections.all(initialized_only=True)):
        raise RuntimeError("Convai must not be called while a transaction is open.")
    trial = Trial()
    found = generate(trial)
    if not trial.value:
        for unneeded in (found, *(skipped(it, "No token.") for it in ("extend", "revoke"))):
            tell(unneeded)
        return
    try:
        tell(found)
        tell(extend(trial))
    finally:
        cause, fix = "The doctor was interrupted.", "Nothing to do: it ends by itself."
        last = replace(failed(_still_alive(trial), cause, fix), name="revoke")
        try:
            last = revoke(trial)
        finally:
            tell(last)


def _still_alive(trial: Trial) -> str:
    return (
        f"The doctor's own token was NOT revoked: it lives until {trial.ends:%H:%M} UTC. "
        "Nobody has its value, which is forgotten now."
    )


@timed
def generate(trial: Trial) -> Step:
    """Generate the throw-away token."""
    try:
        generated, notes = _ask(lambda client: client.generate())
    except ConvaiTokensError as error:
        maybe = " A token that nobody has may be alive." if getattr(error, "maybe_done", 0) else ""
        return _told(error, maybe)
    trial.value, trial.ends = generated.value, generated.expires_at
    return _lifetime("Generated", trial.ends, notes, LIFETIME[1])


@timed
def extend(trial: Trial) -> Step:
    """Extend it. A withdrawn page of Convai's had this give 24 hours: fine below the horizon."""
    try:
        ends, notes = _ask(lambda client: client.extend(trial.value))
    except ConvaiTokensError as error:
        return _told(error)
    trial.ends = max(trial.ends, ends)
    return _lifetime("Extended", ends, notes, app_settings.REVOKE_HORIZON)


@timed
def revoke(trial: Trial) -> Step:
    """Revoke it, with a few tries: it must not be left behind."""
    earlier: list[ConvaiTokensError] = []
    for pause in PAUSES:
        asked = earlier[-1].retry_after or 0.0 if earlier else 0.0
        time.sleep(min(max(pause, asked), LONGEST_PAUSE))
        try:
            _ask(lambda client: client.revoke(trial.value))
        except TokenGone as error:
            # For the app it is as good as revoked, so that nothing else would ever tell.
            if not any(getattr(it, "maybe_done", False) for it in earlier):
                return _told(error, f" {_still_alive(trial)}")
        except ConvaiTokensError as error:
            earlier.append(error)
            continue
        if not earlier:
            return ok("Revoked.")
        hint = HINTS.get(earlier[-1].code, UNEXPECTED)
        return warning(f"Revoked, but a try before got {earlier[-1].describe()}", *hint)
    return _told(earlier[-1], f" {_still_alive(trial)}")
