"""Clients that present a Django session by something else than its cookie.

The session is the credential all the same: it ends, and its learner session with it, as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from rest_framework.request import Request

from ..secret import Secret


@dataclass(frozen=True)
class SessionBearer:
    """A way to present a Django session in a header.

    ``session_of(request)`` returns the session by which a DRF request was authenticated, None where
    it was in another way; it raises ``SessionEnded`` for one that is gone. ``stands_for(text,
    session)`` tells whether what a login response hands out presents this session.
    ``authentication_classes`` are dotted paths of the DRF classes that authenticate by it.
    """

    name: str
    session_of: Callable[[Request], SessionBase | None]
    stands_for: Callable[[Secret, SessionBase], bool]
    authentication_classes: tuple[str, ...]


_session_bearers: dict[str, SessionBearer] = {}


def register_session_bearer(bearer: SessionBearer) -> None:
    """Make a way known; to be called in an app's ``ready()``."""
    _session_bearers[bearer.name] = bearer


def session_bearers() -> list[SessionBearer]:
    """Return the ways that are registered."""
    return [*_session_bearers.values()]


def borne_session(request: HttpRequest | Request) -> SessionBase | None:
    """Return the Django session that a request presents by something else than its cookie."""
    if isinstance(request, Request) and request.successful_authenticator is not None:
        for bearer in _session_bearers.values():
            session = bearer.session_of(request)
            if session is not None:
                return session
    return None


def stands_for(text: Secret, session: SessionBase | None) -> bool:
    """Tell whether what a login response hands out presents its Django session."""
    if session is None:
        return False
    return any(bearer.stands_for(text, session) for bearer in _session_bearers.values())
