"""What staff order for more rows than a request may wait for: the sweep does it in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import F

from ..conf import app_settings
from ..models import (
    ConvaiToken,
    EndReason,
    EventKind,
    LearnerSession,
    OrderKind,
    StaffOrder,
    database,
    username_of,
)
from .audit import record
from .ending import end_sessions, revocable, revoke_tokens

CHUNK = 500
PERSONAL = (
    "user",
    "username",
    "device",
    "session",
    "pk",
    "q",
)  # what names a person, or one's rows

Stopped = Callable[[], bool]


def order(
    kind: OrderKind, conditions: dict[str, Any], found: int, actor: AbstractBaseUser
) -> StaffOrder:
    """Store an order for all rows that match ``conditions`` by now, with its audit event."""
    made = StaffOrder(
        kind=kind,
        conditions=conditions,
        found=found,
        actor_id=actor.pk,
        actor_name=username_of(actor),
    )
    with transaction.atomic(using=database()):
        made.save(using=database())
        detail = f"Order {made.pk} to {kind.value} {found}: {without_people(conditions)}"
        record(EventKind.ORDERED, detail=detail[:240], actor=actor)
    return made


def without_people(filters: Mapping[str, Any]) -> str:
    """Return filters as text for an event, which tells that a person was named and not whom."""
    told = {
        name: name if name.partition("__")[0] in PERSONAL else f"{name}={value}"
        for name, value in filters.items()
    }
    return ", ".join(told[name] for name in sorted(told)) or "all"


def carry_out_orders(stopped: Stopped) -> int:
    """Do what was ordered; return how many rows were changed."""
    orders = StaffOrder.primary.filter(finished_at=None).order_by("pk")
    return sum(_carry_out(it, stopped) for it in orders)


def _carry_out(ordered: StaffOrder, stopped: Stopped) -> int:
    actor = _actor(ordered)
    order_row = StaffOrder.primary.filter(pk=ordered.pk)
    count = 0
    while not stopped():
        keys = list(_rows(ordered).order_by().values_list("pk", flat=True)[:CHUNK])
        if not keys:
            # What it was filtered by may name a person, and is of no use any more.
            order_row.update(finished_at=datetime.now(UTC), conditions={})
            break
        with transaction.atomic(using=database()):
            done = _change(ordered, keys, actor)
            order_row.update(done=F("done") + done)
        count += done
        if not done:  # another sweep is at it
            break
    return count


def purge_orders() -> int:
    """Delete the finished orders older than ``RETENTION``; return how many."""
    before = datetime.now(UTC) - app_settings.RETENTION
    return StaffOrder.primary.filter(finished_at__lt=before).delete()[0]


def _rows(ordered: StaffOrder) -> Any:
    if ordered.kind == OrderKind.END:
        sessions = LearnerSession.primary.filter(**ordered.conditions, started_at__lte=ordered.at)
        return sessions.filter(ended_at=None)
    tokens = ConvaiToken.primary.filter(**ordered.conditions, generated_at__lte=ordered.at)
    return tokens.filter(revocable())


def _change(ordered: StaffOrder, keys: list[Any], actor: AbstractBaseUser) -> int:
    if ordered.kind == OrderKind.END:
        sessions = LearnerSession.primary.filter(pk__in=keys)
        return end_sessions(sessions, EndReason.STAFF, actor=actor, dispatch=False, patient=True)
    tokens = ConvaiToken.primary.filter(pk__in=keys)
    return revoke_tokens(tokens, detail="Revoked by staff", actor=actor, dispatch=False)


def _actor(ordered: StaffOrder) -> AbstractBaseUser:
    """Return who ordered it, by the name of that time."""
    model = get_user_model()
    user = model._base_manager.filter(pk=ordered.actor_id).first() or model(pk=ordered.actor_id)
    setattr(user, model.USERNAME_FIELD, ordered.actor_name)
    return user
