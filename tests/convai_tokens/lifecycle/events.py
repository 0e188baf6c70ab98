"""Events of a given age, for the tests of what is done with them later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from convai_tokens.lifecycle.audit import event, record_all
from convai_tokens.models import EventKind, TokenEvent
from convai_tokens.models.moments import utc_now


def never() -> bool:
    """Be what tells a step of the sweep to stop."""
    return False


def add_events(count: int, *, minutes: float, **fields: Any) -> list[TokenEvent]:
    """Add events of so many minutes ago, a second apart, and return them as they are stored."""
    added = [event(fields.get("kind", EventKind.GENERATED), None) for _ in range(count)]
    for number, it in enumerate(added):
        it.at = utc_now() - timedelta(minutes=minutes) + timedelta(seconds=number)
        for name, value in fields.items():
            setattr(it, name, value)
    before = TokenEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    record_all(added)
    return list(TokenEvent.objects.filter(pk__gt=before).order_by("pk"))
