"""Open a learner session, generate its tokens, extend them.

A status moves by a conditional UPDATE alone, and no transaction is open while Convai is being
called.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DataError, IntegrityError, OperationalError, connections, transaction
from django.db.models import F
from django.utils import timezone

from .. import signals
from ..conf import app_settings
from ..convai.answers import GeneratedToken
from ..convai.client import get_client
from ..exceptions import (
    ConvaiTokensError,
    ConvaiUnavailable,
    ErrorCode,
    NoLiveToken,
    SessionEnded,
    TokenGone,
    TokenSuperseded,
)
from ..models import (
    DEVICE_LENGTH,
    LIVE,
    ConvaiToken,
    EndReason,
    EventKind,
    LearnerSession,
    TokenStatus,
    database,
)
from ..secret import Secret
from .audit import record, send_on_commit
from .credential import Credential
from .ending import dispatch_on_commit, end_session, mark_for_revocation
from .sealing import fingerprint, key_ids, seal, unseal

logger = logging.getLogger("convai_tokens")


@dataclass(frozen=True)
class Issued:
    """A token for its learner: the row, and the value, which is in no other place in clear.

    ``expires_at`` is by our clock; Convai's is ``clock_ahead`` of it. ``stand_in`` is what takes
    the value's place until the response is written: nobody can guess it.
    """

    token: ConvaiToken
    value: Secret
    expires_at: datetime
    clock_ahead: timedelta = timedelta()
    stand_in: str = field(default_factory=lambda: f"stand-in-{secrets.token_hex(16)}")


def open_session(
    credential: Credential, user: AbstractBaseUser, device: str = ""
) -> LearnerSession:
    """Return the learner session of the credential, started now if there is none.

    The session returned may have ended; ``generate`` refuses it then. One that is started by a
    request, and not by the login itself, ends at once if a logout came in between: that logout
    found no row to end. Raises ``SessionEnded`` if the password behind the credential was changed
    since the user was loaded.
    """
    session = LearnerSession.primary.filter(pk__in=credential.session_ids).first()
    if session is None:
        session = _start_session(credential, user, device)
    if credential.password_changed(user):
        # No reason to end it: it may be the very one that the change of the password keeps.
        raise SessionEnded("The password was changed while the learner session was being opened.")
    return session


def _start_session(credential: Credential, user: AbstractBaseUser, device: str) -> LearnerSession:
    session = LearnerSession(
        id=credential.session_ids[0],
        user_id=user.pk,
        username=user.get_username()[:254],
        stack=credential.stack,
        credential_digest=credential.digest,
        key_id=key_ids()[0],
        device=device,
    )
    try:
        _insert(session)
    except IntegrityError:  # a request in parallel was first
        return LearnerSession.primary.get(pk=session.pk)
    except (DataError, OperationalError):
        if device.isascii():
            raise
        # Text that this database's character set can't hold, such as an emoji in utf8mb3.
        session.device = device.encode("ascii", "backslashreplace").decode()[:DEVICE_LENGTH]
        _insert(session)
    if not credential.is_alive():
        end_session(session.pk, EndReason.LOGOUT)
    return session


def _insert(session: LearnerSession) -> None:
    with transaction.atomic(using=database()):
        session.save(force_insert=True)
        record(EventKind.SESSION_STARTED, session.pk)


def follow_credential(session_id: uuid.UUID, digest: str) -> None:
    """Learn the digest of a credential that changed while its learner session went on."""
    with transaction.atomic(using=database()):
        session = LearnerSession.primary.filter(pk=session_id)
        session.update(credential_digest=digest, key_id=key_ids()[0])


def generate(session: LearnerSession, *, budget: float | None = None) -> Issued:
    """Generate a token for an open learner session within ``budget`` seconds.

    Raises ``SessionEnded``, ``TokenSuperseded``, ``ConvaiUnavailable`` or ``ConvaiRefused``; and
    ``RuntimeError`` when a transaction is open.
    """
    deadline = None if budget is None else time.monotonic() + budget
    try:
        return _generate_once(session, budget, again=False)
    except ConvaiUnavailable as error:
        # A kept-alive connection that Convai had just closed. The next call is a new row, for the
        # dropped one may have left a token behind.
        if error.code != ErrorCode.CONVAI_DROPPED:
            raise
    left = None if deadline is None else deadline - time.monotonic()
    return _generate_once(session, left, again=True)


def _generate_once(session: LearnerSession, budget: float | None, *, again: bool) -> Issued:
    client = get_client()
    with client.reserve(budget) as left:
        token = _write_intent(session)
        try:
            generated = client.generate(left, again=again)
        except ConvaiTokensError as error:
            _record_failure(token, error)
            raise
    return _store(token, generated)


def _write_intent(session: LearnerSession) -> ConvaiToken:
    """Write the row that makes a crash visible, and revoke what goes beyond the cap."""
    # durable: raises when the caller has a transaction open, since it would be open at Convai.
    with transaction.atomic(using=database(), durable=True):
        if not LearnerSession.primary.lock_open(session.pk):
            raise SessionEnded
        tokens = ConvaiToken.primary
        token = tokens.create(session=session)
        live = tokens.filter(session=session, status__in=LIVE).order_by("-pk")
        surplus = live.values_list("pk", flat=True)[app_settings.MAX_LIVE_TOKENS :]
        beyond = tokens.filter(pk__in=list(surplus))
        mark_for_revocation(beyond, detail="Newer tokens reached the cap")
    return token


def _store(token: ConvaiToken, generated: GeneratedToken) -> Issued:
    """Store the value sealed; if the session ended meanwhile, for revocation only."""
    try:
        try:
            return _store_once(token, generated)
        except OperationalError as error:
            # A deadlock, or a connection that was dropped meanwhile. Once more, for what isn't
            # written down now is a token that lives on in nobody's hands.
            logger.warning("Token %s could not be stored at once: %s", token.pk, error)
            connections[database()].close_if_unusable_or_obsolete()
        return _store_once(token, generated)
    except ConvaiTokensError:
        raise  # it was stored, for revocation only
    except Exception:
        _revoke_unstored(token.pk, generated.value)
        raise


def _revoke_unstored(token_id: int, value: Secret) -> None:
    """Revoke, at once, a token whose value could not be stored: nobody else knows it."""

    def revoke() -> None:
        try:
            get_client().revoke(value)
        except ConvaiTokensError as error:
            lost = (
                "Token %s could be neither stored nor revoked, and lives on in nobody's hands: %s"
            )
            logger.error(lost, token_id, error)
        else:
            logger.error("Token %s could not be stored, and was revoked at once.", token_id)

    # In a thread, since the learner has waited for Convai already.
    threading.Thread(target=revoke, name="convai-revoke-unstored", daemon=True).start()


def _store_once(token: ConvaiToken, generated: GeneratedToken) -> Issued:
    known = {
        "sealed": seal(generated.value, token.pk, token.session_id),
        "fingerprint": fingerprint(generated.value),
        "expires_at": generated.expires_at,
    }
    tokens = ConvaiToken.primary
    with transaction.atomic(using=database(), durable=True):
        stored = tokens.move(token.pk, TokenStatus.GENERATING, to=TokenStatus.ACTIVE, **known)
        if stored:
            record(EventKind.GENERATED, token.session_id, token.pk)
            send_on_commit(signals.token_generated, token.pk)
        else:
            # From unknown too: the sweep had given this caller up for dead.
            froms = (TokenStatus.REVOKING, TokenStatus.UNKNOWN)
            now = timezone.now()
            due = {"owed_since": now, "next_attempt_at": now, **known}
            if tokens.move(token.pk, *froms, to=TokenStatus.REVOKING, **due):
                record(EventKind.OWED, token.session_id, token.pk, "Generated for nobody")
                dispatch_on_commit([token.pk])
    # An active row that wasn't stored now was stored by a first try whose commit nobody heard of.
    if stored or tokens.filter(pk=token.pk, status=TokenStatus.ACTIVE).exists():
        lifetime = generated.lifetime
        return Issued(token, generated.value, lifetime.expires_at, lifetime.clock_ahead)
    if LearnerSession.primary.open().filter(pk=token.session_id).exists():
        raise TokenSuperseded("Newer tokens of this learner session took this one's place.")
    raise SessionEnded("The learner session ended while its token was being generated.")


def _record_failure(token: ConvaiToken, error: ConvaiTokensError) -> None:
    """Note that Convai said no, or that nobody knows what it did."""
    status, kind = TokenStatus.FAILED, EventKind.FAILED
    if error.maybe_done:
        status, kind = TokenStatus.UNKNOWN, EventKind.UNKNOWN
    last_error = error.describe()
    logger.warning("No token for learner session %s: %s", token.session_id, last_error)
    froms = (TokenStatus.GENERATING, TokenStatus.REVOKING)
    with transaction.atomic(using=database()):
        if ConvaiToken.primary.move(token.pk, *froms, to=status, last_error=last_error):
            record(kind, token.session_id, token.pk, last_error)
            send_on_commit(signals.token_failed, token.pk, error=error)


def extend(session: LearnerSession, *, budget: float | None = None) -> Issued:
    """Extend the newest live token of the session.

    Raises ``SessionEnded``, ``NoLiveToken``, ``TokenGone``, ``TokenRejected``, ``SealBroken``,
    ``ConvaiUnavailable`` or ``ConvaiRefused``; and ``RuntimeError`` when a transaction is open.
    """
    token = _newest_live(session)
    value = unseal(token.sealed, token.pk, token.session_id)
    client = get_client()
    try:
        with client.reserve(budget) as left:
            lifetime = client.extend(value, left)
    except TokenGone as error:
        gone = {"sealed": "", "revoked_at": timezone.now()}
        with transaction.atomic(using=database()):
            if ConvaiToken.primary.move(token.pk, TokenStatus.ACTIVE, to=TokenStatus.GONE, **gone):
                record(EventKind.GONE, session.pk, token.pk, error.describe())
                send_on_commit(signals.token_revoked, token.pk)
        raise
    froms = (TokenStatus.ACTIVE, TokenStatus.EXPIRED)
    extended = {
        "expires_at": lifetime.expires_at,
        "extended_at": timezone.now(),
        "extend_count": F("extend_count") + 1,
    }
    with transaction.atomic(using=database()):
        if not ConvaiToken.primary.move(token.pk, *froms, to=TokenStatus.ACTIVE, **extended):
            raise SessionEnded("The token was revoked while it was being extended.")
        record(EventKind.EXTENDED, session.pk, token.pk)
        send_on_commit(signals.token_extended, token.pk)
    return Issued(token, value, lifetime.expires_at, lifetime.clock_ahead)


def _newest_live(session: LearnerSession) -> ConvaiToken:
    # durable: raises when the caller has a transaction open, since it would be open at Convai.
    with transaction.atomic(using=database(), durable=True):
        if not LearnerSession.primary.open().filter(pk=session.pk).exists():
            raise SessionEnded
        active = ConvaiToken.primary.filter(session=session, status=TokenStatus.ACTIVE)
        token = active.order_by("-pk").first()
    if token is None:
        raise NoLiveToken
    return token
