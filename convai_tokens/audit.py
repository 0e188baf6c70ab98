"""What each step leaves: an audit event, and on commit a signal to the LMS, a hint to dispatch."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from .conf import app_settings
from .models import ConvaiToken, TokenEvent, database

logger = logging.getLogger("convai_tokens")


def record(
    kind: TokenEvent.Kind,
    session_id: uuid.UUID,
    token_id: int | None = None,
    detail: str = "",
    actor: AbstractBaseUser | None = None,
) -> None:
    """Add one audit event, in the transaction of the step that it records."""
    TokenEvent.objects.using(database()).create(
        kind=kind,
        session_id=session_id,
        token_id=token_id,
        detail=detail,
        actor_id=actor.pk if actor is not None else None,
    )
    logger.info("%s session=%s token=%s %s", kind.value, session_id, token_id or "-", detail)


def record_all(kind: TokenEvent.Kind, tokens: Sequence[ConvaiToken], detail: str = "") -> None:
    """Add the same event for each of the tokens, in the transaction of their step."""
    events = [
        TokenEvent(kind=kind, session_id=token.session_id, token_id=token.pk, detail=detail)
        for token in tokens
    ]
    TokenEvent.objects.using(database()).bulk_create(events)
    for token in tokens:
        logger.info("%s session=%s token=%s %s", kind.value, token.session_id, token.pk, detail)


def hand_over(token_ids: Iterable[int]) -> None:
    """Give owed revocations to the dispatcher, on commit. Only a hint: the sweep sees them too."""
    ids = list(token_ids)
    if ids:
        transaction.on_commit(partial(_dispatch, ids), using=database(), robust=True)


def _dispatch(token_ids: list[int]) -> None:
    app_settings.imported("DISPATCHER")(token_ids)


def announce(signal: Any, token_id: int, **extra: Any) -> None:
    """Send one of this app's signals, on commit, with the rows as they are then."""
    if signal.has_listeners(ConvaiToken):
        send = partial(_send, signal, token_id, extra)
        transaction.on_commit(send, using=database(), robust=True)


def _send(signal: Any, token_id: int, extra: dict[str, Any]) -> None:
    token = ConvaiToken.objects.using(database()).select_related("session").get(pk=token_id)
    signal.send_robust(sender=ConvaiToken, token=token, session=token.session, **extra)
