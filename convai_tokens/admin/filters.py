"""The filters of the lists; each by what an index, or a short look, can answer."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import LearnerSession, TokenStatus

RECENT = 500


class OpenFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Open")), ("ended", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(ended_at__isnull=self.value() == "open")


class StackFilter(admin.SimpleListFilter):
    """Offers the stacks of recent logins: to list all that ever were would read the whole table."""

    title = _("login stack")
    parameter_name = "stack"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        recent = LearnerSession.objects.order_by("-started_at", "-id")
        return [(name, name) for name in sorted({*recent.values_list("stack", flat=True)[:RECENT]})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(stack=self.value())


class OwedFilter(admin.SimpleListFilter):
    """Filters by a status, which the small index knows; not by a date, which it doesn't."""

    title = _("revocation owed")
    parameter_name = "owed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Owed now"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(status=TokenStatus.REVOKING)
