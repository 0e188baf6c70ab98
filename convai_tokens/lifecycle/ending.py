"""End learner sessions, and mark their tokens for revocation. Calls nobody."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Case, FilteredRelation, Q, Value, When

from ..conf import app_settings
from ..models import (
    LIVE,
    REVOCABLE,
    ConvaiToken,
    ConvaiTokenQuerySet,
    EventKind,
    LearnerSession,
    LearnerSessionQuerySet,
    MomentField,
    TokenStatus,
    database,
)
from .audit import after_commit, event, record_all
from .patience import lock_now, within_budget

BATCH = 500  # tokens of one statement


def revocable(path: str = "") -> Q:
    """Return the condition for tokens to revoke; ``path`` leads to them, as in ``"tokens__"``.

    Of the expired ones those whose value isn't wiped yet: Convai may know an extension of theirs.
    """
    unwiped = {f"{path}status": TokenStatus.EXPIRED, f"{path}sealed__gt": ""}
    return Q(**{f"{path}status__in": LIVE}) | Q(**unwiped)


def end_session(
    session_id: uuid.UUID, reason: str, *, actor: AbstractBaseUser | None = None
) -> bool:
    """End one learner session; return False if it had ended, or never was opened."""
    return end_sessions(LearnerSession.primary.filter(pk=session_id), reason, actor=actor) == 1


def end_sessions(
    sessions: LearnerSessionQuerySet,
    reason: str,
    *,
    actor: AbstractBaseUser | None = None,
    dispatch: bool = True,
    patient: bool = False,
) -> int:
    """End those of the ``sessions`` that are open; return how many.

    ``sessions`` is a queryset that is neither sliced nor filtered by the end. One that wasn't seen
    for a day counts: it can't go on any more.

    Their tokens become owed revocations in the same transaction, which may be the caller's own;
    the dispatcher gets them when it commits, unless ``dispatch`` is false. Calls nobody.

    Raises ``OperationalError`` where somebody holds their rows for longer than ``LOGIN_BUDGET``;
    if ``patient``, it waits as long as the database lets it.
    """
    end = partial(_end_open, sessions.using(database()), reason, actor, dispatch)
    return end(wait=True) if patient else within_budget(partial(end, wait=False))


def _end_open(
    sessions: LearnerSessionQuerySet,
    reason: str,
    actor: AbstractBaseUser | None,
    dispatch: bool,
    *,
    wait: bool,
) -> int:
    now = datetime.now(UTC)
    with transaction.atomic(using=database()):
        if not (wait or lock_now(sessions.endable())):
            return 0
        # The UPDATE comes first and decides who ended a session: as in lock_open().
        count = sessions.endable().update(ended_at=now, end_reason=reason)
        if not count:
            return 0
        # Sessions and tokens in one query, and all events in one: a learner waits for this.
        to_revoke = FilteredRelation("tokens", condition=revocable("tokens__"))
        found = sessions.filter(ended_at=now, end_reason=reason).alias(to_revoke=to_revoke)
        rows = list(found.order_by("to_revoke__pk").values_list("pk", "to_revoke__pk"))
        ended = dict.fromkeys(session_id for session_id, _ in rows)
        if len(ended) < count:
            raise ValueError("The sessions to end must not be filtered by how they ended.")
        marked = _mark([row for row in rows if row[1]])
        detail = f"Session ended: {reason}"
        record_all(
            [
                *(event(EventKind.SESSION_ENDED, pk, detail=reason, actor=actor) for pk in ended),
                *(event(EventKind.OWED, *ids, detail, actor) for ids in marked),
            ]
        )
        if dispatch:
            dispatch_on_commit(token_id for _, token_id in marked)
    return count


def revoke_tokens(
    tokens: ConvaiTokenQuerySet,
    *,
    detail: str,
    actor: AbstractBaseUser | None = None,
    dispatch: bool = True,
) -> int:
    """Turn those of the ``tokens`` that may be alive into owed revocations; return how many.

    Their learner sessions stay open. The dispatcher gets them on commit, unless ``dispatch`` is
    false. Calls nobody.
    """
    with transaction.atomic(using=database()):
        return mark_for_revocation(tokens, detail=detail, actor=actor, dispatch=dispatch)


def mark_for_revocation(
    tokens: ConvaiTokenQuerySet,
    *,
    detail: str,
    actor: AbstractBaseUser | None = None,
    dispatch: bool = True,
) -> int:
    """Do what ``revoke_tokens`` does, in the caller's transaction."""
    found = tokens.using(database()).filter(revocable()).order_by("pk")
    marked = _mark(list(found.values_list("session_id", "pk")))
    record_all([event(EventKind.OWED, *ids, detail, actor) for ids in marked])
    if dispatch:
        dispatch_on_commit(token_id for _, token_id in marked)
    return len(marked)


def _mark(tokens: Sequence[tuple[uuid.UUID, int]]) -> list[tuple[uuid.UUID, int]]:
    """Turn tokens, known by their sessions' ids and their own, into owed revocations.

    Returns those that still were to revoke. A statement for each ``BATCH`` of them, however many.
    """
    now = datetime.now(UTC)
    # While Convai is still generating there is no value to revoke, and so no attempt to make.
    moment = MomentField()
    due = Case(When(sealed="", then=None), default=Value(now, moment), output_field=moment)
    marked: list[tuple[uuid.UUID, int]] = []
    for start in range(0, len(tokens), BATCH):
        batch = {token_id: session_id for session_id, token_id in tokens[start : start + BATCH]}
        rows = ConvaiToken.primary.standing(batch, *REVOCABLE)
        if len(batch) > 1:
            # Locked in the order of their ids, as everybody does: so no two wait for each other.
            locked = rows.order_by("pk").select_for_update().values_list("pk", flat=True)
            batch = {token_id: batch[token_id] for token_id in locked}
            rows = ConvaiToken.primary.filter(pk__in=batch)
        if rows.update(status=TokenStatus.REVOKING, owed_since=now, next_attempt_at=due):
            marked += [(session_id, token_id) for token_id, session_id in batch.items()]
    return marked


def dispatch_on_commit(token_ids: Iterable[int]) -> None:
    """Give owed revocations to the dispatcher, on commit. To be quick: the sweep sees them too."""
    ids = list(token_ids)
    if ids:
        after_commit(database(), _dispatch, ids)


def _dispatch(token_ids: list[int]) -> None:
    app_settings.DISPATCHER(token_ids)
