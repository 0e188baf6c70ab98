"""Open a learner session: there is one for each credential, started by the first who needs it."""

from __future__ import annotations

import uuid
from functools import partial
from typing import NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DataError, IntegrityError, OperationalError, transaction

from ..exceptions import SessionEnded
from ..models import (
    DEVICE_LENGTH,
    EndReason,
    EventKind,
    LearnerSession,
    LearnerSessionQuerySet,
    database,
    username_of,
)
from .audit import record
from .credential import Credential, bearer_digests
from .ending import end_session
from .patience import lock_now, within_budget_or_busy
from .sealing import key_ids


class Opener(NamedTuple):
    """Whom a learner session is opened for, and by which credential.

    ``impersonator`` is who acts as the user, None where that is the user.
    """

    credential: Credential
    user: AbstractBaseUser
    impersonator: AbstractBaseUser | None = None


def session_of(opener: Opener, device: str = "") -> LearnerSession:
    """Return the learner session of the credential; a new one, not stored yet, if there is none."""
    credential, user = opener.credential, opener.user
    return LearnerSession.primary.filter(pk__in=credential.session_ids).first() or LearnerSession(
        id=credential.session_ids[0],
        user_id=user.pk,
        username=username_of(user),
        stack=credential.stack,
        credential_digest=credential.digest,
        key_id=key_ids()[0],
        device=device,
    )


def escaped_device(device: str) -> str:
    """Return a device's name as it is stored where the character set can't hold it."""
    return device.encode("ascii", "backslashreplace").decode()[:DEVICE_LENGTH]


def latest_session_id(stack: str, identity: str) -> uuid.UUID | None:
    """Return the id of the latest learner session of a bearer; None if it had none yet."""
    sessions = sessions_of_bearer(stack, identity).order_by("-started_at")
    return sessions.values_list("pk", flat=True).first()


def sessions_of_bearer(stack: str, identity: str) -> LearnerSessionQuerySet:
    """Return all learner sessions that a bearer had."""
    digests = bearer_digests(stack, identity)
    return LearnerSession.primary.filter(stack=stack, credential_digest__in=digests)


def open_session(opener: Opener, device: str = "") -> LearnerSession:
    """Return the learner session of the credential, started now if there is none.

    It may have ended; ``generate`` refuses it then. One that goes on is by now on the ``device``.
    Raises what ``check_opener`` does.
    """
    session = session_of(opener, device)
    is_new = session._state.adding
    if is_new:
        session = _start(session, opener)
    elif device and not session.has_ended:
        _move_to(session, device)
    check_opener(session, opener, is_new=is_new)
    return session


def _move_to(session: LearnerSession, device: str) -> None:
    """Note where the learner logged in last: there the next one ends what goes on."""
    if session.device in (device, escaped_device(device)):
        return
    try:
        within_budget_or_busy(partial(_write_device, session, device))
    except (DataError, OperationalError):
        if device.isascii():
            raise
        within_budget_or_busy(partial(_write_device, session, escaped_device(device)))


def _write_device(session: LearnerSession, device: str) -> None:
    rows = LearnerSession.primary.filter(pk=session.pk)
    with transaction.atomic(using=database()):
        lock_now(rows)
        rows.update(device=device)
    session.device = device


def check_opener(session: LearnerSession, opener: Opener, *, is_new: bool) -> None:
    """Raise ``SessionEnded`` if the credential, or its password, ended just before this moment.

    A new session ends at once if a logout came in between: that found no row to end. And nobody
    opens one by a password that was changed since the user was loaded.
    """
    credential, user = opener.credential, opener.user
    if is_new and not credential.is_alive(user):
        end_session(session.pk, EndReason.LOGOUT)
        raise SessionEnded("The learner logged out while the learner session was being opened.")
    if credential.password_changed(user):
        # No reason to end it: it may be the very one that the change of the password keeps.
        raise SessionEnded("The password was changed while the learner session was being opened.")


def insert(session: LearnerSession, opener: Opener) -> None:
    """Store a new learner session, within the caller's transaction; the audit names who acts."""
    session.save(force_insert=True, using=database())
    record(EventKind.SESSION_STARTED, session.pk, actor=opener.impersonator)


def follow_credential(session_id: uuid.UUID, digest: str) -> None:
    """Learn the digest of a credential that changed while its learner session went on."""
    with transaction.atomic(using=database()):
        session = LearnerSession.primary.filter(pk=session_id)
        session.update(credential_digest=digest, key_id=key_ids()[0])


def _start(session: LearnerSession, opener: Opener) -> LearnerSession:
    try:
        _insert(session, opener)
    except IntegrityError:  # a request in parallel was first
        return LearnerSession.primary.get(pk=session.pk)
    except (DataError, OperationalError):
        if session.device.isascii():
            raise
        # Text that this database's character set can't hold, such as an emoji in utf8mb3.
        session.device = escaped_device(session.device)
        _insert(session, opener)
    return session


def _insert(session: LearnerSession, opener: Opener) -> None:
    with transaction.atomic(using=database()):
        insert(session, opener)
