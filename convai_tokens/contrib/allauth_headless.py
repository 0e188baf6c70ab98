"""django-allauth's headless API, whose app clients present a Django session in a header.

Login, logout and every other end are seen by that session. So all there is to know is how it is
presented: as its key in ``X-Session-Token``, or encrypted in the claim ``sid`` of a JSON Web Token.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from allauth.headless import app_settings
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from rest_framework.request import Request

from ..exceptions import SessionEnded
from ..logins.session_bearers import SessionBearer, register_session_bearer
from ..secret import Secret

MODULE = "allauth.headless.contrib.rest_framework.authentication"
CLASSES = (f"{MODULE}.XSessionTokenAuthentication", f"{MODULE}.JWTTokenAuthentication")


def session_of(request: Request) -> SessionBase | None:
    """Return the session that authenticated the request, by its key or by a token that names it."""
    lineage = type(request.successful_authenticator).__mro__
    if not {*CLASSES} & {f"{base.__module__}.{base.__qualname__}" for base in lineage}:
        return None
    if isinstance(request.auth, SessionBase):
        return request.auth
    store = import_module(settings.SESSION_ENGINE).SessionStore
    session: SessionBase = store(_key_in(request.auth).reveal())
    if SESSION_KEY not in session:  # an access token outlives it
        raise SessionEnded("The Django session of the access token is gone.")
    return session


def stands_for(text: Secret, session: SessionBase) -> bool:
    """Tell whether a JSON Web Token of a login response names this session."""
    if not hasattr(app_settings, "JWT_ALGORITHM"):  # an allauth from before its tokens
        return False
    from allauth.headless.tokens.strategies.jwt import internal  # needs PyJWT

    for use in ("access", "refresh"):
        claims = internal.decode_token(text.reveal(), use)
        if claims is not None:
            return _key_in(claims) == Secret(session.session_key or "")
    return False


def _key_in(claims: Any) -> Secret:
    from allauth.headless.tokens.strategies.jwt import internal

    return Secret(internal.session_key_from_sid(claims["sid"]) or "")


def connect() -> None:
    """Register the way; called by ``contrib.connect()``."""
    register_session_bearer(SessionBearer("allauth", session_of, stands_for, CLASSES))
