"""A learner's story: sessions, tokens and events as one timeline that a person can read."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from ..models import EndReason, EventKind, LearnerSession, TokenEvent
from .shown import CRUMBS, VIEWS, may, page_of, period, state_of, zone_of

if TYPE_CHECKING:
    from .base import ReadOnlyAdmin

SESSIONS = 50  # on a page
STEPS = 40  # of a session, the newest


@dataclass
class Step:
    """A moment of a session, in words."""

    at: datetime
    clock: str
    text: str


@dataclass
class Told:
    """A session: how it stands, and its steps."""

    state: str
    link: str
    steps: list[Step] = field(default_factory=list)
    hidden: bool = False


def story(page: ReadOnlyAdmin[Any], request: HttpRequest) -> HttpResponse:
    """Answer the page of ``?user=<id>``, or of ``?username=<name>`` for a user who was deleted.

    The newest 50 sessions; ``?before=<time>,<id>`` goes on where a page has ended.
    """
    if not may(request.user, *VIEWS):
        raise PermissionDenied
    request.current_app = page.admin_site.name
    sessions, whose = _sessions_of(request)
    rows = list(_before(request, sessions).order_by("-started_at", "-pk")[: SESSIONS + 1])
    if not rows and "before" not in request.GET:
        raise Http404(_("No learner session is of this learner."))
    shown = rows[:SESSIONS]
    name = shown[0].username if shown else ""
    older = ""
    if len(rows) > SESSIONS:
        last = shown[-1]
        older = urlencode({**whose, "before": f"{last.started_at.isoformat()},{last.pk}"})
    user = None
    if "user" in whose:
        user = get_user_model()._base_manager.filter(pk=whose["user"]).first()
    context = {
        **page.admin_site.each_context(request),
        **CRUMBS,
        "opts": page.opts,
        "title": _("The story of %s") % name,
        "media": page.media,
        "account": page_of(page, request.user, user, str(user)) if user else "",
        "days": _by_day(page, request, shown),
        "older": older,
        "newest": urlencode(whose) if "before" in request.GET else "",
        "sessions_address": _list_of(page, "learnersession", whose),
        "zone": zone_of(timezone.localtime(datetime.now(UTC))),
    }
    return TemplateResponse(request, "admin/convai_tokens/story.html", context)


def _sessions_of(request: HttpRequest) -> tuple[QuerySet[LearnerSession], dict[str, str]]:
    whose = {name: request.GET[name] for name in ("user", "username") if request.GET.get(name)}
    sessions: Any = LearnerSession.objects.all()
    if "user" in whose:
        try:
            key = get_user_model()._meta.pk.clean(whose["user"], None)
        except ValidationError:
            raise Http404 from None
        return sessions.filter(user=key), {"user": whose["user"]}
    if "username" in whose:
        return sessions.filter(user=None, username=whose["username"]), whose
    raise Http404(_("Say whose story: ?user=<id> or ?username=<name>."))


def _before(request: HttpRequest, sessions: QuerySet[LearnerSession]) -> QuerySet[LearnerSession]:
    text = request.GET.get("before", "")
    if not text:
        return sessions
    at, _comma, pk = text.partition(",")
    try:
        started, last = parse_datetime(at.replace(" ", "+")), uuid.UUID(pk)
    except ValueError:
        raise Http404 from None
    if started is None:
        raise Http404
    return sessions.filter(Q(started_at__lt=started) | Q(started_at=started, pk__lt=last))


def _list_of(page: ReadOnlyAdmin[Any], model: str, whose: dict[str, str]) -> str:
    address = reverse(f"{page.admin_site.name}:convai_tokens_{model}_changelist")
    return f"{address}?{urlencode({f'{name}__exact': value for name, value in whose.items()})}"


def _by_day(
    page: ReadOnlyAdmin[Any], request: HttpRequest, sessions: list[LearnerSession]
) -> list[tuple[date, list[Told]]]:
    events = _events_of(sessions)
    days: dict[date, list[Told]] = defaultdict(list)
    for session in sessions:
        started = timezone.localtime(session.started_at)
        link = page_of(page, request.user, session, _("session"))
        told = Told(state_of(session), link)
        found = events[session.pk]
        told.hidden = len(found) > STEPS
        told.steps = _steps(session, found[-STEPS:])
        days[started.date()].append(told)
    return [*days.items()]


def _events_of(sessions: list[LearnerSession]) -> dict[uuid.UUID, list[TokenEvent]]:
    """Return the newest events of each session, in the order of time, in one query."""
    number = Window(RowNumber(), partition_by=F("session"), order_by=F("pk").desc())
    found = TokenEvent.objects.filter(session__in=[session.pk for session in sessions])
    rows = found.annotate(number=number).filter(number__lte=STEPS + 1)
    events: dict[uuid.UUID, list[TokenEvent]] = defaultdict(list)
    for event in sorted(rows, key=lambda it: it.pk):
        if event.session_id is not None:
            events[event.session_id].append(event)
    return events


def _steps(session: LearnerSession, events: list[TokenEvent]) -> list[Step]:
    """Put the events into sentences: what happened at once is one, an end with its revocation."""
    owed: dict[int | None, datetime] = {}
    started = session.started_at
    steps: list[Step] = []
    for event in events:
        text = _sentence(session, event, owed)
        if event.kind == EventKind.OWED:
            owed[event.token_id] = event.at
        if not text:
            continue
        if event.kind in JOINED and steps and event.at - steps[-1].at < timedelta(seconds=30):
            steps[-1].text += f", {text}"
            continue
        steps.append(Step(event.at, _clock(event.at, started), text))
    return steps


# What is told together with what came right before it.
JOINED = {EventKind.GENERATED, EventKind.FAILED, EventKind.REVOKED, EventKind.GONE}


def _clock(at: datetime, started: datetime) -> str:
    local, first = timezone.localtime(at), timezone.localtime(started)
    return f"{local:%H:%M}" if local.date() == first.date() else f"{local:%Y-%m-%d %H:%M}"


def _sentence(session: LearnerSession, event: TokenEvent, owed: dict[int | None, datetime]) -> str:
    by = _(" by %s") % event.actor_name if event.actor_name else ""
    if event.kind == EventKind.SESSION_STARTED:
        told = {"device": session.device, "stack": session.stack}
        at = _("login at %(device)s (%(stack)s)") if session.device else _("login (%(stack)s)")
        return at % told + by
    if event.kind == EventKind.SESSION_ENDED:
        return _end(event.detail or session.end_reason) + by
    if event.kind == EventKind.OWED:
        # What comes with the end of a session is told there.
        return "" if event.detail.startswith("Session ended") else f"{_('to be revoked')}{by}"
    words = {
        EventKind.GENERATED: _("token generated"),
        EventKind.EXTENDED: _("token extended"),
        EventKind.EXPIRED: _("token expired"),
        EventKind.LAPSED: _("revocation given up"),
        EventKind.FAILED: _("no token: %s") % (event.detail or "-"),
        EventKind.UNKNOWN: _("nobody knows whether Convai made a token: %s")
        % (event.detail or "-"),
        EventKind.GONE: _("Convai doesn't know the token any more"),
        EventKind.SESSION_RESUMED: _("seen again"),
    }
    if event.kind == EventKind.REVOKED:
        since = owed.get(event.token_id)
        return _("revoked after %s") % period(event.at - since) if since else _("revoked")
    return str(words.get(EventKind(event.kind), event.get_kind_display())) + by


def _end(reason: str) -> str:
    known = {it.value: it.label for it in EndReason}
    label = str(known.get(reason, reason or _("ended")))
    return label[:1].lower() + label[1:]
