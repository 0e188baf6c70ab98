"""Which credential a request carries, and so which learner session it belongs to.

A Django session carries its learner session's id in its data, because its key changes
(``cycle_key``); a bearer's is derived from the credential itself.
"""

from __future__ import annotations

import logging
import uuid
from functools import lru_cache, partial
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.cache import InvalidCacheKey
from django.core.exceptions import FieldDoesNotExist, SuspiciousOperation
from django.db import router
from django.http import HttpRequest
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.settings import api_settings

from ..exceptions import CredentialNotSupported
from ..lifecycle.credential import Credential, derived_id
from ..lifecycle.sealing import credential_digests
from ..secret import Secret
from .bearer_stacks import SESSION_STACK, bearer_credential, bearer_stacks
from .datum import SESSION_DATA_KEY, learner_session_id
from .handed_out import LoginResponse
from .session_bearers import borne_session, session_bearers

logger = logging.getLogger("convai_tokens")

SESSION_CLASS = "rest_framework.authentication.SessionAuthentication"


def session_credential(session: SessionBase) -> Credential:
    """Return the credential of a logged-in Django session. Writes nothing."""
    session_id = learner_session_id(session)
    digest = session_key_digest(session)
    if session_id is None:
        # Derived from the key for a session's first, so that two requests in parallel meet.
        derived = digest and SESSION_DATA_KEY not in session
        session_id = derived_id(digest) if derived else uuid.uuid4()
    return _of_session(session, session_id, digest)


def renewed_credential(session: SessionBase) -> Credential:
    """Return one for a new login in a Django session whose learner session has ended."""
    return _of_session(session, uuid.uuid4(), session_key_digest(session))


def _of_session(session: SessionBase, session_id: uuid.UUID, digest: str) -> Credential:
    is_alive = partial(_is_alive, session)
    return Credential(SESSION_STACK, (session_id,), digest, is_alive, password_has_changed)


def session_key(session: SessionBase | AbstractBaseSession) -> Secret:
    """Return the key of a Django session, or of its row; blank where it has none."""
    return Secret(session.session_key or "")


def presented_key(request: HttpRequest) -> Secret:
    """Return the key of the Django session that the request presents; blank where it doesn't."""
    return Secret(request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""))


def session_key_digests(key: Secret) -> list[str]:
    """Return the digests under which a Django session's key may be stored, newest key first."""
    return credential_digests(Secret(f"{SESSION_STACK}:{key.reveal()}"))


def session_key_digest(session: SessionBase) -> str:
    """Return the digest of the session's key; empty where the key is new on every write."""
    if not session.session_key or isinstance(session, SignedCookieStore):
        return ""
    return session_key_digests(session_key(session))[0]


def belongs_to(session: SessionBase | None, user: AbstractBaseUser) -> bool:
    """Tell whether this Django session is a login of this user."""
    # An empty one isn't read: that would count as access, and add "Vary: Cookie" to the response.
    if session is None or session.is_empty():
        return False
    # As login() writes it.
    return bool(session.get(SESSION_KEY) == str(user._meta.pk.value_to_string(user)))


def _is_alive(session: SessionBase, _: AbstractBaseUser) -> bool:
    """Tell whether a session is still where it is kept; a signed cookie is kept by the client."""
    return isinstance(session, SignedCookieStore) or is_stored(session, session_key(session))


def is_stored(session: SessionBase, key: Secret) -> bool:
    """Tell whether the store of ``session`` has one of this key."""
    model = getattr(session, "model", None)
    if model is None:
        try:
            return session.exists(key.reveal())
        except (SuspiciousOperation, InvalidCacheKey):
            return False  # a stranger's cookie: this store gives no such keys
    # Where it was just written: a replica may be late.
    rows = model._default_manager.using(router.db_for_write(model))
    found: bool = rows.filter(pk=key.reveal()).exists()
    return found


def password_has_changed(user: AbstractBaseUser) -> bool:
    """Tell whether ``user`` was loaded before the password was changed, or the user deleted.

    The stores know nothing of that: Django finds out at the session's next request.
    """
    model = user._meta.model
    try:
        model._meta.get_field("password")
    except FieldDoesNotExist:  # the site's learners log in elsewhere
        return False
    users = model._base_manager.using(router.db_for_write(model))
    password = users.filter(pk=user.pk).values_list("password", flat=True).first()
    return bool(password != user.password)


def credential_of_login(user: AbstractBaseUser, login: LoginResponse) -> Credential | None:
    """Return the bearer credential that a login response hands out, if a known stack made it."""
    for stack in bearer_stacks():
        for user_id, identity in stack.handed_out(login):
            if user_id == user.pk:
                return bearer_credential(stack.name, identity)
    return None


def credential_of_request(request: HttpRequest | Request) -> Credential:
    """Return the credential that authenticated a request of DRF's or Django's.

    Raises ``CredentialNotSupported`` when it is of no known stack, ``SessionEnded`` when it names a
    Django session that is gone.
    """
    if isinstance(request, Request):
        for stack in bearer_stacks():
            identity = stack.from_request(request)
            if identity:
                return bearer_credential(stack.name, identity)
        borne = borne_session(request)
        if borne is not None:
            return session_credential(borne)
        if not isinstance(request.successful_authenticator, SessionAuthentication):
            authenticator = type(request.successful_authenticator)
            _warn_of(authenticator.__module__, authenticator.__qualname__)
            raise CredentialNotSupported
    session: SessionBase | None = getattr(request, "session", None)
    if session is None or SESSION_KEY not in session:
        raise CredentialNotSupported
    return session_credential(session)


@lru_cache  # so that each class is told of once
def _warn_of(module: str, name: str) -> None:
    logger.warning(
        "%s.%s authenticates requests at the token endpoint, and no login stack that is registered "
        "serves it: they get credential_not_supported, and no token (docs/logins.md).",
        module,
        name,
    )


@lru_cache  # so that it is told once
def warn_if_the_endpoint_knows_no_sessions() -> None:
    """Log that a login by Django session got a token, and the token endpoint will answer it 401."""
    accepted: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    borne = {path for bearer in session_bearers() for path in bearer.authentication_classes}
    lineage = [base for known in accepted for base in known.__mro__]
    if not {f"{base.__module__}.{base.__qualname__}" for base in lineage} & {SESSION_CLASS, *borne}:
        logger.warning(
            "A login by Django session gets a token, and the token endpoint will not know it: add "
            "rest_framework.authentication.SessionAuthentication to DRF's "
            "DEFAULT_AUTHENTICATION_CLASSES (docs/logins.md)."
        )


def http_request(request: HttpRequest | Request) -> HttpRequest:
    """Return the HttpRequest below: what is set on a DRF request is lost with it."""
    underlying: HttpRequest = getattr(request, "_request", request)
    return underlying
