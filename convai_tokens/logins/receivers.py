"""Receivers of the signals that tell of a login, and of a session's end.

None of these raises, and each that writes does so in an ``atomic()`` of its own: a swallowed
database error would otherwise break the LMS's transaction. (A deadlock on InnoDB breaks it
nonetheless: hence the care for the order in which rows are locked.) What the database refused is
tried once more after the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module

from django.apps import apps
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_save, pre_delete
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from ..conf import AppSettings
from ..lifecycle.audit import after_commit
from ..lifecycle.ending import end_session
from ..lifecycle.ending_all import end_sessions_of_user
from ..lifecycle.opening import follow_credential
from ..models import EndReason, database
from ..secret import Secret
from .bearer_stacks import SESSION_STACK
from .credentials import (
    belongs_to,
    http_request,
    presented_key,
    session_credential,
    session_key,
    session_key_digests,
)
from .datum import (
    SESSION_DATA_KEY,
    learner_session_id,
    learner_session_id_of,
    remember,
)
from .ends import end_although_unopened, end_django_session, end_unless_stored
from .expired import end_when_committed
from .notes import (
    NO_KEY,
    LoginNote,
    current_request,
    deleted_sessions,
    device_of,
    forget_login,
    note_deleted_session,
    note_login,
    note_password_change,
)
from .safety import never_raises, never_shows, retry_after_commit, told
from .stores import watch


@never_raises
def on_login(
    *, request: HttpRequest | Request | None, user: AbstractBaseUser, **kwargs: object
) -> None:
    """Note the login, for the middleware; end the session that it has flushed without a signal."""
    if request is None:
        return
    http = http_request(request)
    note = LoginNote(user, device=device_of(request))
    note_login(http, note)  # first of all: whatever goes wrong from here on, the block will say so
    try:
        _read_session(http, note)
    except Exception as error:  # noqa: BLE001 - the LMS's session store, or a setting
        note.error = told(error).with_traceback(None)
    if note.replaced_key and note.session is not None:
        _end_replaced(http, note.replaced_key, note.session)


def _end_replaced(request: HttpRequest, key: Secret, session: SessionBase) -> None:
    """End the learner session of the Django session ``key``, over which this login came."""
    # A row's end was seen already; and a signed cookie goes on until the client has the new one.
    if isinstance(session, SignedCookieStore) or key in deleted_sessions(request):
        return
    if transaction.get_connection(database()).in_atomic_block:
        note_deleted_session(request, key, EndReason.REPLACED)  # a rollback may undo the end
    retry_after_commit(database(), end_unless_stored, session, key, EndReason.REPLACED)


def _read_session(request: HttpRequest, note: LoginNote) -> None:
    """Note what the login's Django session says, if it has one; the session learns the same."""
    session: SessionBase | None = getattr(request, "session", None)
    if session is not None and belongs_to(session, note.user):
        note.session = session
        note.replaced_key = _flushed_key(request, session)
        note.is_new = learner_session_id(session) is None
        note.credential = session_credential(session)
        remember(session, note.credential, note.device)


def _flushed_key(request: HttpRequest, session: SessionBase) -> Secret:
    """Return the key in the request's cookie if it isn't the session's any more, else a blank one.

    That is the kiosk's trap: ``login()`` over another learner's session flushes it without
    ``user_logged_out``, and the old key is nowhere but in the cookie.
    """
    if request.COOKIES.get(settings.SESSION_COOKIE_NAME, "") in ("", session.session_key):
        return NO_KEY
    return presented_key(request)


@never_raises
def on_logout(
    *, request: HttpRequest | Request | None, user: AbstractBaseUser | None, **kwargs: object
) -> None:
    """End the learner session of the Django session that is about to be flushed.

    A bearer credential's logout sends this too, while the Django session that the browser may have
    beside it lives on; its end is seen by the stack's own module.
    """
    if request is None:
        return
    http = http_request(request)
    forget_login(http)
    by_bearer = isinstance(request, Request) and not (
        request.successful_authenticator is None
        or isinstance(request.successful_authenticator, SessionAuthentication)
    )
    session: SessionBase | None = getattr(http, "session", None)
    if session is None:
        return
    key = session_key(session)
    note_deleted_session(http, key, EndReason.LOGOUT)
    if by_bearer:
        return  # if it is flushed after all, as logout() does, its store tells
    if learner_session_id(session) is None:
        # Lost to a save in parallel; or the login is older than the app.
        retry_after_commit(database(), end_django_session, key, EndReason.LOGOUT)
        return
    credential = session_credential(session)
    try:
        session_id = credential.session_ids[0]
        retry_after_commit(database(), end_session, session_id, EndReason.LOGOUT)
    finally:
        if user is not None and isinstance(session, SignedCookieStore):
            after_commit(database(), end_although_unopened, credential, user)


@never_shows
def on_session_deleted(*, instance: AbstractBaseSession, using: str, **kwargs: object) -> None:
    """End the learner session of a Django session whose row goes, if the key is still its own.

    ``cycle_key()`` deletes a row too, but only after the new one has told us its key.
    """
    key, expires = session_key(instance), instance.expire_date
    del instance, kwargs  # where a deletion began is among them
    if expires <= timezone.now():
        end_when_committed(using, key)
        return
    request = current_request.get()
    flushed = request is not None and presented_key(request) == key
    reason: str = EndReason.REPLACED if flushed else EndReason.SESSION_DELETED
    # A login in parallel may open one between this look and the row's end: so look once more.
    if request is not None:
        reason = note_deleted_session(request, key, reason)
    else:
        after_commit(using, end_django_session, key, reason)
    retry_after_commit(using, end_django_session, key, reason)


@never_shows
def on_session_created(*, instance: AbstractBaseSession, created: bool, **kwargs: object) -> None:
    """Learn the new key of a session that goes on under it (``cycle_key()``)."""
    if not created:
        return
    session_id, key = _session_id_of(instance), session_key(instance)
    del instance, kwargs
    if session_id is not None:
        follow_credential(session_id, session_key_digests(key)[0])


def _session_id_of(row: AbstractBaseSession) -> uuid.UUID | None:
    """Return the learner session's id that the row of a Django session carries."""
    session: SessionBase | None = getattr(current_request.get(), "session", None)
    if session is not None and session.session_key == row.session_key:
        return learner_session_id(session)  # to decode the row would take far longer
    data = row.get_decoded()
    return learner_session_id_of(data.get(SESSION_DATA_KEY), data.get(SESSION_KEY))


@never_raises
def on_user_saved(
    *,
    instance: AbstractBaseUser,
    created: bool,
    update_fields: Iterable[str] | None,
    using: str,
    **kwargs: object,
) -> None:
    """End what a deactivation or a password change ends.

    A login saves the user too, with ``update_fields={"last_login"}``.
    """
    if created or (update_fields is not None and not {"is_active", "password"} & {*update_fields}):
        return
    if not instance.is_active:
        why = EndReason.USER_DEACTIVATED
        retry_after_commit(using, end_sessions_of_user, instance.pk, why)
    elif (
        getattr(instance, "_password", None) is not None
    ):  # set by set_password(), not by a hash upgrade
        # Django sessions die with the old password hash, save the one that changes it; bearer
        # credentials live on, and so do their learner sessions.
        note_password_change(instance)
        own = learner_session_id(getattr(current_request.get(), "session", None))
        end_others = partial(end_sessions_of_user, stack=SESSION_STACK, but=own)
        try:
            end_others(instance.pk, EndReason.PASSWORD_CHANGED)
        finally:
            # Until the commit, whoever was authenticated by the old password may open one.
            after_commit(using, end_others, instance.pk, EndReason.PASSWORD_CHANGED)


@never_raises
def on_user_deleted(*, instance: AbstractBaseUser, **kwargs: object) -> None:
    """End all learner sessions of a user who is about to be deleted."""
    end_sessions_of_user(instance.pk, EndReason.USER_DELETED)


def connect() -> None:
    """Connect all receivers; called once, in ``ready()``."""
    _connect(user_logged_in, on_login)
    _connect(user_logged_out, on_logout)
    user_model = get_user_model()
    for model in apps.get_models():
        # sender=User misses proxies and subclasses.
        if issubclass(model, user_model):
            _connect(post_save, on_user_saved, model)
            _connect(pre_delete, on_user_deleted, model)
    if not AppSettings.WATCH_SESSION_ROWS.given() or not _has_sessions():
        return
    session_model = _session_model()
    if session_model is None:
        watch(import_module(settings.SESSION_ENGINE).SessionStore)
    else:
        _connect(post_save, on_session_created, session_model)
        _connect(pre_delete, on_session_deleted, session_model)


def _connect(
    signal: Signal, receiver: Callable[..., None], sender: type[Model] | None = None
) -> None:
    label = sender._meta.label if sender is not None else ""
    uid = f"convai_tokens.{receiver.__name__}.{label}"
    signal.connect(receiver, sender=sender, dispatch_uid=uid, weak=False)


def _has_sessions() -> bool:
    """Tell whether the site has Django sessions, by whatever middleware."""
    return any("SessionMiddleware" in name for name in settings.MIDDLEWARE)


def _session_model() -> type[AbstractBaseSession] | None:
    """Return the model of the sessions' rows; None for engines without rows, or of their own."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    get_model_class = getattr(store, "get_model_class", None)
    try:
        model: type[AbstractBaseSession] | None = get_model_class() if get_model_class else None
    except RuntimeError:  # its app isn't installed
        return None
    return model
