"""The learner session of a login, or of a later request that asks for a token."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from ..conf import app_settings
from ..exceptions import CredentialNotSupported, NotAllowed
from ..lifecycle.credential import Credential
from ..lifecycle.issuing import open_session
from ..models import LearnerSession
from ..payloads import named_end_user
from .credentials import SESSION_STACK, remember, renewed_credential
from .notes import LoginNote


def open_for_login(note: LoginNote, credential: Credential) -> LearnerSession:
    """Return the learner session of a login that was noted.

    Raises ``EndUserBlank``, or what ``open_session`` does.
    """
    named_end_user(note.user)
    if note.session is None or credential.stack != SESSION_STACK:
        return open_session(credential, note.user, note.device)
    remember(note.session, credential)
    session = open_session(credential, note.user, note.device)
    if session.ended_at is not None:
        # A new login in a Django session that outlived its learner session.
        renewed = renewed_credential(note.session)
        remember(note.session, renewed)
        session = open_session(renewed, note.user, note.device)
    return session


def open_for_request(
    request: HttpRequest, user: AbstractBaseUser, credential: Credential
) -> LearnerSession:
    """Return the learner session of a request that is no login, started if this is its first token.

    Raises ``NotAllowed``, ``EndUserBlank``, ``CredentialNotSupported``, or what ``open_session``
    does.
    """
    if not app_settings.ISSUE_IF(request, user):
        raise NotAllowed
    named_end_user(user)
    if credential.stack == SESSION_STACK:
        remember(request.session, credential)
    session = open_session(credential, user)
    if session.user_id != user.pk:
        # Promise 3: not to be reached by the app's own ways, so it is refused, not mended.
        raise CredentialNotSupported
    return session
