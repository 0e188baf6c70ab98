"""Requests for a token by a learner who is logged in already."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from ..exceptions import CredentialNotSupported, NotAllowed
from ..lifecycle.credential import Credential
from ..lifecycle.opening import Opener, session_of
from ..models import LearnerSession
from ..payloads import may_have_token, named_end_user
from .credentials import SESSION_STACK, remember
from .impersonation import impersonator_of


def open_for_request(
    request: HttpRequest, user: AbstractBaseUser, credential: Credential
) -> tuple[LearnerSession, Opener]:
    """Return the learner session of a request that is no login, and who opens it if it is new.

    Raises ``NotAllowed``, ``Impersonated``, ``EndUserBlank`` or ``CredentialNotSupported``.
    """
    impersonator = None
    if credential.stack == SESSION_STACK:
        impersonator = impersonator_of(request.session, user)
    if not may_have_token(request, user):
        raise NotAllowed
    named_end_user(user)
    if credential.stack == SESSION_STACK:
        remember(request.session, credential)
    opener = Opener(credential, user, impersonator)
    session = session_of(opener)
    if session.user_id != user.pk:
        # Promise 3: not to be reached by the app's own ways, so it is refused, not mended.
        raise CredentialNotSupported
    return session, opener
