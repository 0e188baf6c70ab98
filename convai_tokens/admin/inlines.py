"""The tokens and events that the pages of sessions and tokens show."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import ConvaiToken, TokenEvent
from .base import ReadOnlyInline, moment


class ConvaiTokenInline(ReadOnlyInline):
    model = ConvaiToken
    fields = ["fingerprint", "status", "generated", "expires", "owed", "revoked"]
    generated = moment("generated_at", _("generated"))
    expires = moment("expires_at", _("expires"))
    owed = moment("owed_since", _("owed since"))
    revoked = moment("revoked_at", _("revoked"))
    show_change_link = True


class TokenEventInline(ReadOnlyInline):
    """A token's events."""

    model = TokenEvent
    fields = ["time", "kind", "actor", "detail"]
    time = moment("at", _("at"))
    verbose_name_plural = _("events")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TokenEvent]:
        return super().get_queryset(request).select_related("actor", "token")


class SessionEventInline(TokenEventInline):
    """A session's events, its tokens' included."""

    fields = ["time", "kind", "token", "actor", "detail"]
