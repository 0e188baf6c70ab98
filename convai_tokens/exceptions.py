"""What can go wrong with a token, in this app's words.

Every exception has a ``code`` for programs and a short cleaned text for people; none ever
carries an answer's body, a key or a token value.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import ClassVar, Self

MAX_TEXT = 240  # the width of ConvaiToken.last_error
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Anything that is long and unbroken may be a key or a token; no prose is.
_SECRET_LIKE = re.compile(r"[A-Za-z0-9_.~+/=-]{16,}")


# Characters that change how others are shown: bidi overrides, isolates and marks, zero widths.
_DISGUISING = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def shown_text(text: str, length: int) -> str:
    """Return a text of the learner's, such as a device's name, fit for the database and the audit.

    Control characters become spaces, halves of surrogate pairs the replacement character, and
    characters that disguise others are shown escaped; nothing is masked. At most ``length`` long.
    """
    text = _CONTROL_CHARACTERS.sub(" ", text[: length * 4])
    text = _SURROGATES.sub("\ufffd", text)
    text = _DISGUISING.sub(lambda found: f"\\u{ord(found[0]):04x}", text).strip()
    return text if len(text) <= length else text[: length - 1] + "…"


def clean_text(text: str) -> str:
    """Return a text of the vendor's, or about its answers, fit for a log line or the database.

    Control characters become spaces, whatever looks like a key or a token becomes ``[...]``, and
    the result has at most 240 characters.
    """
    text = _SECRET_LIKE.sub("[...]", _CONTROL_CHARACTERS.sub(" ", text)).strip()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


class ErrorCode(StrEnum):
    """Every code that an error of this app has, for programs, with what a client is told by it.

    docs/errors.md tells what to do. What staff is told besides is the text of the exception.
    """

    text: str

    def __new__(cls, code: str, text: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.text = text
        return member

    # Convai can't be used now
    CONVAI_UNAVAILABLE = "convai_unavailable", "Convai can't be used now."
    CONVAI_TIMEOUT = "convai_timeout", "Convai did not answer in time."
    CONVAI_DROPPED = "convai_dropped", "Convai closed the connection without an answer."
    CONVAI_RATE_LIMITED = "convai_rate_limited", "Convai's limit on requests is reached."
    CONVAI_BUSY = "convai_busy", "Too many learners wait for Convai already."
    CONVAI_NOT_UNDERSTOOD = "convai_not_understood", "Convai's answer could not be understood."
    # Convai refuses this LMS
    CONVAI_REFUSED = "convai_refused", "Convai refuses this LMS."
    CONVAI_BAD_KEY = "convai_bad_key", "Convai does not accept this LMS's API key."
    CONVAI_PLAN_LIMIT = "convai_plan_limit", "This LMS's Convai plan is used up."
    CONVAI_NO_KEY = "convai_no_key", "This LMS's Convai API key can't be read."
    CONVAI_MISCONFIGURED = (
        "convai_misconfigured",
        "This LMS's settings for Convai are wrong; its log says which.",
    )
    # This learner session, or this token
    SESSION_ENDED = "session_ended", "The learner session has ended; log in again."
    TOKEN_SUPERSEDED = "token_superseded", "Newer tokens of this learner session took its place."
    NO_LIVE_TOKEN = "no_live_token", "This learner session has no live token; generate one."
    TOKEN_REJECTED = "token_rejected", "Convai rejects this token; generate one."
    TOKEN_GONE = "token_gone", "Convai does not know this token any more; generate one."
    SEAL_BROKEN = "seal_broken", "This token can't be read any more; generate one."
    # This learner, or this request
    LEARNER_RATE_LIMITED = (
        "learner_rate_limited",
        "This learner has got too many tokens within an hour.",
    )
    END_USER_BLANK = "end_user_blank", "This learner has no id or no name for Convai."
    CONVAI_NOT_ALLOWED = "convai_not_allowed", "This learner gets no Convai token."
    CONVAI_IMPERSONATED = (
        "convai_impersonated",
        "Somebody else acts as this learner, and gets no token under the learner's id.",
    )
    CREDENTIAL_NOT_SUPPORTED = (
        "credential_not_supported",
        "This request was authenticated in a way that convai_tokens does not know.",
    )
    CONVAI_UNKNOWN_STACK = (
        "convai_unknown_stack",
        "This login is of a stack that convai_tokens does not know.",
    )
    CROSS_SITE = (
        "cross_site",
        "With a cookie, GET is answered to pages of this site alone; use POST.",
    )
    NOT_AUTHENTICATED = "not_authenticated", "Nobody is logged in here."
    # A fault of ours or of the LMS's code, which is in the log
    CONVAI_ERROR = "convai_error", "No token can be given now."


class ConvaiTokensError(Exception):
    """Root of this app's exceptions.

    ``retry_after`` is in seconds, None where Convai named no time; ``pause`` is what counts then,
    None where the same call will fail again, however late. ``maybe_done`` is true when the request
    may have reached Convai, so that it may have been carried out although nobody heard the answer.
    """

    code: ErrorCode = ErrorCode.CONVAI_ERROR
    pause: ClassVar[float | None] = 15.0
    maybe_done = False

    def __init__(
        self, text: str = "", *, code: ErrorCode | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(clean_text(text or (code or self.code).text))
        self.code = code or self.code
        self.retry_after = retry_after

    def describe(self) -> str:
        """Return code and text on one line, for ``last_error`` and the logs."""
        return f"{self.code}: {self}"[:MAX_TEXT]


class ConvaiUnavailable(ConvaiTokensError):
    """Convai can't be used now: network, timeout, 5xx, 429, redirect, nonsense. Try later."""

    code = ErrorCode.CONVAI_UNAVAILABLE
    pause: ClassVar[float] = 15.0

    def __init__(
        self,
        text: str = "",
        *,
        code: ErrorCode | None = None,
        retry_after: float | None = None,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(text, code=code, retry_after=retry_after)
        self.maybe_done = maybe_done


class ConvaiPaused(ConvaiUnavailable):
    """Convai was not called at all: it is known to be down. ``retry_after`` tells for how long."""


class ConvaiRefused(ConvaiTokensError):
    """Convai refuses us: a bad API key or an exhausted plan. Somebody has to mend it."""

    code = ErrorCode.CONVAI_REFUSED
    pause: ClassVar[float] = 60.0


class Misconfigured(ConvaiTokensError):
    """A setting, or a hook of the LMS's, is what it must never be. The log names it."""

    code = ErrorCode.CONVAI_MISCONFIGURED
    pause = 60.0


class TransactionOpen(Misconfigured, RuntimeError):
    """A transaction is open, or autocommit is off: it would be open while Convai is called."""


class TokenRejected(ConvaiTokensError):
    """Convai rejected one token with an answer that doesn't say why; gone, if it has expired."""

    code = ErrorCode.TOKEN_REJECTED
    pause = None


class TokenGone(ConvaiTokensError):
    """Convai knows no such token."""

    code = ErrorCode.TOKEN_GONE
    pause = None


class SessionEnded(ConvaiTokensError):
    """The learner session has ended: it gets no token any more."""

    code = ErrorCode.SESSION_ENDED
    pause = None


class TokenSuperseded(ConvaiTokensError):
    """The token was revoked while it was being generated: newer ones reached the session's cap."""

    code = ErrorCode.TOKEN_SUPERSEDED
    pause = None


class NoLiveToken(ConvaiTokensError):
    """The learner session has no token that could be extended."""

    code = ErrorCode.NO_LIVE_TOKEN
    pause = None


class EndUserBlank(ConvaiTokensError):
    """``END_USER`` gave a blank id or name; Convai's clients take neither."""

    code = ErrorCode.END_USER_BLANK
    pause = None


class LearnerLimited(ConvaiTokensError):
    """The learner has reached ``LEARNER_RATE``; ``retry_after`` tells when one more is free."""

    code = ErrorCode.LEARNER_RATE_LIMITED
    pause = 60.0


class SealBroken(ConvaiTokensError):
    """A sealed value doesn't open: no key fits, or it was moved here from another row."""

    code = ErrorCode.SEAL_BROKEN
    pause = None


class NotAuthenticated(ConvaiTokensError):
    """Nobody is logged in."""

    code = ErrorCode.NOT_AUTHENTICATED
    pause = None


class CredentialNotSupported(ConvaiTokensError):
    """The request was authenticated in a way that this app doesn't know."""

    code = ErrorCode.CREDENTIAL_NOT_SUPPORTED
    pause = None


class NotAllowed(ConvaiTokensError):
    """``ISSUE_IF`` gives this learner no token."""

    code = ErrorCode.CONVAI_NOT_ALLOWED
    pause = None


class Impersonated(ConvaiTokensError):
    """Somebody else acts as the learner, and Convai's memory hangs on the learner's id."""

    code = ErrorCode.CONVAI_IMPERSONATED
    pause = None


class UnknownStack(ConvaiTokensError):
    """A login hands out a credential of no known stack: a token would end with nothing."""

    code = ErrorCode.CONVAI_UNKNOWN_STACK
    pause = None


class CrossSite(ConvaiTokensError):
    """A GET by cookie that another site, or a prefetch, may have caused."""

    code = ErrorCode.CROSS_SITE
    pause = None
