"""The lists and pages of learner sessions, Convai tokens and events, and the two actions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from ..lifecycle import ending
from ..lifecycle.ending import revocable
from ..models import (
    ConvaiToken,
    EndReason,
    EventKind,
    LearnerSession,
    TokenEvent,
    TokenStatus,
)
from .base import ReadOnlyAdmin, chunks, dash, moment, staff
from .filters import OpenFilter, OwedFilter, StackFilter
from .inlines import ConvaiTokenInline, SessionEventInline, TokenEventInline


@admin.register(LearnerSession)
class LearnerSessionAdmin(ReadOnlyAdmin):
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
    actions = ["end_selected"]

    started = moment("started_at", _("started"))
    ended = moment("ended_at", _("ended"))

    def subtitle(self, row: LearnerSession) -> str:
        return ", ".join(filter(None, [row.username, row.stack, row.device]))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        # One or the other: no index answers an OR across two tables.
        tokens = ConvaiToken.objects.filter(fingerprint=term).values("session")
        if tokens.exists():
            return queryset.filter(pk__in=tokens), False
        return queryset.filter(username__startswith=term), False

    def has_end_permission(self, request: HttpRequest) -> bool:
        return self.has_custom_permission(request, "end_learnersession")

    @admin.action(description=_("End selected sessions"), permissions=["end"])
    def end_selected(
        self, request: HttpRequest, queryset: QuerySet[LearnerSession]
    ) -> HttpResponse | None:
        """End the sessions, in chunks, as the staff member."""
        affected = queryset.filter(ended_at=None)
        if "confirmed" not in request.POST:
            return self.confirm(
                request,
                queryset,
                affected,
                columns=["username", "stack", "device", "started"],
                action="end_selected",
                title=_("End the selected learner sessions?"),
                deed=_("End them"),
                nothing=_("None of the selected learner sessions is open. Nothing was done."),
                consequence=_(
                    "Their Convai tokens are revoked. The learners stay logged in to the LMS, but "
                    "get no further token before they log in again."
                ),
            )
        ended = 0
        for chunk in chunks(affected):
            sessions = LearnerSession.primary.filter(pk__in=chunk)
            ended += ending.end_sessions(sessions, EndReason.STAFF, actor=staff(request))
            events = TokenEvent.primary.filter(
                session__in=chunk, kind=EventKind.SESSION_ENDED, actor=staff(request).pk
            )
            done = sessions.filter(pk__in=events.values("session"))
            self.log_deed(request, done, gettext("Ended the learner session."))
        told = ngettext("%d learner session was ended.", "%d learner sessions were ended.", ended)
        self.message_user(request, told % ended, messages.SUCCESS if ended else messages.WARNING)
        return None


@admin.register(ConvaiToken)
class ConvaiTokenAdmin(ReadOnlyAdmin):
    # What is urgent comes first: on a narrow screen the last columns are scrolled to.
    list_display = [
        "fingerprint",
        "learner",
        "status",
        "left",
        "owed_now",
        "generated",
        "expires",
        "stack",
        "device",
        "end_reason",
    ]
    list_display_links = ["fingerprint", "learner"]
    list_filter = [OwedFilter, "status", "generated_at"]
    ordering = ["-generated_at", "-id"]
    sortable_by = ["generated"]
    search_fields = ["fingerprint"]
    search_help_text = _("A username, or a fingerprint from its beginning")
    fields = [
        ("fingerprint", "status"),
        ("learner", "session"),
        ("stack", "device"),
        ("generated", "expires", "left"),
        ("extended", "extend_count"),
        ("end_reason", "owed", "revoked"),
        ("attempts", "next_attempt", "claimed"),
        "last_error",
    ]
    inlines = [TokenEventInline]
    actions = ["revoke_selected"]

    generated = moment("generated_at", _("generated"))
    expires = moment("expires_at", _("expires"))
    extended = moment("extended_at", _("extended"))
    owed = moment("owed_since", _("owed since"))
    revoked = moment("revoked_at", _("revoked"))
    next_attempt = moment("next_attempt_at", _("next attempt"))
    claimed = moment("claimed_until", _("claimed until"))

    def subtitle(self, row: ConvaiToken) -> str:
        return ", ".join(filter(None, [row.fingerprint, row.session.username]))

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConvaiToken]:
        return super().get_queryset(request).select_related("session")

    @admin.display(description=_("learner"))
    def learner(self, token: ConvaiToken) -> str:
        return token.session.username

    @admin.display(description=_("login stack"))
    def stack(self, token: ConvaiToken) -> str:
        return token.session.stack

    @admin.display(description=_("device"))
    def device(self, token: ConvaiToken) -> str:
        return token.session.device or dash(self)

    @admin.display(description=_("end reason"))
    def end_reason(self, token: ConvaiToken) -> str:
        return str(token.session.get_end_reason_display()) or dash(self)

    @admin.display(description=_("owed since"))
    def owed_now(self, token: ConvaiToken) -> str:
        """Show the time while it is owed: in the list, a paid one would look unpaid."""
        is_owed = token.status == TokenStatus.REVOKING
        return type(self).owed(self, token) if is_owed else dash(self)

    @admin.display(description=_("time left"))
    def left(self, token: ConvaiToken) -> str:
        """Show how long the token lives on by our clock."""
        left = (token.expires_at or timezone.now()) - timezone.now()
        if token.status != TokenStatus.ACTIVE or left <= timedelta():
            return dash(self)
        return str(left - timedelta(microseconds=left.microseconds))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        # One or the other: no index answers an OR across two tables.
        sessions = LearnerSession.objects.filter(username=term)
        if sessions.exists():
            return queryset.filter(session__in=sessions.values("pk")), False
        return queryset.filter(fingerprint__startswith=term), False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.has_custom_permission(request, "revoke_convaitoken")

    @admin.action(description=_("Revoke selected tokens"), permissions=["revoke"])
    def revoke_selected(
        self, request: HttpRequest, queryset: QuerySet[ConvaiToken]
    ) -> HttpResponse | None:
        """Turn the tokens into owed revocations, in chunks, as the staff member."""
        affected = queryset.filter(revocable())
        if "confirmed" not in request.POST:
            return self.confirm(
                request,
                queryset,
                affected,
                columns=["fingerprint", "status", "learner", "stack", "device", "expires"],
                action="revoke_selected",
                title=_("Revoke the selected Convai tokens?"),
                deed=_("Revoke them"),
                nothing=_("None of the selected tokens is left to revoke. Nothing was done."),
                consequence=_(
                    "A conversation that is running goes on; the next connection with one of these "
                    "tokens is turned away. The learner sessions stay open."
                ),
            )
        owed = 0
        for chunk in chunks(affected):
            tokens = ConvaiToken.primary.filter(pk__in=chunk)
            owed += ending.revoke_tokens(tokens, detail="Revoked by staff", actor=staff(request))
            events = TokenEvent.primary.filter(
                token__in=chunk, kind=EventKind.OWED, actor=staff(request).pk
            )
            done = tokens.filter(pk__in=events.values("token"))
            self.log_deed(request, done, gettext("Revoked the token."))
        told = ngettext("%d token is being revoked.", "%d tokens are being revoked.", owed)
        self.message_user(request, told % owed, messages.SUCCESS if owed else messages.WARNING)
        return None


@admin.register(TokenEvent)
class TokenEventAdmin(ReadOnlyAdmin):
    list_display = ["time", "kind", "learner", "token", "actor", "detail"]
    list_display_links = ["time"]
    list_filter = ["kind"]
    list_select_related = ["session", "token", "actor"]
    ordering = ["-id"]
    sortable_by = ()
    search_fields = ["session__username"]
    search_help_text = _("A username, or a token's whole fingerprint")
    fields = [("time", "kind"), ("learner", "session"), "token", ("actor", "detail")]

    time = moment("at", _("at"))

    @admin.display(description=_("learner"))
    def learner(self, event: TokenEvent) -> str:
        return event.session.username

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        tokens = ConvaiToken.objects.filter(fingerprint=term)
        if tokens.exists():
            return queryset.filter(token__in=tokens.values("pk")), False
        sessions = LearnerSession.objects.filter(username=term)
        return queryset.filter(session__in=sessions.values("pk")), False
