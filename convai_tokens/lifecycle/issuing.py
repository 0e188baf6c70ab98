"""Open a learner session, generate its tokens, extend them.

A status moves by a conditional UPDATE alone, and no transaction is open while Convai is being
called.
"""

from __future__ import annotations

import logging
import time
import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DataError, IntegrityError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from .. import signals
from ..conf import app_settings
from ..convai.answers import GeneratedToken
from ..convai.client import ConvaiClient, get_client
from ..exceptions import (
    ConvaiTokensError,
    ConvaiUnavailable,
    ErrorCode,
    NoLiveToken,
    SessionEnded,
    TokenGone,
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
from . import storing
from .audit import record, send_on_commit
from .credential import Credential
from .ending import end_session, mark_for_revocation
from .rate import give_back_to_rate, take_from_rate
from .same_value import record_dead_with
from .sealing import key_ids, unseal
from .storing import Issued

logger = logging.getLogger("convai_tokens")


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

    Raises ``SessionEnded``, ``TokenSuperseded``, ``LearnerLimited``, ``ConvaiUnavailable`` or
    ``ConvaiRefused``; and ``RuntimeError`` when a transaction is open.
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
        take_from_rate(session.user_id)
        try:
            token = _write_intent(session)
            generated = _call(client, token, left, again=again)
        except ConvaiTokensError as error:
            if not error.maybe_done:
                give_back_to_rate(session.user_id)
            raise
    return storing.store(token, generated)


def _call(client: ConvaiClient, token: ConvaiToken, left: float, *, again: bool) -> GeneratedToken:
    try:
        return client.generate(left, again=again)
    except ConvaiTokensError as error:
        _record_failure(token, error)
        raise


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
        record_dead_with(token.pk, token.fingerprint, TokenStatus.GONE)
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
