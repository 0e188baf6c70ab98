"""Learner sessions: the list, a session's page, and the action that ends sessions."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from ..lifecycle.ending import end_sessions
from ..models import ConvaiToken, EndReason, EventKind, LearnerSession
from .actions import ConfirmedAction
from .base import ReadOnlyAdmin, ReadOnlyInline, moment
from .events import TokenEventInline

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

RECENT = 500  # logins whose stacks the filter offers


class OpenFilter(admin.SimpleListFilter):
    """Offers the open ones and the ended ones."""

    title = _("state")
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[LearnerSession]
    ) -> list[tuple[str, StrOrPromise]]:
        return [("open", _("Open")), ("ended", _("Ended"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[LearnerSession]
    ) -> QuerySet[LearnerSession]:
        if self.value() is None:
            return queryset
        return queryset.filter(ended_at__isnull=self.value() == "open")


class StackFilter(admin.SimpleListFilter):
    """Offers the stacks of recent logins: to list all that ever were would read the whole table."""

    title = _("login stack")
    parameter_name = "stack"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[LearnerSession]
    ) -> list[tuple[str, StrOrPromise]]:
        recent = LearnerSession.objects.order_by("-started_at", "-id")
        return [(name, name) for name in sorted({*recent.values_list("stack", flat=True)[:RECENT]})]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[LearnerSession]
    ) -> QuerySet[LearnerSession]:
        return queryset if self.value() is None else queryset.filter(stack=self.value())


class ConvaiTokenInline(ReadOnlyInline):
    """A session's tokens."""

    model = ConvaiToken
    fields = ["fingerprint", "status", "generated", "expires", "owed", "revoked"]
    generated = moment("generated_at", _("generated"))
    expires = moment("expires_at", _("expires"))
    owed = moment("owed_since", _("owed since"))
    revoked = moment("revoked_at", _("revoked"))
    show_change_link = True


class SessionEventInline(TokenEventInline):
    """A session's events, its tokens' included."""

    fields = ["time", "kind", "token", "actor_name", "detail"]


def _end(keys: list[uuid.UUID], actor: AbstractBaseUser) -> int:
    sessions = LearnerSession.primary.filter(pk__in=keys)
    return end_sessions(sessions, EndReason.STAFF, actor=actor, patient=True)


END_SELECTED = ConfirmedAction(
    name="end_selected",
    short_description=_("End selected sessions"),
    allowed_permissions=["end"],
    rows=LearnerSession.primary,
    affected=Q(ended_at=None),
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
    list_display = ["username", "stack", "device", "started", "ended", "end_reason"]
    list_filter = [OpenFilter, StackFilter, "end_reason", "started_at"]
    ordering = ["-started_at", "-id"]
    sortable_by = ["started"]
    search_fields = ["username"]
    search_help_text = _("A username from its beginning, or a token's whole fingerprint")
    fields = [
        ("username", "user"),
        ("stack", "device"),
        ("started", "ended", "end_reason"),
        "id",
    ]
    inlines = [ConvaiTokenInline, SessionEventInline]
    actions = [END_SELECTED]

    started = moment("started_at", _("started"))
    ended = moment("ended_at", _("ended"))

    def subtitle(self, row: LearnerSession) -> str:
        return ", ".join(filter(None, [row.username, row.stack, row.device]))

    def search(self, queryset: QuerySet[LearnerSession], term: str) -> QuerySet[LearnerSession]:
        # One or the other: no index answers an OR across two tables.
        tokens = ConvaiToken.objects.filter(fingerprint=term).values("session")
        if tokens.exists():
            return queryset.filter(pk__in=tokens)
        return queryset.filter(username__startswith=term)

    def has_end_permission(self, request: HttpRequest) -> bool:
        return self.has_custom_permission(request, "end_learnersession")
