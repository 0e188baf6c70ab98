"""What each step leaves: an audit event, and on commit a signal to the LMS."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.dispatch import Signal

from ..models import ConvaiToken, EventKind, TokenEvent, database, username_of
from .macs import sign

P = ParamSpec("P")

logger = logging.getLogger("convai_tokens")


def record(
    kind: EventKind,
    session_id: uuid.UUID | None = None,
    token_id: int | None = None,
    detail: str = "",
    actor: AbstractBaseUser | None = None,
) -> None:
    """Add one audit event, in the transaction of the step that it records."""
    record_all([event(kind, session_id, token_id, detail, actor)])


def event(
    kind: EventKind,
    session_id: uuid.UUID | None,
    token_id: int | None = None,
    detail: str = "",
    actor: AbstractBaseUser | None = None,
) -> TokenEvent:
    """Return an audit event that is to be added with others."""
    by = {} if actor is None else {"actor_id": actor.pk, "actor_name": username_of(actor)}
    return TokenEvent(kind=kind, session_id=session_id, token_id=token_id, detail=detail, **by)


def record_all(events: Sequence[TokenEvent]) -> None:
    """Add the events, in the transaction of the step that they record."""
    for added in events:
        sign(added)
    TokenEvent.primary.bulk_create(events)
    for added in events:
        logger.info(
            "%s session=%s token=%s %s",
            EventKind(added.kind).value,
            added.session_id or "-",
            added.token_id or "-",
            added.detail,
        )


def send_on_commit(signal: Signal, token_id: int, **extra: object) -> None:
    """Send one of this app's signals, on commit, with the rows as they are then."""
    if signal.has_listeners(ConvaiToken):
        after_commit(database(), _send, signal, token_id, extra)


def _send(signal: Signal, token_id: int, extra: dict[str, object]) -> None:
    token = ConvaiToken.primary.select_related("session").get(pk=token_id)
    signal.send_robust(sender=ConvaiToken, token=token, session=token.session, **extra)


def after_commit(
    using: str, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Call the function once ``using`` has committed; what it raises is logged, and nobody's.

    No ``functools.partial``: Django 5.2 logs a failure by its ``__qualname__``, which it lacks,
    and so the LMS's request would fail after all, and later hooks be lost (ticket 36487).
    """

    @wraps(function)
    def call() -> None:
        function(*args, **kwargs)

    transaction.on_commit(call, using=using, robust=True)
