"""Token events: the list, an event's page, and the events on other pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import EventKind, TokenEvent
from .base import ReadOnlyAdmin
from .filters import Actor, Kind, days_of
from .searching import Found, newest
from .shown import (
    BAD,
    DONE,
    LIVE,
    OWED,
    badge,
    dash,
    learner,
    moment,
    page_of,
    short,
    viewer_of,
    when,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

DETAIL_LENGTH = 48
BADGES: dict[str, str] = {
    EventKind.GENERATED: LIVE,
    EventKind.EXTENDED: LIVE,
    EventKind.SESSION_STARTED: LIVE,
    EventKind.SESSION_RESUMED: LIVE,
    EventKind.OWED: OWED,
    EventKind.ORDERED: OWED,
    EventKind.LAPSED: BAD,
    EventKind.FAILED: BAD,
    EventKind.UNKNOWN: BAD,
}


def kind_of(event: TokenEvent) -> str:
    """Return what happened, as a badge."""
    return badge(event.get_kind_display(), BADGES.get(event.kind, DONE))


def token_of(page: BaseModelAdmin[Any], event: TokenEvent) -> str:
    """Return an event's token by its fingerprint; one that was purged by its number."""
    if event.token_id is None:
        return dash(page)
    mark = event.token.fingerprint if event.token else ""
    return page_of(page, viewer_of(event), event.token, mark or str(event.token_id))


def event_columns(page: BaseModelAdmin[Any]) -> dict[StrOrPromise, Callable[[TokenEvent], str]]:
    """Return what a table of events shows on another row's page."""
    return {
        _("at"): lambda event: when(event.at),
        _("kind"): kind_of,
        _("Convai token"): lambda event: token_of(page, event),
        _("actor"): lambda event: event.actor_name or dash(page),
        _("detail"): lambda event: event.detail or dash(page),
    }


@admin.register(TokenEvent)
class TokenEventAdmin(ReadOnlyAdmin[TokenEvent]):
    list_display = ["time", "what", "learner", "its_token", "by", "detail_short"]
    list_display_links = ["time"]
    list_filter = [Kind, Actor, days_of("at")]
    ordering = ["-at", "-id"]
    sortable_by = ["time"]
    fields = [("time", "what"), ("learner", "its_session"), "its_token", ("actor_name", "detail")]

    time = moment("at", _("at"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[TokenEvent]:
        return super().get_queryset(request).prefetch_related("session", "token")

    @admin.display(description=_("kind"))
    def what(self, event: TokenEvent) -> str:
        return kind_of(event)

    @admin.display(description=_("learner"))
    def learner(self, event: TokenEvent) -> str:
        return learner(self, viewer_of(event), event.session)

    @admin.display(description=_("learner session"))
    def its_session(self, event: TokenEvent) -> str:
        text = "" if event.session_id is None else str(event.session_id)
        return page_of(self, viewer_of(event), event.session, text)

    @admin.display(description=_("Convai token"))
    def its_token(self, event: TokenEvent) -> str:
        return token_of(self, event)

    @admin.display(description=_("actor"))
    def by(self, event: TokenEvent) -> str:
        return short(event.actor_name) or dash(self)

    @admin.display(description=_("detail"))
    def detail_short(self, event: TokenEvent) -> str:
        return short(event.detail, DETAIL_LENGTH) or dash(self)

    def found_rows(self, queryset: QuerySet[TokenEvent], found: Found) -> QuerySet[TokenEvent]:
        events = TokenEvent.objects.all()
        named = newest(events, session=found.sessions, token=found.tokens)
        return queryset.filter(pk__in={*named, *found.acts})
