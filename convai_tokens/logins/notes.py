"""Logins are noted on the request, by the signal or by ``bind_login()``; nobody is called.

The middleware does the work after the view has returned, and so after its transaction.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from rest_framework.request import Request

from ..exceptions import ConvaiTokensError, shown_text
from ..lifecycle.credential import Credential
from ..models import DEVICE_LENGTH
from ..models.moments import utc_now
from ..secret import Secret
from .credentials import belongs_to

NOTE = "_convai_login"
CHANGED_USER = "_convai_changed_user"
DELETED = "_convai_deleted_sessions"
IN_PAGE = "_convai_token_in_page"
NO_KEY = Secret()

# The request that is being served, for receivers of signals that carry none.
current_request: ContextVar[HttpRequest | None] = ContextVar("convai_request", default=None)


@dataclass
class LoginNote:
    """A login that this request made: whose, and by which credential if that is known yet.

    ``by_session`` tells that the LMS has said so: the session is the credential, whatever the
    response hands out. ``session`` is the Django session of the login, kept because allauth's app
    client swaps ``request.session`` before the middleware sees the response. ``is_new`` tells that
    it has no learner session from before. ``replaced_key`` is the key of the Django session that
    the login flushed, if it did. ``error`` is what went wrong while the login was being noted.
    ``has_taken_over`` tells that what was left on the device has been ended.
    """

    user: AbstractBaseUser
    credential: Credential | None = None
    by_session: bool = False
    session: SessionBase | None = None
    is_new: bool = True
    replaced_key: Secret = NO_KEY
    device: str = ""
    error: ConvaiTokensError | None = None
    done: bool = False
    at: datetime = field(default_factory=utc_now)
    has_taken_over: bool = False


def note_login(request: HttpRequest, note: LoginNote) -> None:
    """Note a login on the request that makes it, for the middleware."""
    setattr(request, NOTE, note)


def noted_login(request: HttpRequest) -> LoginNote | None:
    """Return what was noted on the request."""
    note: LoginNote | None = getattr(request, NOTE, None)
    return note


def forget_login(request: HttpRequest) -> None:
    """Forget the login of a request that logs out again."""
    setattr(request, NOTE, None)


def note_deleted_session(request: HttpRequest, key: Secret, reason: str) -> str:
    """Note on the request that it is about to delete the Django session ``key``, and why.

    Returns the reason that was noted first, which stands.
    """
    if not key:
        return reason
    deleted = deleted_sessions(request)
    setattr(request, DELETED, deleted)
    return deleted.setdefault(key, reason)


def deleted_sessions(request: HttpRequest) -> dict[Secret, str]:
    """Return the keys of the Django sessions that the request deleted, with the reasons why."""
    deleted: dict[Secret, str] = getattr(request, DELETED, {})
    return deleted


def note_password_change(user: AbstractBaseUser) -> None:
    """Note on the present request that it changed this user's password."""
    request = current_request.get()
    if request is not None:
        setattr(request, CHANGED_USER, user)


def changed_password(request: HttpRequest) -> AbstractBaseUser | None:
    """Return the user whose password the request changed, if it is the user of its session."""
    user: AbstractBaseUser | None = getattr(request, CHANGED_USER, None)
    session: SessionBase | None = getattr(request, "session", None)
    return user if user is not None and belongs_to(session, user) else None


def note_token_in_page(request: HttpRequest) -> None:
    """Note on the request that its view got a token, so that no cache may keep the response."""
    setattr(request, IN_PAGE, True)


def has_token_in_page(request: HttpRequest) -> bool:
    """Tell whether the request's view got a token for the page that it renders."""
    return getattr(request, IN_PAGE, False)


def noted_anything(request: HttpRequest) -> bool:
    """Tell whether the middleware has something to do at the end of the request. Asks nobody."""
    session: SessionBase | None = getattr(request, "session", None)
    return (
        noted_login(request) is not None
        or bool(deleted_sessions(request))
        or hasattr(request, CHANGED_USER)
        or has_token_in_page(request)
        or (session is not None and session.modified)
    )


def device_of(request: HttpRequest | Request) -> str:
    """Return the ``device`` in the login's body: a kiosk's name, or empty."""
    data: Any
    try:
        if isinstance(request, Request):
            data = request.data
        elif request.content_type == "application/json":
            data = json.loads(request.body)
        else:
            data = request.POST
        device = data.get("device") if hasattr(data, "get") else None
    except Exception:  # noqa: BLE001 - a body that can't be read, or was read by the view: any parser's
        return ""
    return shown_text(device, DEVICE_LENGTH) if isinstance(device, str) else ""
