"""The doctor's steps on what goes on: what is owed and given up, the cache, the sweep."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.cache import cache as default_cache
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..checks import site
from ..conf import app_settings
from ..lifecycle.processes import last_passes
from ..models import ConvaiToken, EventKind, TokenEvent
from .step import Finding, Status, failed, ok, warning

OWED_LONG = timedelta(minutes=15)  # above revocation.LONGEST_DELAY: tried more than once
OVERDUE = timedelta(minutes=5)
GIVEN_UP = timedelta(days=7)
SWEEP_LATE, SWEEP_LOST = timedelta(minutes=15), timedelta(hours=2)
START_THE_SWEEP = gettext_lazy(
    "Run manage.py convai_sweep --watch as a service, or convai_sweep from cron."
)


def _age(period: timedelta) -> str:
    """Return a period in words, rounded: 40 s, 12 min, 5 h, 3 days."""
    seconds = period.total_seconds()
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds / 86400)} days"


def owed() -> Finding:
    """How much is owed, and for how long?"""
    tokens = ConvaiToken.primary.owed()
    count = tokens.count()
    oldest = tokens.exclude(owed_since=None).order_by("owed_since").first()
    if oldest is None or oldest.owed_since is None:
        return ok(_("Revocations owed: %(count)s.") % {"count": count})
    now = datetime.now(UTC)
    age = now - oldest.owed_since
    detail = _("Revocations owed: %(count)s, the oldest for %(age)s.") % {
        "count": count,
        "age": _age(age),
    }
    if age <= OWED_LONG:
        return ok(detail)
    detail += _(" Its last answer: %(value)s.") % {
        "value": oldest.last_error.rstrip(".") or _("none, it was not tried")
    }
    if oldest.next_attempt_at and oldest.next_attempt_at > now:
        detail += _(" Its next try is in %(age)s.") % {"age": _age(oldest.next_attempt_at - now)}
    cause = _("Convai doesn't confirm, or the sweep doesn't run; see generate, revoke and sweep.")
    horizon: timedelta = app_settings.REVOKE_HORIZON
    fix = _("Mend that within %(age)s, or they begin to lapse.") % {"age": _age(horizon - age)}
    if age >= horizon:
        fix = _(
            "Mend that; to have them tried for longer, raise REVOKE_HORIZON before the next sweep."
        )
    return (failed if age > horizon / 2 else warning)(detail, cause, fix)


def given_up() -> Finding:
    """How many tokens of late ended without Convai's confirmation?"""
    since = datetime.now(UTC) - GIVEN_UP
    events = TokenEvent.primary.filter(at__gte=since)
    lapsed = events.filter(kind=EventKind.LAPSED).count()
    unknown = events.filter(kind=EventKind.UNKNOWN).count()
    detail = _("Tokens of the last %(age)s: %(lapsed)s lapsed, %(unknown)s unknown.") % {
        "age": _age(GIVEN_UP),
        "lapsed": lapsed,
        "unknown": unknown,
    }
    if not lapsed + unknown:
        return ok(detail)
    causes = []
    if lapsed:
        causes.append(_("Convai confirmed no revocation for as long as REVOKE_HORIZON."))
    if unknown:
        causes.append(
            _(
                "Convai's answer to generate was lost (a timeout, a reset, a 5xx), or a "
                "process was killed meanwhile: nobody has such a token, which lives for "
                "about an hour."
            )
        )
    fix = _(
        "After an outage: nothing. Else list them in the admin by status; last error tells why."
    )
    return warning(detail, " ".join(causes), fix)


def cache_is_shared() -> bool:
    """Tell whether the default cache is one for all processes, as far as its backend tells."""
    return not site.check_shared_cache(None)


def cache() -> Finding:
    """Does the default cache keep things, and is it shared?"""
    backend = str(settings.CACHES["default"]["BACKEND"]).rpartition(".")[2]
    key = f"convai_tokens.doctor.{uuid.uuid4()}"  # two doctors may be at it
    try:
        default_cache.set(key, "there", timeout=60)
        is_there = default_cache.get(key) == "there"
        default_cache.delete(key)
    except Exception as error:  # noqa: BLE001 - each backend has its own
        cause = _("The cache's server is down or out of reach, or its table is missing.")
        fix = _(
            "Check CACHES['default'] and its server; for the database: manage.py createcachetable."
        )
        return failed(
            _("%(backend)s raised %(name)s.") % {"backend": backend, "name": type(error).__name__},
            cause,
            fix,
        )
    if not cache_is_shared():
        cause = _("Each process throttles by itself.")
        fix = _("Use Redis, Memcached or the database as CACHES['default'].")
        return warning(
            _("%(backend)s is not shared between processes.") % {"backend": backend}, cause, fix
        )
    if not is_there:
        cause = _("The cache's server is down (some backends keep quiet about it) or full.")
        return failed(
            _("%(backend)s keeps nothing.") % {"backend": backend},
            cause,
            _("Check the cache's server."),
        )
    return ok(_("%(backend)s, shared between processes.") % {"backend": backend})


def sweep() -> Finding:
    """When did a sweep last come to its end?"""
    passes = last_passes()
    well = [it for it in passes if it.is_well]
    if not well and passes:
        cause = _("See the sweep's log: what it meets in the database.")
        return failed(
            _("Each pass fails in %(detail)s steps.") % {"detail": passes[0].detail},
            cause,
            START_THE_SWEEP,
        )
    if not well:
        cause = _("The sweep was never set up, or stopped more than a day ago.")
        return warning(_("No sweep has come to its end."), cause, START_THE_SWEEP)
    age = datetime.now(UTC) - well[0].at
    detail = _("Last came to its end %(age)s ago.") % {"age": _age(age)}
    if age <= SWEEP_LATE:
        return ok(detail)
    judge = failed if age > SWEEP_LOST else warning
    cause = _("The service or cron job of the sweep has stopped, or a step fails in each pass.")
    return judge(
        detail,
        cause,
        _("See its log, and failed= in its line. %(start_the_sweep)s")
        % {"start_the_sweep": START_THE_SWEEP},
    )


def overdue(swept: Status) -> Finding:
    """Is something due that nobody claims? ``swept`` is how the step sweep ended."""
    due = ConvaiToken.primary.due(datetime.now(UTC) - OVERDUE)
    count = due.count()
    detail = _("Revocations due and unclaimed for more than %(age)s: %(count)s.") % {
        "age": _age(OVERDUE),
        "count": count,
    }
    if not count:
        return ok(detail)
    if swept is Status.OK:
        cause = _("The sweep runs, but Convai fails it, so that it stops early.")
        return warning(detail, cause, _("See generate and revoke; what is owed is kept meanwhile."))
    return failed(detail, _("The sweep isn't running."), START_THE_SWEEP)
