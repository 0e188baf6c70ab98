"""Convai tokens: the list, a token's page, and the action that revokes tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from ..lifecycle.ending import revocable, revoke_tokens
from ..models import LIVE, ConvaiToken, EventKind, OrderKind, TokenEvent, TokenStatus
from .actions import ConfirmedAction
from .base import ReadOnlyAdmin
from .events import event_columns
from .filters import TokenState, days_of
from .related import Related, related
from .searching import Found, newest
from .shown import (
    BADGES,
    badge,
    dash,
    learner,
    moment,
    page_of,
    period,
    place,
    short,
    state_of,
    viewer_of,
    when,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def _revoke(keys: list[int], actor: AbstractBaseUser) -> int:
    tokens = ConvaiToken.primary.filter(pk__in=keys)
    return revoke_tokens(tokens, detail="Revoked by staff", actor=actor)


def _is_revocable(token: ConvaiToken) -> bool:
    unwiped = token.status == TokenStatus.EXPIRED and token.sealed > ""
    return token.status in LIVE or unwiped


REVOKE_SELECTED = ConfirmedAction(
    name="revoke_selected",
    short_description=_("Revoke selected tokens"),
    one=_("Revoke this token"),
    allowed_permissions=["revoke"],
    rows=ConvaiToken.primary,
    affected=revocable(),
    affects=_is_revocable,
    order=OrderKind.REVOKE,
    change=_revoke,
    event=EventKind.OWED,
    columns=["fingerprint", "status", "learner", "place", "expires"],
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


def time_left(token: ConvaiToken) -> timedelta | None:
    """Return how long a token lives on by our clock, None for one that doesn't."""
    left = (token.expires_at or datetime.now(UTC)) - datetime.now(UTC)
    if token.status != TokenStatus.ACTIVE or left <= timedelta():
        return None
    return left - timedelta(microseconds=left.microseconds)


def state(token: ConvaiToken) -> SafeString:
    """Return how a token stands: for how long it lives or has been owed, and why it is."""
    shown = badge(token.get_status_display(), BADGES[token.status])
    left = time_left(token)
    if left is not None:
        return format_html("{} {}", shown, gettext("%s left") % left)
    if token.status == TokenStatus.ACTIVE:  # the sweep hasn't marked it yet
        return badge(gettext("expired"), BADGES[TokenStatus.EXPIRED])
    if token.status == TokenStatus.REVOKING and token.owed_since:
        since = period(datetime.now(UTC) - token.owed_since)
        return format_html("{} {}", shown, gettext("for %s") % since)
    return shown


def why(token: ConvaiToken) -> str:
    """Return what went wrong last: for what is owed, why it is still."""
    if token.last_error:
        return token.last_error
    is_owed = token.status == TokenStatus.REVOKING
    return gettext("not tried yet") if is_owed and not token.attempts else ""


def token_columns(page: BaseModelAdmin[Any]) -> dict[StrOrPromise, Callable[[ConvaiToken], str]]:
    """Return what a table of tokens shows on another row's page."""

    def expires(token: ConvaiToken) -> str:
        return when(token.expires_at) if token.expires_at else dash(page)

    def link(token: ConvaiToken) -> str:
        return page_of(page, viewer_of(token), token, token.fingerprint or str(token.pk))

    return {
        _("fingerprint"): link,
        _("state"): state,
        _("generated"): lambda token: when(token.generated_at),
        _("expires"): expires,
        _("why"): why,
    }


@admin.register(ConvaiToken)
class ConvaiTokenAdmin(ReadOnlyAdmin[ConvaiToken]):
    list_display = ["mark", "learner", "state", "why", "generated", "place"]
    list_display_links = ["mark"]
    list_filter = [TokenState, days_of("generated_at")]
    list_select_related = ["session"]
    ordering = ["-generated_at", "-id"]
    sortable_by = ["generated"]
    fields = [
        ("fingerprint", "state"),
        ("learner", "its_session"),
        ("place", "ended"),
        ("generated", "expires"),
        ("extended", "extend_count"),
        ("owed", "revoked"),
        ("attempts", "next_attempt", "claimed"),
        "last_error",
    ]
    actions = [REVOKE_SELECTED]
    page_actions = [REVOKE_SELECTED]

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
        # Not joined in one query: MariaDB would begin with the sessions, and sort all tokens.
        return super().get_queryset(request).prefetch_related("session")

    @admin.display(description=_("fingerprint"))
    def mark(self, token: ConvaiToken) -> str:
        return token.fingerprint or str(token.pk)

    @admin.display(description=_("learner"))
    def learner(self, token: ConvaiToken) -> str:
        return learner(self, viewer_of(token), token.session)

    @admin.display(description=_("learner session"))
    def its_session(self, token: ConvaiToken) -> str:
        return page_of(self, viewer_of(token), token.session, str(token.session_id))

    @admin.display(description=_("where"))
    def place(self, token: ConvaiToken) -> str:
        return place(token.session) or dash(self)

    @admin.display(description=_("session"))
    def ended(self, token: ConvaiToken) -> str:
        return state_of(token.session)

    @admin.display(description=_("state"))
    def state(self, token: ConvaiToken) -> str:
        return state(token)

    @admin.display(description=_("why"))
    def why(self, token: ConvaiToken) -> str:
        return short(why(token), 40) or dash(self)

    def found_rows(self, queryset: QuerySet[ConvaiToken], found: Found) -> QuerySet[ConvaiToken]:
        of_sessions = newest(ConvaiToken.objects.all(), session=found.sessions)
        return queryset.filter(pk__in={*found.tokens, *of_sessions})

    def related(self, row: ConvaiToken, viewer: Any) -> list[Related]:
        events = TokenEvent.objects.filter(token=row.pk)
        by = {"token__exact": row.pk}
        return related(self, viewer, events, _("events"), event_columns(self), **by)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.has_custom_permission(request, "revoke_convaitoken")
