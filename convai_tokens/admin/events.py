"""Token events: the list, an event's page, and the events on other pages."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import ConvaiToken, LearnerSession, TokenEvent
from .base import ReadOnlyAdmin, ReadOnlyInline, dash, moment


class TokenEventInline(ReadOnlyInline):
    """A token's events."""

    model = TokenEvent
    fields = ["time", "kind", "actor_name", "detail"]
    time = moment("at", _("at"))
    verbose_name_plural = _("events")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TokenEvent]:
        return super().get_queryset(request).select_related("token")


@admin.register(TokenEvent)
class TokenEventAdmin(ReadOnlyAdmin[TokenEvent]):
    list_display = ["time", "kind", "learner", "token", "actor_name", "detail"]
    list_display_links = ["time"]
    list_filter = ["kind"]
    list_select_related = ["session", "token"]
    ordering = ["-id"]
    sortable_by = ()
    search_fields = ["session__username"]
    search_help_text = _("A username, or a token's whole fingerprint")
    fields = [("time", "kind"), ("learner", "session"), "token", ("actor_name", "detail")]

    time = moment("at", _("at"))

    @admin.display(description=_("learner"))
    def learner(self, event: TokenEvent) -> str:
        return event.session.username if event.session else dash(self)

    def search(self, queryset: QuerySet[TokenEvent], term: str) -> QuerySet[TokenEvent]:
        tokens = ConvaiToken.objects.filter(fingerprint=term)
        if tokens.exists():
            return queryset.filter(token__in=tokens.values("pk"))
        sessions = LearnerSession.objects.filter(username=term)
        return queryset.filter(session__in=sessions.values("pk"))
