"""What ends when a Django session ends, at once and when one looks again.

A login in parallel may open a learner session after a receiver has looked, and before the Django
session is gone. So whoever deletes a session looks once more afterwards.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..exceptions import SessionEnded
from ..lifecycle.audit import after_commit
from ..lifecycle.credential import Credential
from ..lifecycle.ending import end_session, end_sessions
from ..lifecycle.opening import Opener, follow_credential, open_session
from ..lifecycle.retrying import try_until_taken
from ..models import EndReason, LearnerSession, LearnerSessionQuerySet, database
from ..secret import Secret
from .bearer_stacks import SESSION_STACK
from .credentials import (
    is_stored,
    presented_key,
    session_key,
    session_key_digest,
    session_key_digests,
)
from .datum import (
    SESSION_DATA_KEY,
    learner_session_id,
    learner_session_id_of,
)
from .notes import LoginNote, changed_password, deleted_sessions, noted_login
from .safety import never_raises, retry_after_commit


def end_django_session(key: Secret, reason: str) -> None:
    """End the learner sessions of the Django session ``key``."""
    sessions = LearnerSession.primary.filter(stack=SESSION_STACK)
    end_sessions(sessions.by_digest(session_key_digests(key)), reason)


def reason_by(request: HttpRequest | None, owner: Any) -> EndReason:
    """Tell a logout, which may be anonymous, from what others do to a credential of ``owner``'s."""
    if request is None:
        return EndReason.CREDENTIAL_DELETED
    user = getattr(request, "user", None)
    by_another = user is not None and user.is_authenticated and user.pk != owner
    return EndReason.CREDENTIAL_DELETED if by_another else EndReason.LOGOUT


def end_of_bearer(using: str, sessions: LearnerSessionQuerySet, reason: EndReason) -> None:
    """End the sessions of a bearer that ends in the transaction of ``using``, now and once more.

    A request in parallel may open one between this look and the commit.
    """
    try:
        end_sessions(sessions, reason)
    finally:
        after_commit(using, try_until_taken, end_sessions, sessions, reason)


def end_unless_stored(store: SessionBase, key: Secret, reason: str) -> None:
    """End the learner session of the Django session ``key``, unless that is (again) stored."""
    if not is_stored(store, key):
        end_django_session(key, reason)


def end_although_unopened(credential: Credential, user: AbstractBaseUser) -> None:
    """End a learner session that may not have started yet, so that it can't any more.

    A request that is under way presents the same cookie, and no store will tell that it is dead.
    Not in the LMS's transaction: the user may be gone from there, or a query fail.
    """
    with suppress(SessionEnded):
        open_session(Opener(credential, user))
    end_session(credential.session_ids[0], EndReason.LOGOUT)


@never_raises
def follow_session(request: HttpRequest, response: HttpResponseBase) -> None:
    """End what this request's login or password change has ended; follow a key that changed."""
    note = noted_login(request)
    if note is not None:
        end_replaced_cookie(note, response)
        return
    session: SessionBase | None = getattr(request, "session", None)
    user = changed_password(request)
    if session is None or not (session.modified or user):
        return
    session_id = learner_session_id(session)
    if session_id is None:
        return
    if user is not None and session.get(HASH_SESSION_KEY) != user.get_session_auth_hash():
        # Nobody called update_session_auth_hash(): this session dies on its next request.
        retry_after_commit(database(), end_session, session_id, EndReason.PASSWORD_CHANGED)
        return
    digest = session_key_digest(session)
    if digest and session_key(session) != presented_key(request):
        follow_credential(session_id, digest)


@never_raises
def look_again(request: HttpRequest, response: HttpResponseBase) -> None:
    """End the learner sessions of Django sessions that this request deleted, once more.

    One that goes on under another key has that key's digest by now.
    """
    session: SessionBase | None = getattr(request, "session", None)
    if session is None:
        return
    for key, reason in deleted_sessions(request).items():
        if not isinstance(session, SignedCookieStore):
            try_until_taken(end_unless_stored, session, key, reason)
        elif response.status_code != 500:  # Django sends no new cookie with that
            try_until_taken(end_cookie, key, reason, but=learner_session_id(session))


def end_cookie(key: Secret, reason: str, but: uuid.UUID | None = None) -> None:
    """End the learner session of a signed cookie that was flushed, ``but`` for one that goes on."""
    data = SignedCookieStore(key.reveal())
    old = learner_session_id_of(data.get(SESSION_DATA_KEY), data.get(SESSION_KEY))
    if old is not None and old != but:
        end_sessions(LearnerSession.primary.filter(stack=SESSION_STACK, pk=old), reason)


def end_replaced_cookie(note: LoginNote, response: HttpResponseBase) -> None:
    """End the learner session of the signed cookie over which this login was made.

    Before the login gets its block, for it may have been the same learner's.
    """
    if not note.replaced_key or not isinstance(note.session, SignedCookieStore):
        return
    # The cookie is the session; on a 500 Django doesn't send the new one.
    if response.status_code != 500:
        retry_after_commit(database(), end_cookie, note.replaced_key, EndReason.REPLACED)
        note.replaced_key = Secret()  # only now: what failed is for the next step to try again
