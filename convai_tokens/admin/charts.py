"""Bars of what happened per hour and per day, from the counts that the sweep keeps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import EventCount, EventKind

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

HOURS, DAYS = 48, 90
WIDTH, HEIGHT, GAP = 720, 90, 1  # of the bars, in the units of the drawing

# What a chart shows: what is counted, and which kinds of events that is.
SERIES: list[tuple[str, StrOrPromise, list[str]]] = [
    ("generated", gettext_lazy("Tokens generated"), [EventKind.GENERATED]),
    ("failed", gettext_lazy("Tokens not given"), [EventKind.FAILED, EventKind.UNKNOWN]),
    ("revoked", gettext_lazy("Tokens revoked"), [EventKind.REVOKED, EventKind.GONE]),
]


@dataclass
class Bar:
    """A bar: what it is of, how high, and where in the drawing."""

    label: str
    value: int
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0


@dataclass
class Chart:
    """A drawing's heading, its bars, and what a screen reader says in its place."""

    name: str
    title: str
    told: str
    bars: list[Bar] = field(default_factory=list)
    highest: int = 0
    width: int = WIDTH
    height: int = HEIGHT


def charts() -> list[Chart]:
    """Return the charts of the last 48 hours and of the last 90 days; asks the database once."""
    now = datetime.now(UTC)
    since = now - timedelta(days=DAYS + 1)
    wanted = [kind for _name, _title, kinds in SERIES for kind in kinds]
    rows = EventCount.objects.filter(hour__gte=since, kind__in=wanted)
    hours: Counter[tuple[str, Any]] = Counter()
    days: Counter[tuple[str, Any]] = Counter()
    for hour, kind, count in rows.values_list("hour", "kind", "count"):
        hours[kind, hour] += count
        days[kind, timezone.localtime(hour).date()] += count
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    last_hours = [this_hour - timedelta(hours=back) for back in reversed(range(HOURS))]
    today = timezone.localtime(now).date()
    last_days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    drawn = []
    for name, title, kinds in SERIES:
        by_hour = {_hour(it): sum(hours[kind, it] for kind in kinds) for it in last_hours}
        drawn.append(_chart(f"{name}-hours", _("%s per hour, 48 hours") % title, by_hour))
    for name, title, kinds in SERIES:
        by_day = {
            date_format(it, "SHORT_DATE_FORMAT"): sum(days[kind, it] for kind in kinds)
            for it in last_days
        }
        drawn.append(_chart(f"{name}-days", _("%s per day, 90 days") % title, by_day))
    return drawn


def _hour(hour: datetime) -> str:
    at = timezone.localtime(hour)
    return f"{date_format(at, 'SHORT_DATE_FORMAT')} {at:%H:%M} {at.tzname()}"


def _chart(name: str, title: str, values: dict[str, int]) -> Chart:
    highest = max(values.values())
    step = WIDTH / len(values)
    chart = Chart(name, title, _told(values, highest), highest=highest)
    for number, (label, value) in enumerate(values.items()):
        height = value / highest * HEIGHT if highest else 0
        bar = Bar(label, value, number * step, HEIGHT - height, step - GAP, height)
        chart.bars.append(bar)
    return chart


def _told(values: dict[str, int], highest: int) -> str:
    if not highest:
        return _("None.")
    at = next(label for label, value in values.items() if value == highest)
    numbers = {"total": sum(values.values()), "highest": highest, "at": at}
    return _("%(total)d in all, the most %(highest)d at %(at)s.") % numbers
