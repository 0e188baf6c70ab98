"""Where Convai answers two generate calls with the same token: one revocation ends both rows.

Its pages say that each call gives another one, so that this is a fault of Convai's, or of a cache
on the way to it. Rows are matched by their fingerprints.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from django.db import transaction

from .. import signals
from ..exceptions import ConvaiUnavailable
from ..models import REVOCABLE, ConvaiToken, EventKind, TokenStatus, database
from .audit import record, send_on_commit

logger = logging.getLogger("convai_tokens")


def check_is_new(token_id: int, fingerprint: str) -> None:
    """Log at ERROR if another row has the value of this token, which was stored a moment ago.

    To be called after the commit, so that whoever revokes the other one from now on sees this row.
    Raises ``ConvaiUnavailable`` if that has begun already: what was stored is dead, or will be.
    """
    rows = ConvaiToken.primary.filter(fingerprint=fingerprint)
    others = dict(rows.values_list("pk", "status"))
    del others[token_id]
    if not others:
        return
    logger.error("Convai gave token %s the value of %s again.", token_id, [*others])
    if not set(others.values()) <= set(REVOCABLE):
        raise ConvaiUnavailable("Convai gave the value of a token that had ended.")


def record_dead_with(token_id: int, fingerprint: str, status: str) -> None:
    """Record that what has the value of this token, which is dead, is dead as well.

    Each in a transaction of its own: whoever revokes another one at the same moment has locked it.
    """
    alive = (*REVOCABLE, TokenStatus.REVOKING)
    detail = f"Convai gave it the value of token {token_id}, which is {status}"
    if not fingerprint:  # it never was stored
        return
    others = ConvaiToken.primary.filter(fingerprint=fingerprint, status__in=alive)
    for other in others.exclude(pk=token_id):
        dead = {"sealed": "", "revoked_at": datetime.now(UTC)}
        unclaimed = {"claimed_until": None, "next_attempt_at": None}
        to = TokenStatus.GONE
        with transaction.atomic(using=database()):
            if ConvaiToken.primary.move(other.pk, *alive, to=to, **dead, **unclaimed):
                record(EventKind.GONE, other.session_id, other.pk, detail)
                send_on_commit(signals.token_revoked, other.pk)
