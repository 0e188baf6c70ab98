"""What can go wrong with a token, in this app's words.

Every exception carries a ``code`` for programs and a short cleaned text for people; none ever
carries an answer's body, a key or a token value.
"""

from __future__ import annotations

import re

MAX_TEXT = 240  # the width of ConvaiToken.last_error
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Anything that is long and unbroken may be a key or a token; no prose is.
_SECRET_LIKE = re.compile(r"[A-Za-z0-9_.~+/=-]{16,}")


def clean_text(text: str) -> str:
    """Return ``text`` fit for a log line or a database column.

    Control characters become spaces, whatever looks like a key or a token becomes ``[...]``, and
    the result has at most 240 characters.
    """
    text = _SECRET_LIKE.sub("[...]", _CONTROL_CHARACTERS.sub(" ", text)).strip()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


class ConvaiTokensError(Exception):
    """Root of this app's exceptions.

    ``code`` is stable, snake_case; ``retry_after`` is in seconds, None where Convai named no time.
    ``waiting_helps`` is false where the same call will fail again, however late.
    """

    code = "convai_error"
    waiting_helps = True

    def __init__(
        self, text: str, *, code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(clean_text(text))
        self.code = code or self.code
        self.retry_after = retry_after

    def describe(self) -> str:
        """Return code and text on one line, for ``last_error`` and the logs."""
        return f"{self.code}: {self}"[:MAX_TEXT]


class ConvaiUnavailable(ConvaiTokensError):
    """Convai can't be used now: network, timeout, 5xx, 429, redirect, nonsense. Try later.

    ``maybe_done`` is true when the request may have reached Convai, so that it may have been
    carried out although nobody heard the answer.
    """

    code = "convai_unavailable"

    def __init__(
        self,
        text: str,
        *,
        code: str | None = None,
        retry_after: float | None = None,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(text, code=code, retry_after=retry_after)
        self.maybe_done = maybe_done


class ConvaiPaused(ConvaiUnavailable):
    """Convai was not called at all: it is known to be down. ``retry_after`` tells for how long."""


class ConvaiRefused(ConvaiTokensError):
    """Convai refuses us: a bad API key or an exhausted plan. Somebody has to mend it."""

    code = "convai_refused"


class TokenRejected(ConvaiTokensError):
    """Convai rejected one token with an answer that doesn't say why; gone, if it has expired."""

    code = "token_rejected"
    waiting_helps = False


class TokenGone(ConvaiTokensError):
    """Convai knows no such token."""

    code = "token_gone"
    waiting_helps = False


class SessionEnded(ConvaiTokensError):
    """The learner session has ended: it gets no token any more."""

    code = "session_ended"
    waiting_helps = False


class TokenSuperseded(ConvaiTokensError):
    """The token was revoked while it was being generated: newer ones reached the session's cap."""

    code = "token_superseded"
    waiting_helps = False


class NoLiveToken(ConvaiTokensError):
    """The learner session has no token that could be extended."""

    code = "no_live_token"
    waiting_helps = False


class EndUserBlank(ConvaiTokensError):
    """``END_USER`` gave a blank id or name; Convai's clients take neither."""

    code = "end_user_blank"
    waiting_helps = False


class SealBroken(ConvaiTokensError):
    """A sealed value doesn't open: no key fits, or it was moved here from another row."""

    code = "seal_broken"
    waiting_helps = False
