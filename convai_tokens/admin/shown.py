"""How a value is shown: times with their zone, statuses as badges, long names shortened, links.

A link is one only for a viewer who may follow it. The pages put the viewer into each row.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import django
from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import EndReason, LearnerSession, TokenStatus

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NAME_LENGTH = 28  # characters of a name in a list
VIEWS = ("view_learnersession", "view_convaitoken", "view_tokenevent")

# How Django's own pages show where one is.
CRUMBS = {"crumbs_in_list": django.VERSION >= (6, 1)}

# What a badge's colour stands for; its words say it too.
LIVE, OWED, BAD, DONE = "live", "owed", "bad", "done"
BADGES: dict[str, str] = {
    TokenStatus.GENERATING: OWED,
    TokenStatus.ACTIVE: LIVE,
    TokenStatus.EXPIRED: DONE,
    TokenStatus.REVOKING: OWED,
    TokenStatus.REVOKED: DONE,
    TokenStatus.GONE: DONE,
    TokenStatus.LAPSED: BAD,
    TokenStatus.FAILED: BAD,
    TokenStatus.UNKNOWN: BAD,
}


def when(at: datetime) -> SafeString:
    """Return a time to the second with its zone: an audit's steps share their minutes."""
    at = timezone.localtime(at) if timezone.is_aware(at) else at
    day, clock = f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}"
    # A narrow column breaks between the day and the time only.
    parts = '<span class="nowrap">{}</span> <span class="nowrap">{} {}</span>'
    shown = format_html(parts, day, clock, zone_of(at))
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), shown)


def zone_of(at: datetime) -> str:
    """Return a time's zone in short, ``"CET"``."""
    return at.tzname() or ""


def moment(field: str, label: StrOrPromise) -> Callable[[BaseModelAdmin[Any], Model], str]:
    """Return a column that shows a time."""

    @admin.display(description=label, ordering=field)
    def shown(page: BaseModelAdmin[Any], row: Model) -> str:
        at: datetime | None = getattr(row, field)
        return dash(page) if at is None else when(at)

    return shown


def dash(page: BaseModelAdmin[Any]) -> str:
    """Return what the site shows for no value."""
    return str(page.get_empty_value_display())


def period(length: timedelta) -> str:
    """Return how long something takes, in words: 0.3 s, 12 min, 5 h, 3 days."""
    seconds = length.total_seconds()
    if seconds < 10:
        return _("%(number)s s") % {"number": f"{seconds:.1f}"}
    for limit, size, unit in ((120, 1, _("s")), (7200, 60, _("min")), (172800, 3600, _("h"))):
        if seconds < limit:
            return f"{round(seconds / size)} {unit}"
    days = round(seconds / 86400)
    return ngettext("%d day", "%d days", days) % days


def badge(text: StrOrPromise, kind: str) -> SafeString:
    """Return words on a ground of their kind's colour."""
    return format_html('<span class="convai-badge convai-{}">{}</span>', kind, text)


def short(text: str, length: int = NAME_LENGTH) -> str:
    """Return a text that fits into a column; the whole one shows where the pointer rests."""
    if len(text) <= length:
        return text
    return format_html('<span title="{}">{}…</span>', text, text[: length - 1])


def may(viewer: Any, *codenames: str) -> bool:
    """Tell whether a staff member holds these permissions of this app."""
    return viewer is not None and viewer.has_perms(f"convai_tokens.{name}" for name in codenames)


def viewer_of(row: Model) -> Any:
    """Return the staff member whom a row is shown to, None if nobody said."""
    return getattr(row, "viewer", None)


def page_of(page: BaseModelAdmin[Any], viewer: Any, row: Model | None, text: str) -> str:
    """Return a link to a row's own page, or the text alone where the viewer may not go there."""
    if row is None:
        return text or dash(page)
    opts = row._meta
    if viewer is None or not viewer.has_perm(f"{opts.app_label}.view_{opts.model_name}"):
        return text
    try:
        address = reverse(
            f"{page.admin_site.name}:{opts.app_label}_{opts.model_name}_change", args=[row.pk]
        )
    except NoReverseMatch:  # the site's admin doesn't have it
        return text
    return format_html('<a href="{}">{}</a>', address, text)


def story_address(page: BaseModelAdmin[Any], session: LearnerSession) -> str:
    """Return the address of the story of a session's learner."""
    whose: dict[str, Any] = {"username": session.username}
    if session.user_id is not None:
        whose = {"user": session.user_id}
    return f"{reverse(f'{page.admin_site.name}:convai_tokens_story')}?{urlencode(whose)}"


def learner(page: BaseModelAdmin[Any], viewer: Any, session: LearnerSession | None) -> str:
    """Return a learner's name, as a link to the story where the viewer may see it."""
    if session is None:
        return dash(page)
    name = short(session.username) or dash(page)
    if not may(viewer, *VIEWS):
        return name
    return format_html('<a href="{}">{}</a>', story_address(page, session), name)


def place(session: LearnerSession | None) -> str:
    """Return where a learner logged in: the device, and the login stack."""
    if session is None:
        return ""
    return short(" · ".join(filter(None, [session.device, session.stack])))


def state_of(session: LearnerSession) -> SafeString:
    """Return whether a session is open, or why it ended."""
    if session.ended_at is None:
        return badge(_("open"), LIVE)
    kind = OWED if session.end_reason == EndReason.UNSEEN else DONE
    return badge(session.get_end_reason_display() or _("ended"), kind)
