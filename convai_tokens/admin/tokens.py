"""Convai tokens: the list, a token's page, and the action that revokes tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from ..lifecycle.ending import revocable, revoke_tokens
from ..models import ConvaiToken, EventKind, LearnerSession, TokenStatus
from .actions import ConfirmedAction
from .base import ReadOnlyAdmin, dash, moment
from .events import TokenEventInline

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class OwedFilter(admin.SimpleListFilter):
    """Filters by a status, which the small index knows; not by a date, which it doesn't."""

    title = _("revocation owed")
    parameter_name = "owed"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[ConvaiToken]
    ) -> list[tuple[str, StrOrPromise]]:
        return [("yes", _("Owed now"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ConvaiToken]
    ) -> QuerySet[ConvaiToken]:
        if self.value() is None:
            return queryset
        return queryset.filter(status=TokenStatus.REVOKING)


def _revoke(keys: list[int], actor: AbstractBaseUser) -> int:
    tokens = ConvaiToken.primary.filter(pk__in=keys)
    return revoke_tokens(tokens, detail="Revoked by staff", actor=actor)


REVOKE_SELECTED = ConfirmedAction(
    name="revoke_selected",
    short_description=_("Revoke selected tokens"),
    allowed_permissions=["revoke"],
    rows=ConvaiToken.primary,
    affected=revocable(),
    change=_revoke,
    event=EventKind.OWED,
    columns=["fingerprint", "status", "learner", "stack", "device", "expires"],
    question=_("Revoke the selected Convai tokens?"),
    consequence=_(
        "A conversation that is running goes on; the next connection with one of these tokens is "
        "turned away. The learner sessions stay open."
    ),
    button=_("Revoke them"),
    nothing=_("None of the selected tokens is left to revoke. Nothing was done."),
    history=_("Revoked the token."),
    outcome=ngettext_lazy("%d token is being revoked.", "%d tokens are being revoked."),
)


@admin.register(ConvaiToken)
class ConvaiTokenAdmin(ReadOnlyAdmin[ConvaiToken]):
    list_display = [
        # What is urgent comes first: on a narrow screen the last columns are scrolled to.
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
    actions = [REVOKE_SELECTED]

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
        """Show the time while it is owed: in the list, a confirmed one would look owed."""
        is_owed = token.status == TokenStatus.REVOKING
        return type(self).owed(self, token) if is_owed else dash(self)

    @admin.display(description=_("time left"))
    def left(self, token: ConvaiToken) -> str:
        """Show how long the token lives on by our clock."""
        left = (token.expires_at or datetime.now(UTC)) - datetime.now(UTC)
        if token.status != TokenStatus.ACTIVE or left <= timedelta():
            return dash(self)
        return str(left - timedelta(microseconds=left.microseconds))

    def search(self, queryset: QuerySet[ConvaiToken], term: str) -> QuerySet[ConvaiToken]:
        # One or the other: no index answers an OR across two tables.
        sessions = LearnerSession.objects.filter(username=term)
        if sessions.exists():
            return queryset.filter(session__in=sessions.values("pk"))
        return queryset.filter(fingerprint__startswith=term)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.has_custom_permission(request, "revoke_convaitoken")
