"""Learner sessions: the list, a session's page, and the action that ends sessions."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from ..lifecycle.ending import end_sessions
from ..models import ConvaiToken, EndReason, EventKind, LearnerSession, OrderKind, TokenEvent
from .actions import ConfirmedAction
from .base import ReadOnlyAdmin
from .events import event_columns
from .filters import SessionState, TokenState, days_of
from .overview import overview
from .related import Related, related
from .searching import Found
from .shown import learner, moment, page_of, place, state_of, viewer_of
from .story import story
from .tokens import token_columns


def _end(keys: list[uuid.UUID], actor: AbstractBaseUser) -> int:
    sessions = LearnerSession.primary.filter(pk__in=keys)
    return end_sessions(sessions, EndReason.STAFF, actor=actor, patient=True)


END_SELECTED = ConfirmedAction(
    name="end_selected",
    short_description=_("End selected sessions"),
    one=_("End this session"),
    allowed_permissions=["end"],
    rows=LearnerSession.primary,
    affected=Q(ended_at=None),
    affects=lambda session: session.ended_at is None,
    order=OrderKind.END,
    change=_end,
    event=EventKind.SESSION_ENDED,
    columns=["username", "stack", "device", "started"],
    question=_("End the selected learner sessions?"),
    consequence=_(
        "Their Convai tokens are revoked. The learners stay logged in to the LMS, but get no "
        "further token before they log in again."
    ),
    button=_("End them"),
    nothing=_("None of the selected learner sessions is open. Nothing was done."),
    history=_("Ended the learner session."),
    outcome=ngettext_lazy("%d learner session was ended.", "%d learner sessions were ended."),
)


@admin.register(LearnerSession)
class LearnerSessionAdmin(ReadOnlyAdmin[LearnerSession]):
    list_display = ["started", "learner", "state", "live", "ended", "place"]
    list_display_links = ["started"]
    list_filter = [SessionState, days_of("started_at")]
    ordering = ["-started_at", "-id"]
    sortable_by = ["started"]
    fields = [
        ("learner", "account"),
        ("state", "started", "ended"),
        ("stack", "device"),
        "id",
    ]
    actions = [END_SELECTED]
    page_actions = [END_SELECTED]

    started = moment("started_at", _("started"))
    ended = moment("ended_at", _("ended"))

    @admin.display(description=_("learner"))
    def learner(self, session: LearnerSession) -> str:
        return learner(self, viewer_of(session), session)

    @admin.display(description=_("account"))
    def account(self, session: LearnerSession) -> str:
        """Show the user as the LMS's admin has it; one that was deleted has none."""
        user: Any = session.user if session.user_id is not None else None
        return page_of(self, viewer_of(session), user, str(user) if user else "")

    @admin.display(description=_("state"))
    def state(self, session: LearnerSession) -> str:
        return state_of(session)

    @admin.display(description=_("live tokens"))
    def live(self, session: LearnerSession) -> str:
        return str(getattr(session, "live_tokens", 0))

    @admin.display(description=_("where"))
    def place(self, session: LearnerSession) -> str:
        return place(session)

    def prepare(self, rows: list[LearnerSession]) -> None:
        live = ConvaiToken.objects.filter(
            **TokenState.live(), session__in=[session.pk for session in rows]
        )
        counts = dict(live.order_by().values_list("session").annotate(Count("pk")))
        for session in rows:
            session.live_tokens = counts.get(session.pk, 0)  # type: ignore[attr-defined]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("overview/", view(partial(overview, self)), name="convai_tokens_overview"),
            path("story/", view(partial(story, self)), name="convai_tokens_story"),
            *super().get_urls(),
        ]

    def subtitle(self, row: LearnerSession) -> str:
        return ", ".join(filter(None, [row.username, row.stack, row.device]))

    def found_rows(
        self, queryset: QuerySet[LearnerSession], found: Found
    ) -> QuerySet[LearnerSession]:
        marked = ConvaiToken.objects.filter(pk__in=found.tokens)
        of_tokens = list(marked.values_list("session", flat=True)) if found.tokens else []
        return queryset.filter(pk__in={*found.sessions, *of_tokens})

    def related(self, row: LearnerSession, viewer: Any) -> list[Related]:
        by = {"session__exact": row.pk}
        tokens = ConvaiToken.objects.filter(session=row.pk).select_related("session")
        events = TokenEvent.objects.filter(session=row.pk).select_related("token")
        return [
            *related(self, viewer, tokens, _("tokens"), token_columns(self), **by),
            *related(self, viewer, events, _("events"), event_columns(self), **by),
        ]

    def has_end_permission(self, request: HttpRequest) -> bool:
        return self.has_custom_permission(request, "end_learnersession")
