"""How Convai's answers are read: which status and text means which outcome.

Convai documents few statuses and several error envelopes (docs/convai.md lists those seen), so
that the reader looks at the status first, and at the words of the text where the status isn't
enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..exceptions import (
    ConvaiRefused,
    ConvaiTokensError,
    ConvaiUnavailable,
    ErrorCode,
    TokenGone,
    TokenRejected,
)
from ..secret import Secret
from .times import Lifetime, lifetime_of, one_hour, seconds_of

Verb = Literal["generate", "extend", "revoke"]
PATHS: dict[Verb, str] = {
    "generate": "/user/connect",
    "extend": "/user/extend-token",
    "revoke": "/user/revoke-token",
}

MAX_TOKEN_LENGTH = 4096

# Where an error's text is, by the vendor's pages; and by what gateways in front of it answer.
ERROR_KEYS = ("ERROR", "error", "API_ERROR", "INTERNAL_ERROR")
GATEWAYS_KEYS = ("errors", "errorMessage", "errorType", "detail")

# What a header carries unchanged: whoever reads one strips the blanks around its value.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_NAMES_THE_KEY = re.compile(r"api[ _-]?key", re.IGNORECASE)
# Neither our own path, nor a parser's "Unexpected token '<'", nor a token of another kind.
_NAMES_THE_TOKEN = re.compile(
    r"(?<!revoke[-_])(?<!extend[-_])(?<!unexpected )(?<!csrf )(?<!csrf[-_])(?<!api )token",
    re.IGNORECASE,
)
_TELLS_OF_DEATH = re.compile(
    r"unknown|invalid|not valid|expired|not (be )?found|n[o']t exist|no such|no longer|inactive|"
    r"(already|been|is|was) revoked",
    re.IGNORECASE,
)
_NAMES_A_RATE = re.compile(r"rate limit|limit per minute|too many requests", re.IGNORECASE)
_NAMES_THE_PLAN = re.compile(r"usage limit|current plan", re.IGNORECASE)


@dataclass(frozen=True)
class GeneratedToken:
    """What Convai generated: the value, and how long it lives."""

    value: Secret
    lifetime: Lifetime

    @property
    def expires_at(self) -> datetime:
        """Its end by our clock, as aware UTC."""
        return self.lifetime.expires_at


def generated_token(
    status: int, headers: Mapping[str, str], body: Secret
) -> GeneratedToken | ConvaiTokensError:
    """Return the token in the answer to *generate*, or the outcome that the answer stands for."""
    found = _value_and_time(status, headers, body)
    if isinstance(found, ConvaiTokensError):
        return found
    value, time = found
    return GeneratedToken(value, lifetime_of(time, headers))


def _value_and_time(
    status: int, headers: Mapping[str, str], body: Secret
) -> tuple[Secret, object] | ConvaiTokensError:
    """Return the token and its ``expirationTime`` as given, or the outcome.

    By itself, as all that has the answer in a local variable: whatever logs, may show those.
    """
    data = _read(body)
    failure = _failure("generate", status, headers, data)
    if failure is not None:
        return failure
    answer = data if isinstance(data, dict) else {}
    value = answer.get("apiAuthToken")
    if not isinstance(value, str) or not _is_token(value):
        # A token may exist that nobody can name: hence maybe_done.
        return ConvaiUnavailable("Convai answered without a token.", maybe_done=True)
    return Secret(value), answer.get("expirationTime")


def _is_token(value: str) -> bool:
    """Tell whether this can be a token: what a client's header carries unchanged."""
    return len(value) <= MAX_TOKEN_LENGTH and _HEADER_VALUE.fullmatch(value) is not None


def extended_until(
    status: int, headers: Mapping[str, str], body: Secret
) -> Lifetime | ConvaiTokensError:
    """Return how long the token lives after *extend*, or the outcome.

    The answer isn't documented: without a time in it, the token lives for one hour from now.
    """
    found = _times(status, headers, body)
    if isinstance(found, ConvaiTokensError):
        return found
    return lifetime_of(found[0], headers) if found else one_hour(headers)


def _times(
    status: int, headers: Mapping[str, str], body: Secret
) -> list[object] | ConvaiTokensError:
    """Return the ``expirationTime`` as given, if there is one; or the outcome."""
    data = _read(body)
    failure = _failure("extend", status, headers, data)
    if failure is not None:
        return failure
    return [data["expirationTime"]] if isinstance(data, dict) and "expirationTime" in data else []


def confirmed_revoked(
    status: int, headers: Mapping[str, str], body: Secret
) -> str | ConvaiTokensError:
    """Return in which words the answer confirms *revoke*, or the outcome."""
    data = _read(body)
    return _failure("revoke", status, headers, data) or f"{status}, {_shape(data)}"


def answered_probe(
    status: int, headers: Mapping[str, str], body: Secret
) -> Literal[True] | ConvaiTokensError:
    """Return True for an answer to a background probe; an outcome if it says "later".

    Nobody knows what Convai answers to the revocation of a token that doesn't exist. But whoever
    answers doesn't hang, and the next learner's call will tell the rest without a wait.
    """
    outcome = confirmed_revoked(status, headers, body)
    if isinstance(outcome, ConvaiUnavailable) and (
        outcome.code == ErrorCode.CONVAI_RATE_LIMITED or outcome.retry_after
    ):
        return outcome
    return True


def _read(body: Secret) -> object:
    """Return the body as JSON where it is JSON, else as text."""
    try:
        data: object = json.loads(body.reveal())
        return data
    except (ValueError, RecursionError):
        return body.reveal()


def _failure(
    verb: Verb, status: int, headers: Mapping[str, str], data: object
) -> ConvaiTokensError | None:
    """Return the outcome that the answer stands for, None for success."""
    success = 200 <= status < 300
    text = _error_text(data, success)
    # To generate, the token itself is the yes.
    if success and text is None and (verb == "generate" or _says_yes(status, data)):
        return None
    told = f"Convai answered {status} to {verb}."
    retry_after = seconds_of(headers.get("Retry-After", ""))
    if status == 429 or (_NAMES_A_RATE.search(text or "") and status < 500):
        return ConvaiUnavailable(told, code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=retry_after)
    if (not success and not 400 <= status < 500) or status in (408, 425):
        # A proxy's 503 may come after it had sent the call on. After a 1xx the answer is yet to
        # come.
        unbegun = status == 503 and _NAMES_A_RATE.search(text or "")
        maybe_done = status < 200 or (status >= 500 and not unbegun)
        return ConvaiUnavailable(told, retry_after=retry_after, maybe_done=maybe_done)
    return _refusal(verb, status, data, text or "", told)


def _refusal(verb: Verb, status: int, data: object, text: str, told: str) -> ConvaiTokensError:
    """Return the outcome of a 4xx, or of a 2xx that holds an error envelope."""
    if _NAMES_THE_PLAN.search(text):
        return ConvaiRefused(
            f"{told} The plan's limit is reached.", code=ErrorCode.CONVAI_PLAN_LIMIT
        )
    if status not in (404, 410) and _NAMES_THE_KEY.search(text):
        return ConvaiRefused(f"{told} The API key is bad.", code=ErrorCode.CONVAI_BAD_KEY)
    if verb == "generate":
        # No token is in play, so a 4xx is about us; an envelope inside a 2xx is nonsense.
        return ConvaiRefused(told) if status >= 400 else ConvaiUnavailable(told, maybe_done=True)
    if isinstance(data, dict) and _says_that_the_token_is_gone(status, text):
        return TokenGone(told)
    if isinstance(data, dict) and data.get("INTERNAL_ERROR"):
        return ConvaiUnavailable(told, maybe_done=True)
    if status < 400:
        told = f"{told} Its body, {_shape(data)}, doesn't say that this was done."
        return ConvaiUnavailable(told, code=ErrorCode.CONVAI_NOT_UNDERSTOOD, maybe_done=True)
    return TokenRejected(told)


def _says_yes(status: int, data: object) -> bool:
    """Tell whether a 2xx without an error says, in a way of Convai's, that it was done.

    That nobody objects is no proof: a maintenance page, a captive portal or a gateway answers 200
    to anything. Nor is 202, which promises it for later.
    """
    if status == 202:
        return False
    if not isinstance(data, dict):
        return isinstance(data, str) and not data.strip()
    if any(data.get(name) for name in GATEWAYS_KEYS) or _is_error_status(data):
        return False
    state = str(data.get("STATUS") or data.get("status") or "").lower()
    said = any(data.get(name) is True for name in ("ok", "success", "revoked"))
    return said or state in ("success", "ok") or "expirationTime" in data


def _says_that_the_token_is_gone(status: int, text: str) -> bool:
    """Tell whether an envelope's words leave no doubt.

    A bare 404 or 410 is also what a wrong path gets, and a page of HTML may hold any words. Nor is
    a 401 or 403 about a token a proof, for it may mean the one in the header, our key.
    """
    tells = _NAMES_THE_TOKEN.search(text) and _TELLS_OF_DEATH.search(text)
    return bool(tells) and status not in (401, 403)


def _error_text(data: object, success: bool) -> str | None:
    """Return the text of the error envelope in ``data``; None when there is none."""
    if not isinstance(data, dict):
        return None if success else str(data)
    for key in ERROR_KEYS:
        if data.get(key):
            return str(data[key])
    state = str(data.get("status") or data.get("STATUS") or "").lower()
    denied = any(data.get(name) is False for name in ("ok", "success", "revoked"))
    if denied or state in ("error", "failure", "failed"):
        return str(data.get("message") or "")
    return None if success else str(data.get("detail") or data.get("message") or "")


def _shape(data: object) -> str:
    """Return in words what an answer's body is, without any of its values."""
    if isinstance(data, dict):
        return f"a JSON object with {', '.join(sorted(data)[:5]) or 'nothing in it'}"
    if not isinstance(data, str):
        return "JSON that is no object"
    return "text that isn't JSON" if data.strip() else "empty"


def _is_error_status(data: dict[str, object]) -> bool:
    """Tell whether a gateway's ``statusCode`` says what the status line doesn't."""
    return str(data.get("statusCode", "")).strip()[:1] in ("4", "5")
