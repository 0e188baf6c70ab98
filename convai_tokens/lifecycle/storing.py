"""Store what Convai generated, so that nothing lives on in nobody's hands."""

from __future__ import annotations

import logging
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import OperationalError, connections, transaction

from .. import signals
from ..convai.answers import GeneratedToken
from ..convai.client import get_client
from ..exceptions import ConvaiTokensError, ConvaiUnavailable, SessionEnded, TokenSuperseded
from ..models import ConvaiToken, EventKind, LearnerSession, TokenStatus, database
from ..secret import Secret
from .audit import record, send_on_commit
from .ending import dispatch_on_commit, revoke_tokens
from .processes import note_breakers
from .same_value import check_is_new
from .sealing import fingerprint, seal

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


def store(token: ConvaiToken, generated: GeneratedToken) -> Issued:
    """Store the value sealed; if the session ended meanwhile, for revocation only.

    Raises ``SessionEnded`` or ``TokenSuperseded`` then; ``ConvaiUnavailable`` where the value is
    that of another token whose revocation has begun.
    """
    issued = _store_surely(token, generated)
    note_breakers()
    try:
        check_is_new(token.pk, fingerprint(generated.value))
    except ConvaiUnavailable as error:
        revoke_tokens(ConvaiToken.primary.filter(pk=token.pk), detail=error.describe())
        raise
    return issued


def _store_surely(token: ConvaiToken, generated: GeneratedToken) -> Issued:
    """Store it; what can't be stored is revoked at once."""
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
            now = datetime.now(UTC)
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
