"""The overview: does it work, who holds live tokens, how much happened, what staff ordered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from ..models import ConvaiToken, StaffOrder
from .charts import charts
from .filters import TokenState
from .health import capped, findings, headline
from .shown import CRUMBS, VIEWS, may, when
from .words import OVERVIEW

if TYPE_CHECKING:
    from .base import ReadOnlyAdmin

ORDERS = 10


def overview(page: ReadOnlyAdmin[Any], request: HttpRequest) -> HttpResponse:
    """Answer the page."""
    if not may(request.user, *VIEWS):
        raise PermissionDenied
    request.current_app = page.admin_site.name
    live = ConvaiToken.objects.filter(**TokenState.live())
    sessions = live.order_by().values("session").distinct()
    found = findings()
    tokens = reverse(f"{page.admin_site.name}:convai_tokens_convaitoken_changelist")
    context = {
        **page.admin_site.each_context(request),
        **CRUMBS,
        "opts": page.opts,
        "title": _("Overview"),
        "media": page.media,
        "headline": headline(found),
        "findings": found,
        "now": when(datetime.now(UTC)),
        "live": capped(live),
        "holders": capped(sessions),
        "tokens_address": tokens,
        "words": OVERVIEW,
        "charts": charts(),
        "orders": [
            (order, when(order.at), when(order.finished_at) if order.finished_at else "")
            for order in StaffOrder.objects.order_by("-pk")[:ORDERS]
        ],
    }
    return TemplateResponse(request, "admin/convai_tokens/overview.html", context)
