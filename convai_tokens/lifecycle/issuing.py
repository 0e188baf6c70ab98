"""Generate the tokens of a learner session, extend them.

A status moves by a conditional UPDATE alone, and no transaction is open while Convai is being
called.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import F

from .. import signals
from ..conf import app_settings
from ..convai.answers import GeneratedToken
from ..convai.client import ConvaiClient, get_client
from ..exceptions import (
    ConvaiTokensError,
    ConvaiUnavailable,
    ErrorCode,
    NoLiveToken,
    SealBroken,
    SessionEnded,
    TokenGone,
)
from ..models import (
    LIVE,
    ConvaiToken,
    EventKind,
    LearnerSession,
    TokenStatus,
    database,
)
from ..secret import Secret
from . import storing
from .audit import record, send_on_commit
from .ending import mark_for_revocation
from .opening import Opener, check_opener, insert
from .outside import check_no_transaction, give_back_connections
from .patience import lock_now, within_budget_or_busy
from .processes import note_breakers
from .rate import give_back_to_rate, take_from_rate
from .same_value import record_dead_with
from .sealing import unseal
from .storing import Issued

logger = logging.getLogger("convai_tokens")


def generate(
    session: LearnerSession, *, opener: Opener | None = None, budget: float | None = None
) -> Issued:
    """Generate a token for an open learner session within ``budget`` seconds.

    One that isn't stored yet starts with it; the ``opener`` is who it is for, and by what.

    Raises ``SessionEnded``, ``TokenSuperseded``, ``LearnerLimited``, ``ConvaiUnavailable`` or
    ``ConvaiRefused``; and ``TransactionOpen``.
    """
    check_no_transaction()
    deadline = None if budget is None else time.monotonic() + budget
    try:
        return _generate_once(session, opener, budget, again=False)
    except ConvaiUnavailable as error:
        # A kept-alive connection that Convai had just closed. The next call is a new row, for the
        # dropped one may have left a token behind.
        if error.code != ErrorCode.CONVAI_DROPPED:
            raise
    left = None if deadline is None else deadline - time.monotonic()
    return _generate_once(session, opener, left, again=True)


def _generate_once(
    session: LearnerSession, opener: Opener | None, budget: float | None, *, again: bool
) -> Issued:
    client = get_client()
    with client.reserve(budget) as left:
        take_from_rate(session.user_id)
        try:
            token = _write_intent(session, opener)
            generated = _call(client, token, left, again=again)
        except ConvaiTokensError as error:
            if not error.maybe_done:
                give_back_to_rate(session.user_id)
            raise
    return storing.store(token, generated)


def _call(client: ConvaiClient, token: ConvaiToken, left: float, *, again: bool) -> GeneratedToken:
    give_back_connections()
    try:
        return client.generate(left, again=again)
    except ConvaiTokensError as error:
        _record_failure(token, error)
        raise


def _write_intent(session: LearnerSession, opener: Opener | None) -> ConvaiToken:
    """Write the row that makes a crash visible, and the learner session if it starts with it."""
    is_new = session._state.adding
    token = _first_intent(session, opener) if opener and is_new else None
    if token is None:
        token = within_budget_or_busy(partial(_next_intent, session))
    if opener:
        try:
            check_opener(session, opener, is_new=is_new)
        except Exception as error:
            outcome = error if isinstance(error, ConvaiTokensError) else ConvaiTokensError()
            _record_failure(token, outcome)
            raise
    return token


def _first_intent(session: LearnerSession, opener: Opener) -> ConvaiToken | None:
    """Store a new learner session with its first token; None if a request in parallel was first."""
    try:
        # durable: raises when the caller has a transaction open, since it would be open at Convai.
        with transaction.atomic(using=database(), durable=True):
            insert(session, opener)
            return ConvaiToken.primary.create(session=session)
    except IntegrityError:
        return None


def _next_intent(session: LearnerSession) -> ConvaiToken:
    """Write the row in an open session, and revoke what goes beyond the cap."""
    with transaction.atomic(using=database(), durable=True):
        lock_now(LearnerSession.primary.filter(pk=session.pk))
        if not LearnerSession.primary.lock_open(session.pk):
            raise SessionEnded
        if session.ended_at is not None:
            record(EventKind.SESSION_RESUMED, session.pk)
        tokens = ConvaiToken.primary
        token = tokens.create(session=session)
        live = tokens.filter(session=session, status__in=LIVE).order_by("-pk")
        surplus = list(live.values_list("pk", flat=True)[app_settings.MAX_LIVE_TOKENS :])
        if surplus:
            beyond = tokens.filter(pk__in=surplus)
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
    note_breakers()


def extend(
    session: LearnerSession,
    *,
    named: Secret | None = None,
    opener: Opener | None = None,
    budget: float | None = None,
) -> Issued:
    """Extend a live token of the session: the ``named`` one, or else the newest.

    The ``opener`` is who asks, and by what.

    Raises ``SessionEnded``, ``NoLiveToken``, ``TokenGone``, ``TokenRejected``, ``SealBroken``,
    ``ConvaiUnavailable`` or ``ConvaiRefused``; and ``TransactionOpen``.
    """
    check_no_transaction()
    tokens = _live(session)
    if opener:
        check_opener(session, opener, is_new=False)
    token, value = _chosen(tokens, named)
    client = get_client()
    try:
        with client.reserve(budget) as left:
            give_back_connections()
            lifetime = client.extend(value, left)
    except TokenGone as error:
        gone = {"sealed": "", "revoked_at": datetime.now(UTC)}
        with transaction.atomic(using=database()):
            if ConvaiToken.primary.move(token.pk, TokenStatus.ACTIVE, to=TokenStatus.GONE, **gone):
                record(EventKind.GONE, session.pk, token.pk, error.describe())
                send_on_commit(signals.token_revoked, token.pk)
        record_dead_with(token.pk, token.fingerprint, TokenStatus.GONE)
        raise
    froms = (TokenStatus.ACTIVE, TokenStatus.EXPIRED)
    extended = {
        "expires_at": lifetime.expires_at,
        "extended_at": datetime.now(UTC),
        "extend_count": F("extend_count") + 1,
    }
    with transaction.atomic(using=database()):
        if not ConvaiToken.primary.move(token.pk, *froms, to=TokenStatus.ACTIVE, **extended):
            raise SessionEnded("The token was revoked while it was being extended.")
        record(EventKind.EXTENDED, session.pk, token.pk)
        send_on_commit(signals.token_extended, token.pk)
    return Issued(token, value, lifetime.expires_at, lifetime.clock_ahead)


def _live(session: LearnerSession) -> list[ConvaiToken]:
    """Return the session's live tokens, newest first; there is one at least."""
    if session._state.adding:
        raise NoLiveToken
    # durable: raises when the caller has a transaction open, since it would be open at Convai.
    with transaction.atomic(using=database(), durable=True):
        if not LearnerSession.primary.open().filter(pk=session.pk).exists():
            raise SessionEnded
        active = ConvaiToken.primary.filter(session=session, status=TokenStatus.ACTIVE)
        tokens = list(active.order_by("-pk"))
    if not tokens:
        raise NoLiveToken
    return tokens


def _chosen(tokens: list[ConvaiToken], named: Secret | None) -> tuple[ConvaiToken, Secret]:
    """Return the token that has this value, or the newest if none is named, with its value."""
    if named is None:
        newest = tokens[0]
        return newest, unseal(newest.sealed, newest.pk, newest.session_id)
    for token in tokens:
        with suppress(SealBroken):  # of another one, perhaps: it hides none of the others
            value = unseal(token.sealed, token.pk, token.session_id)
            if value == named:
                return token, value
    raise NoLiveToken
