"""What a login response and the token endpoint tell the learner's client.

The keys are those that Convai's own examples and clients read: docs/convai.md says which is read
by whom.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from .conf import AppSettings, app_settings
from .exceptions import ConvaiTokensError, EndUserBlank, Misconfigured
from .lifecycle.storing import Issued
from .models import username_of

logger = logging.getLogger("convai_tokens")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class LoginBlock:
    """What a learner's client is told: a token, or why there is none.

    ``value`` stands in for the token: the response that holds it gets the token in its place, and
    nothing else ever sees that. ``value`` and ``expires_at`` (aware UTC, by our clock) are None
    together, and then ``error_code`` is set; ``clock_ahead`` is how far Convai's clock is ahead of
    ours, and ``retry_after`` is in seconds, None when waiting won't help.
    """

    end_user_id: str | None
    end_user_name: str | None
    value: str | None = None
    expires_at: datetime | None = None
    error_code: str = ""
    error_message: str = ""
    retry_after: int | None = None
    clock_ahead: timedelta = timedelta()

    @property
    def expiration_time(self) -> str | None:
        """The end by Convai's clock, as ISO 8601 with a ``Z``: Convai's Unity client takes nothing
        else, and compares it with a clock of its own.
        """
        if self.expires_at is None:
            return None
        return f"{self.expires_at + self.clock_ahead:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def expires_in(self) -> int | None:
        """Whole seconds until the end, for clients whose clock is wrong."""
        if self.expires_at is None:
            return None
        return max(int((self.expires_at - datetime.now(UTC)).total_seconds()), 0)

    @property
    def server_url(self) -> str:
        """The realtime server's address, which older clients want to be told."""
        return str(AppSettings.SERVER_URL.given())


def issued_block(user: AbstractBaseUser, issued: Issued) -> LoginBlock:
    """Return the block for a token."""
    identity, name = named_end_user(user)
    return LoginBlock(
        identity, name, issued.stand_in, issued.expires_at, clock_ahead=issued.clock_ahead
    )


def failed_block(user: AbstractBaseUser | None, error: ConvaiTokensError) -> LoginBlock:
    """Return the block that says why there is no token; without a user where nobody is known."""
    identity: str | None = None
    name: str | None = None
    if user is not None:
        with suppress(EndUserBlank, Misconfigured):
            identity, name = named_end_user(user)
    return LoginBlock(
        identity,
        name,
        error_code=error.code,
        error_message=error.code.text,
        retry_after=retry_after(error),
    )


def retry_after(error: ConvaiTokensError) -> int | None:
    """Return whole seconds after which it is worth to try again, None where it never is."""
    seconds = error.pause if error.retry_after is None else error.retry_after
    return None if error.pause is None or seconds is None else math.ceil(seconds)


def fields(block: LoginBlock) -> dict[str, Any]:
    """Return the block as JSON data: the token endpoint's body, and what ``nested`` nests."""
    data: dict[str, Any] = {
        "apiAuthToken": block.value,
        "expirationTime": block.expiration_time,
        "expiresIn": block.expires_in,
        "endUserId": block.end_user_id,
        "endUserName": block.end_user_name,
        "serverUrl": block.server_url,
    }
    return data | _error(block)


def nested(block: LoginBlock) -> dict[str, Any]:
    """Return the block as one object ``convai``; the default ``PAYLOAD``."""
    return {"convai": fields(block)}


def flat(block: LoginBlock) -> dict[str, Any]:
    """Return the block at the top level, under the names of the vendor's LMS example."""
    data: dict[str, Any] = {
        "convaiApiAuthToken": block.value,
        "convaiExpirationTime": block.expiration_time,
        "learnerId": block.end_user_id,
        "learnerDisplayName": block.end_user_name,
        "convaiServerUrl": block.server_url,
    }
    return data | {f"convai{key.title()}": value for key, value in _error(block).items()}


def _error(block: LoginBlock) -> dict[str, Any]:
    if block.value is not None:
        return {}
    error = {
        "code": block.error_code,
        "message": block.error_message,
        "retryAfter": block.retry_after,
    }
    return {"error": error}


def everybody(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """Return True: the default ``ISSUE_IF``, which gives every learner a token."""
    return True


def end_user(user: AbstractBaseUser) -> tuple[str, str]:
    """Return the primary key, and full name, username or key again: the default ``END_USER``."""
    full_name = getattr(user, "get_full_name", str)()
    return str(user.pk), full_name.strip() or username_of(user) or str(user.pk)


def pseudonymous_end_user(user: AbstractBaseUser) -> tuple[str, str]:
    """Return an id that only this site can trace to the user, and no name: for ``END_USER``.

    It stays the same as long as the site's ``SECRET_KEY`` does.
    """
    traced = salted_hmac("convai_tokens.end_user", str(user.pk), algorithm="sha256")
    return traced.hexdigest()[:32], "Learner"


def named_end_user(user: AbstractBaseUser) -> tuple[str, str]:
    """Return id and name from ``END_USER``; raise ``EndUserBlank`` if one is blank.

    Convai's long-term memory hangs on the id: two learners with one id get their memories merged.
    """
    identity, name = guarded("END_USER", id_and_name, user)
    if not identity or not name:
        raise EndUserBlank("END_USER gave a blank id or name for this learner.")
    return identity, name


def id_and_name(user: AbstractBaseUser) -> tuple[str, str]:
    """Return what ``END_USER`` gives, as text; raise what it raises."""
    identity, name = ("" if it is None else str(it).strip() for it in app_settings.END_USER(user))
    return identity, name


def may_have_token(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """Tell whether ``ISSUE_IF`` gives this learner a token."""
    return guarded("ISSUE_IF", lambda: bool(app_settings.ISSUE_IF(request, user)))


def shaped(block: LoginBlock) -> dict[str, Any]:
    """Return the block as ``PAYLOAD`` has it; if that fails, the error as ``nested`` has it."""
    try:
        return guarded("PAYLOAD", _shape_of, block)
    except Misconfigured as error:
        failed = LoginBlock(
            block.end_user_id,
            block.end_user_name,
            error_code=error.code,
            error_message=error.code.text,
            retry_after=retry_after(error),
        )
        return nested(failed)


def _shape_of(block: LoginBlock) -> dict[str, Any]:
    shape = app_settings.PAYLOAD(block)
    if not isinstance(shape, dict):
        raise TypeError(f"PAYLOAD must return a dict, not {type(shape).__name__}.")
    return shape


def guarded(name: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what calls the LMS's hook; log whatever it raises, raise ``Misconfigured`` instead."""
    try:
        return call(*args, **kwargs)
    except Exception:
        logger.exception("CONVAI_TOKENS[%r] fails, so that a learner gets no token.", name)
        raise Misconfigured from None
