"""The lists' filters: each asks what an index answers, rare values included.

Each tells its ``conditions`` as lookups, too: an order over all that match is stored as those.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..exceptions import ErrorCode
from ..models import EndReason, EventKind, TokenEvent, TokenStatus

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

DAYS = ("from", "to")  # the parameters of the filter by days
STAFF = 20  # members whom the filter offers by name


class Choice(admin.SimpleListFilter):
    """Offers values, each of which stands for lookups."""

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, StrOrPromise]]:
        self.choices_offered = self.offered()
        return [(value, label) for value, label, _conditions in self.choices_offered]

    def offered(self) -> list[tuple[str, StrOrPromise, dict[str, Any]]]:
        """Return each value, its words, and the lookups that it stands for."""
        raise NotImplementedError

    def conditions(self) -> dict[str, Any]:
        """Return the lookups of the chosen value; raise for one that isn't offered."""
        if self.value() is None:
            return {}
        for value, _label, conditions in self.choices_offered:
            if value == self.value():
                return conditions
        raise IncorrectLookupParameters

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**self.conditions())


class SessionState(Choice):
    """Open, or why it ended: one column holds both."""

    title = _("state")
    parameter_name = "state"

    def offered(self) -> list[tuple[str, StrOrPromise, dict[str, Any]]]:
        ends = [(it.value, it.label, {"end_reason": it.value}) for it in EndReason]
        return [("open", _("open"), {"end_reason": "", "ended_at": None}), *ends]


class TokenState(Choice):
    """Live now; owed, and why; and each status as it is stored."""

    title = _("state")
    parameter_name = "state"

    @staticmethod
    def live() -> dict[str, Any]:
        """Return the lookups for tokens that can be used now."""
        return {"status": TokenStatus.ACTIVE.value, "expires_at__gt": datetime.now(UTC)}

    def offered(self) -> list[tuple[str, StrOrPromise, dict[str, Any]]]:
        owed = {"status": TokenStatus.REVOKING.value}
        shut = {"last_error__startswith": f"{ErrorCode.SEAL_BROKEN}:"}
        untold = [TokenStatus.REVOKING]
        return [
            ("live", _("live now"), self.live()),
            ("owed", _("owed"), owed),
            ("owed-new", _("owed: not tried yet"), {**owed, "attempts": 0}),
            ("owed-tried", _("owed: Convai didn't confirm"), {**owed, "attempts__gt": 0}),
            ("owed-shut", _("owed: no key opens it"), {**owed, **shut}),
            *((it.value, it.label, {"status": it.value}) for it in TokenStatus if it not in untold),
        ]


class Kind(Choice):
    """Which step an event records."""

    title = _("kind")
    parameter_name = "kind"

    def offered(self) -> list[tuple[str, StrOrPromise, dict[str, Any]]]:
        return [(it.value, it.label, {"kind": it.value}) for it in EventKind]


class Actor(Choice):
    """Any of the staff, or one of those who acted."""

    title = _("actor")
    parameter_name = "by"

    def offered(self) -> list[tuple[str, StrOrPromise, dict[str, Any]]]:
        known: dict[Any, str] = {}
        # One look into the index for each: to list them all at once would read all of it.
        staff = TokenEvent.objects.filter(actor__isnull=False).order_by("actor")
        found = staff.values_list("actor", "actor_name")
        while len(known) < STAFF and (one := found.first()):
            known[one[0]] = one[1]
            found = staff.filter(actor__gt=one[0]).values_list("actor", "actor_name")
        named = sorted(known.items(), key=lambda it: it[1])
        anybody = ("staff", _("any of the staff"), {"actor__isnull": False})
        return [anybody, *((str(pk), name, {"actor": pk}) for pk, name in named)]


class Day(admin.ListFilter):
    """From one day to another, both included, in the site's time zone."""

    title = _("day")
    template = "admin/convai_tokens/day_filter.html"
    field = ""

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: Any,
        model_admin: admin.ModelAdmin[Any],
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.days: dict[str, date | None] = {}
        self.texts: dict[str, str] = {}
        for name in DAYS:
            text = (params.pop(name, None) or [""])[-1]
            self.texts[name] = text
            if text:
                self.used_parameters[name] = text
            try:
                self.days[name] = date.fromisoformat(text) if text else None
            except ValueError:
                raise IncorrectLookupParameters from None

    def expected_parameters(self) -> list[str | None]:
        return [*DAYS]

    def has_output(self) -> bool:
        return True

    def conditions(self) -> dict[str, Any]:
        """Return the lookups of the chosen days."""
        since, until = self.days["from"], self.days["to"]
        conditions = {}
        if since:
            conditions[f"{self.field}__gte"] = _start(since)
        if until:
            conditions[f"{self.field}__lt"] = _start(until + timedelta(days=1))
        return conditions

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**self.conditions())

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield what the form shows: the days, and the other filters, which it sends along."""
        others = [
            (name, value)
            for name, values in changelist.filter_params.items()
            for value in values
            if name not in DAYS
        ]
        if changelist.query:
            others.append(("q", changelist.query))
        yield {"texts": self.texts, "others": others}


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.get_current_timezone()).astimezone(UTC)


def days_of(name: str) -> type[Day]:
    """Return the filter by the days of this column."""
    return type("Day", (Day,), {"field": name})


def conditions_of(changelist: ChangeList, request: HttpRequest) -> dict[str, Any]:
    """Return all that a list is filtered by as lookups, apart from a search."""
    filters, _has, remaining, *_rest = changelist.get_filters(request)
    conditions: dict[str, Any] = {name: [*values][-1] for name, values in remaining.items()}  # type: ignore[misc]
    for chosen in filters:
        conditions |= chosen.conditions()  # type: ignore[attr-defined] # all are of this module
    return conditions
