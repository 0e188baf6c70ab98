"""Requests for a token by a learner who is logged in already."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from rest_framework.request import Request

from ..exceptions import CredentialNotSupported, Impersonated, NotAllowed
from ..lifecycle.credential import Credential
from ..lifecycle.opening import Opener, open_session, session_of
from ..models import LearnerSession
from ..payloads import may_have_token, named_end_user
from .bearer_stacks import SESSION_STACK
from .credentials import http_request
from .datum import device_in, remember
from .impersonation import impersonator_of
from .session_bearers import borne_session


def open_for_request(
    request: HttpRequest | Request, user: AbstractBaseUser, credential: Credential
) -> tuple[LearnerSession, Opener]:
    """Return the learner session of a request that is no login, and who opens it if it is new.

    Raises ``NotAllowed``, ``Impersonated``, ``EndUserBlank`` or ``CredentialNotSupported``; where
    the login named a device, what ``open_session`` does, too.
    """
    http = http_request(request)
    device = ""
    session_of_request: SessionBase | None = getattr(http, "session", None)
    own = _own_session(request, credential)
    impersonator = impersonator_of(own, user)
    if not may_have_token(http, user):
        raise NotAllowed
    named_end_user(user)
    if own is not None:
        remember(own, credential)
        device = device_in(own)
        if own is not session_of_request and own.modified:
            own.save()  # no middleware does
    opener = Opener(credential, user, impersonator)
    session = open_session(opener, device) if device else session_of(opener)
    if session.user_id != user.pk:
        # Promise 3: not to be reached by the app's own ways, so it is refused, not mended.
        raise CredentialNotSupported
    return session, opener


def check_not_impersonated(
    request: HttpRequest | Request, user: AbstractBaseUser, credential: Credential
) -> None:
    """Raise ``Impersonated`` where somebody acts as the user, whatever the settings allow."""
    if impersonator_of(_own_session(request, credential), user) is not None:
        raise Impersonated


def _own_session(request: HttpRequest | Request, credential: Credential) -> SessionBase | None:
    """Return the Django session whose credential it is, None for a bearer's."""
    if credential.stack != SESSION_STACK:
        return None
    own: SessionBase | None = getattr(http_request(request), "session", None)
    return borne_session(request) or own
