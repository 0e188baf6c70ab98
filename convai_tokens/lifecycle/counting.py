"""Counts the events of each kind by the hour, so that no chart has to read the audit itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count

from ..conf import app_settings
from ..models import EventCount, TokenEvent, database

HOUR = timedelta(hours=1)
MARGIN = timedelta(minutes=15)  # transactions that were open then have come to their end

Stopped = Callable[[], bool]


def count_events(stopped: Stopped) -> int:
    """Count what was added since the last pass; return how many counts changed.

    The latest hour that was counted is counted once more, and the one before it early in an hour.
    """
    latest = EventCount.primary.order_by("-hour").first()
    now = datetime.now(UTC)
    hour = min(latest.hour, _start(now - MARGIN)) if latest else now - app_settings.RETENTION
    changed = 0
    while not stopped():
        event = TokenEvent.primary.filter(at__gte=hour).order_by("at", "pk").only("at").first()
        if event is None:
            break
        hour = _start(event.at)
        changed += _count(hour)
        hour += HOUR
    return changed


def _start(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _count(hour: datetime) -> int:
    """Write an hour's counts, as far as they differ from what is there; return how many did."""
    events = TokenEvent.primary.filter(at__gte=hour, at__lt=hour + HOUR).order_by()
    now = dict(events.values_list("kind").annotate(count=Count("pk")))
    rows = EventCount.primary.filter(hour=hour)
    before = dict(rows.values_list("kind", "count"))
    new = [EventCount(hour=hour, kind=kind, count=now[kind]) for kind in now if kind not in before]
    try:
        with transaction.atomic(using=database()):
            EventCount.primary.bulk_create(new)
    except IntegrityError:  # another sweep was first; the next pass counts again
        return 0
    differ = [kind for kind in before if kind in now and now[kind] != before[kind]]
    return len(new) + sum(rows.filter(kind=kind).update(count=now[kind]) for kind in differ)


def purge_counts() -> int:
    """Delete the counts older than ``RETENTION``; return how many."""
    old = EventCount.primary.filter(hour__lt=datetime.now(UTC) - app_settings.RETENTION)
    return old.delete()[0]
