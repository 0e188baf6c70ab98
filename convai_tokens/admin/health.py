"""Does it work now? What an administrator is told, in plain words, with what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..exceptions import ErrorCode
from ..lifecycle.processes import last_passes, open_breakers
from ..models import ConvaiToken, EventKind, ProcessPart, TokenEvent, TokenStatus
from .shown import period

HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
SWEEP_LATE = timedelta(minutes=15)
OWED_LONG = timedelta(minutes=15)
CAP = 10_000

OK, ATTENTION, BAD = "ok", "attention", "bad"
LEVELS = [OK, ATTENTION, BAD]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, and what to do if it isn't well."""

    level: str
    text: str
    action: str = ""
    state: str = ""  # of the tokens that it is about, as their list filters them


def findings() -> list[Finding]:
    """Look at all that may be wrong; asks the database a fixed number of times."""
    return [_convai(), _failures(), _sweep(), _owed(), _shut(), _lapsed()]


def headline(found: list[Finding]) -> Finding:
    """Return in one line whether it works."""
    worst = max((finding.level for finding in found), key=LEVELS.index)
    text = {
        OK: _("Convai tokens work."),
        ATTENTION: _("Convai tokens work, but something needs attention."),
        BAD: _("Convai tokens don't work as they should."),
    }
    return Finding(worst, text[worst])


def capped(rows: QuerySet[Any]) -> int:
    """Return how many rows there are, up to a cap."""
    return rows.order_by()[:CAP].count()


def _convai() -> Finding:
    since = datetime.now(UTC) - HOUR
    paused = [it for it in open_breakers() if it.at > since]
    generating = [it for it in paused if it.part == ProcessPart.GENERATING]
    if not paused:
        return Finding(OK, _("No process of the site has stopped calling Convai."))
    first = paused[-1].at
    ago = period(datetime.now(UTC) - first)
    count = len(generating or paused)
    if generating:
        text = ngettext(
            "%(count)d process stopped calling Convai %(ago)s ago: its logins get no token.",
            "%(count)d processes stopped calling Convai, the first %(ago)s ago: their logins get "
            "no token.",
            count,
        )
    else:
        text = ngettext(
            "%(count)d process can't revoke at Convai, since %(ago)s.",
            "%(count)d processes can't revoke at Convai, the first since %(ago)s.",
            count,
        )
    action = _(
        "They try again by themselves. If Convai tells of no outage, run manage.py convai_doctor."
    )
    return Finding(BAD, text % {"count": count, "ago": ago}, action)


def _failures() -> Finding:
    since = datetime.now(UTC) - HOUR
    events = TokenEvent.objects.filter(at__gte=since)
    bad = capped(events.filter(kind__in=[EventKind.FAILED, EventKind.UNKNOWN]))
    good = capped(events.filter(kind=EventKind.GENERATED))
    numbers = {"bad": bad, "good": good}
    if not bad:
        return Finding(
            OK, _("Within the last hour %(good)d tokens were given, none failed.") % numbers
        )
    failed = ConvaiToken.objects.filter(status__in=[TokenStatus.FAILED, TokenStatus.UNKNOWN])
    latest = failed.order_by("-generated_at").values_list("last_error", flat=True).first()
    text = _("Within the last hour %(good)d tokens were given, %(bad)d failed.") % numbers
    action = _("The latest error: %s") % (latest or "-")
    return Finding(BAD if bad > good else ATTENTION, text, action, "failed")


def _sweep() -> Finding:
    start = _("Run manage.py convai_sweep --watch as a service, or convai_sweep from cron.")
    passes = last_passes()
    well = [it for it in passes if it.is_well]
    if not well:
        text = _("No sweep has come to its end.")
        if passes:
            text = _("The sweep fails in %s steps of each pass; its log tells why.") % (
                passes[0].detail
            )
        return Finding(BAD if passes else ATTENTION, text, start)
    age = datetime.now(UTC) - well[0].at
    text = _("The sweep last came to its end %s ago.") % period(age)
    return Finding(OK, text) if age <= SWEEP_LATE else Finding(BAD, text, start)


def _owed() -> Finding:
    owed = ConvaiToken.objects.owed()
    count = capped(owed)
    oldest = owed.exclude(owed_since=None).order_by("owed_since").first() if count else None
    if oldest is None or oldest.owed_since is None:
        return Finding(OK, _("No revocation is owed."))
    age = datetime.now(UTC) - oldest.owed_since
    text = ngettext(
        "%(count)d revocation is owed, for %(age)s.",
        "%(count)d revocations are owed, the oldest for %(age)s.",
        count,
    ) % {"count": count, "age": period(age)}
    if age <= OWED_LONG:
        return Finding(OK, text, state="owed")
    action = _("The oldest one's last answer: %s") % (oldest.last_error or _("it was not tried"))
    return Finding(ATTENTION, text, action, "owed")


def _shut() -> Finding:
    shut = ConvaiToken.objects.owed().filter(last_error__startswith=f"{ErrorCode.SEAL_BROKEN}:")
    count = capped(shut)
    if not count:
        return Finding(OK, _("Each token that is owed can be opened by a key."))
    text = ngettext(
        "%d token can't be revoked: no encryption key opens it.",
        "%d tokens can't be revoked: no encryption key opens them.",
        count,
    )
    action = _("Put the key back at the end of ENCRYPTION_KEYS (a former SECRET_KEY counts).")
    return Finding(BAD, text % count, action, "owed-shut")


def _lapsed() -> Finding:
    events = TokenEvent.objects.filter(kind=EventKind.LAPSED, at__gte=datetime.now(UTC) - WEEK)
    count = capped(events)
    if not count:
        return Finding(OK, _("Within the last seven days no token lapsed."))
    text = ngettext(
        "Within the last seven days %d token lapsed: Convai never confirmed its revocation.",
        "Within the last seven days %d tokens lapsed: Convai never confirmed their revocations.",
        count,
    )
    action = _("After a long outage: nothing, they have expired. Else see the tokens' last errors.")
    return Finding(ATTENTION, text % count, action, "lapsed")
