"""The doctor's trial: does Convai generate, extend and revoke a token?

The texts hold no secret: see ``step.py``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import app_settings
from ..convai.client import ConvaiClient
from ..exceptions import ConvaiTokensError, ErrorCode, TokenGone
from ..models.moments import utc_now
from ..secret import Secret
from .network import TRY_LATER
from .step import Finding, failed, ok, warning

LIFETIME = (timedelta(minutes=30), timedelta(minutes=90))  # Convai documents about an hour
PAUSES = (0.0, 1.0, 2.0)  # seconds before each try to revoke the doctor's own token
LONGEST_PAUSE = 5.0  # seconds; more than that isn't waited for Convai's Retry-After

T = TypeVar("T")

# The client's outcomes, by code: likely cause, and fix.
REMEDIES = {
    ErrorCode.CONVAI_TIMEOUT: (
        gettext_lazy("Convai is slow or hangs, or a firewall swallows the answer."),
        TRY_LATER,
    ),
    ErrorCode.CONVAI_DROPPED: (
        gettext_lazy("Convai, or a proxy on the way, closes connections."),
        TRY_LATER,
    ),
    ErrorCode.CONVAI_UNAVAILABLE: (
        gettext_lazy(
            "Convai is failing, or BASE_URL leads to something else that answers in its place."
        ),
        format_lazy(
            "{} {}", gettext_lazy("Compare BASE_URL with https://api.convai.com."), TRY_LATER
        ),
    ),
    ErrorCode.CONVAI_NOT_UNDERSTOOD: (
        gettext_lazy("Something else answers in Convai's place, or Convai has changed its answer."),
        gettext_lazy(
            "Compare BASE_URL with https://api.convai.com; else report the answer's keys as a bug."
        ),
    ),
    ErrorCode.CONVAI_RATE_LIMITED: (
        gettext_lazy(
            "The plan's limit per minute is reached: by logins, or by a doctor that runs too often."
        ),
        gettext_lazy(
            "Run the doctor less often, or with --offline; ask Convai for a higher limit."
        ),
    ),
    ErrorCode.CONVAI_BAD_KEY: (
        gettext_lazy(
            "CONVAI_TOKENS['API_KEY'] is not, or no longer, a key of your Convai account."
        ),
        gettext_lazy(
            "Copy the key anew from your Convai account, and restart all processes of the LMS."
        ),
    ),
    ErrorCode.CONVAI_PLAN_LIMIT: (
        gettext_lazy("The Convai plan is used up."),
        gettext_lazy(
            "Raise the plan, or wait for its next period; until then learners get no tokens."
        ),
    ),
    ErrorCode.CONVAI_NO_KEY: (
        gettext_lazy("CONVAI_TOKENS['API_KEY'] is a callable, and it fails."),
        gettext_lazy(
            "Run the callable in manage.py shell, and mend what it needs (vault, network, rights)."
        ),
    ),
    ErrorCode.CONVAI_REFUSED: (
        gettext_lazy(
            "Convai takes our request for wrong, often because BASE_URL has a wrong host or path."
        ),
        gettext_lazy(
            "Compare BASE_URL with https://api.convai.com; then ask Convai about your account."
        ),
    ),
}
UNEXPECTED = (
    gettext_lazy(
        "Convai doesn't know a token that it generated a moment ago, or has moved this endpoint."
    ),
    gettext_lazy(
        "Run the doctor again; if it stays so, tell Convai's support the time of this run."
    ),
)


@dataclass
class Trial:
    """The throw-away token of one examination, until it is revoked; ``ends`` is aware UTC.

    It is no learner's, so it gets no row: the audit is about learner sessions, and nobody ever
    holds the value.
    """

    value: Secret = field(default_factory=Secret)
    ends: datetime = field(default_factory=utc_now)

    def generate(self) -> Finding:
        """Generate the throw-away token."""
        try:
            generated, notes = _ask(lambda client: client.generate())
        except ConvaiTokensError as error:
            maybe = _(" A token that nobody has may be alive.") if error.maybe_done else ""
            return _told(error, maybe)
        self.value, self.ends = generated.value, generated.expires_at
        return _lifetime("Generated", self.ends, notes, LIFETIME[1])

    def extend(self) -> Finding:
        """Extend it. A withdrawn page of Convai's had 24 hours by this: fine below the horizon."""
        try:
            lifetime, notes = _ask(lambda client: client.extend(self.value))
        except ConvaiTokensError as error:
            return _told(error)
        self.ends = max(self.ends, lifetime.expires_at)
        return _lifetime("Extended", lifetime.expires_at, notes, app_settings.REVOKE_HORIZON)

    def revoke(self) -> Finding:
        """Forget it and revoke it, with a few tries: it must not be left behind."""
        value, self.value = self.value, Secret()
        earlier: list[ConvaiTokensError] = []
        for pause in PAUSES:
            asked = earlier[-1].retry_after or 0.0 if earlier else 0.0
            time.sleep(min(max(pause, asked), LONGEST_PAUSE))
            try:
                words, _notes = _ask(lambda client: client.revoke(value))
            except TokenGone as error:
                # For the app it is as good as revoked, so that nothing else would ever tell.
                if not any(it.maybe_done for it in earlier):
                    return _told(error, f" {self._still_alive()}")
                words = _("the token is gone")
            except ConvaiTokensError as error:
                earlier.append(error)
                continue
            if not earlier:
                return ok(_("Revoked. Convai's answer: %s.") % words)
            remedy = REMEDIES.get(earlier[-1].code, UNEXPECTED)
            return warning(
                _("Revoked, but a try before got %(describe)s")
                % {"describe": earlier[-1].describe()},
                *remedy,
            )
        return _told(earlier[-1], f" {self._still_alive()}")

    def revoke_interrupted(self) -> Finding:
        """Return the finding for a revocation that was broken off."""
        cause, fix = _("The doctor was interrupted."), _("Nothing to do: it ends by itself.")
        return failed(self._still_alive(), cause, fix)

    def _still_alive(self) -> str:
        return _(
            "The doctor's own token was NOT revoked: it lives until %(ends)s UTC. Nobody has "
            "its value, which is forgotten now."
        ) % {"ends": f"{self.ends:%H:%M}"}


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
    client = ConvaiClient.from_settings()
    with _held_back() as notes, client.reserve():
        return call(client), notes


def _told(error: ConvaiTokensError, more: str = "") -> Finding:
    """Return the failed finding for an outcome of the client, whose texts hold no secret."""
    return failed(f"{error.describe()}{more}", *REMEDIES.get(error.code, UNEXPECTED))


def _lifetime(verb: str, ends: datetime, notes: list[str], longest: timedelta) -> Finding:
    """Judge the time that Convai gave the token."""
    lives = ends - datetime.now(UTC)
    if notes:
        cause = _("The two clocks differ, or Convai has changed its answer.")
        fix = _(
            "If the step clock is ok, tell Convai's support; REVOKE_HORIZON must be long enough."
        )
        return warning(f"{verb}, but: {' '.join(notes)}", cause, fix)
    detail = _("%(verb)s; the token would live for %(round)s min.") % {
        "verb": verb,
        "round": round(lives.total_seconds() / 60),
    }
    if LIFETIME[0] <= lives <= longest:
        return ok(detail)
    cause = _("The clocks differ, or Convai has changed how long its tokens live.")
    fix = _("If the step clock is ok, ask Convai; REVOKE_HORIZON must be longer than tokens live.")
    return warning(detail, cause, fix)
