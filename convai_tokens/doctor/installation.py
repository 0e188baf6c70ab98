"""The doctor's steps that call nobody: settings, tables, keys, what is owed, cache and sweep.

Each names its likely cause and fix. Those on the way to Convai are in ``network.py``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import chain
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache as default_cache
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from ..checks import CHECKS, configuration, site, stacks
from ..conf import AppSettings, app_settings
from ..exceptions import SealBroken
from ..lifecycle.processes import last_passes
from ..lifecycle.sealing import seal, unseal
from ..lifecycle.tidying import lost_keys, sessions_of_key
from ..logins.bearer_stacks import bearer_stacks
from ..models import ConvaiToken, EventKind, TokenEvent, TokenStatus, database
from ..secret import Secret
from .step import Finding, Status, failed, ok, warning

KEY_GONE = "A key was taken away (a new SECRET_KEY counts), or processes have different settings."
KEY_BACK = (
    "Put the old key back at the end of ENCRYPTION_KEYS; an old SECRET_KEY too, or into "
    "SECRET_KEY_FALLBACKS where ENCRYPTION_KEYS is not set."
)
NOWHERE = uuid.UUID(int=0)
SAMPLE, MOST_OWED = 50, 500  # sealed values that are opened
OWED_LONG = timedelta(minutes=15)  # above revocation.LONGEST_DELAY: tried more than once
OVERDUE = timedelta(minutes=5)
GIVEN_UP = timedelta(days=7)
SWEEP_LATE, SWEEP_LOST = timedelta(minutes=15), timedelta(hours=2)
START_THE_SWEEP = "Run manage.py convai_sweep --watch as a service, or convai_sweep from cron."
# What the steps api_key, base_url and middleware tell themselves.
TOLD_ELSEWHERE = {
    f"convai_tokens.{number}"
    for number in ("E001", "W021", "E002", "E004", "E005", "E022", "W016", "W017")
}


def _judged(messages: Iterable[CheckMessage], detail: str) -> Finding:
    """Judge what system checks say; ``detail`` is for when they say nothing."""
    found = [message for message in messages if not message.is_silenced()]
    if not found:
        return ok(detail)
    fixes = dict.fromkeys(message.hint or "" for message in found)
    judge = failed if any(it.is_serious() for it in found) else warning
    told = " ".join(f"{message.id}: {message.msg}" for message in found)
    return judge(told, "The settings of the LMS.", " ".join(fixes))


def api_key() -> Finding:
    """Is there a key that fits into a header? It is never shown."""
    try:
        app_settings.api_key()
    except ImproperlyConfigured as error:
        if "header" in str(error):
            cause = "It was copied with something around it, or read from the wrong file."
            fix = "Copy it anew, as one line of plain characters."
            return failed("The API key holds characters that no header can carry.", cause, fix)
        return failed(
            "CONVAI_TOKENS['API_KEY'] is blank.",
            "The variable or file that it is read from is missing in this environment.",
            "Set it to the key of your Convai account, for this command and for the LMS alike.",
        )
    except Exception as error:  # noqa: BLE001 - it is the project's own callable
        return failed(
            f"CONVAI_TOKENS['API_KEY'] is a callable that raised {type(error).__name__}.",
            "The secrets store that it asks is out of reach, or turns this process down.",
            "Call it in manage.py shell, and mend what it needs (address, rights, network).",
        )
    return ok("Present (never shown).")


def base_url() -> Finding:
    """Would the key travel safely, and whereto?"""
    try:
        url = urlsplit(str(AppSettings.BASE_URL.given()))
        port = url.port
    except ValueError as error:
        fix = "Use https://api.convai.com."
        return failed(f"BASE_URL is no URL ({type(error).__name__}).", "A typing mistake.", fix)
    # Part by part, for a user and a password in it are not to be shown.
    where = f"{url.scheme}, {url.hostname}{f', port {port}' if port else ''}."
    values = configuration.check_values(None)
    return _judged((it for it in values if it.id == "convai_tokens.E002"), where)


def system_checks() -> Finding:
    """Do the app's own system checks pass, but for those that have a step here?"""
    messages = (message for check in CHECKS for message in check(None))
    return _judged((it for it in messages if it.id not in TOLD_ELSEWHERE), "All pass.")


def middleware() -> Finding:
    """Is the middleware there, and inside of those that it needs?"""
    return _judged(site.check_middleware(None), "In place.")


def login_stacks() -> Finding:
    """Does a known login stack serve each way in which the site authenticates, and vice versa?"""
    known = ", ".join(["session", *(stack.name for stack in bearer_stacks())])
    messages = [*stacks.check_authentication_classes(None), *stacks.check_stacks(None)]
    return _judged(messages, f"Known: {known}.")


def migrations() -> Finding:
    """Are the app's tables as this version wants them?"""
    executor = MigrationExecutor(connections[database()])
    targets = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] == "convai_tokens"]
    plan = executor.migration_plan(targets)
    if not plan:
        return ok(f"All applied to the database {database()!r}.")
    missing = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan)
    cause = "The app was installed or upgraded, and migrate has not been run since."
    return failed(f"Not applied: {missing}.", cause, "Run manage.py migrate.")


def encryption_keys() -> Finding:
    """Do the keys open the newest and oldest sealed values, and those that are owed?"""
    unseal(seal(Secret("any value"), 0, NOWHERE), 0, NOWHERE)  # raises if it doesn't open again
    tokens = ConvaiToken.primary.exclude(sealed="").only("sealed", "status")
    horizon = datetime.now(UTC) - app_settings.REVOKE_HORIZON  # older ones may be wiped any time
    living = tokens.filter(
        status__in=(TokenStatus.ACTIVE, TokenStatus.EXPIRED), expires_at__gte=horizon
    )
    sample = chain(
        living.order_by("-expires_at")[:SAMPLE],
        living.order_by("expires_at")[:SAMPLE],
        tokens.owed().order_by("owed_since")[:MOST_OWED],
    )
    rows = {token.pk: token for token in sample}
    shut = [token for token in rows.values() if not _opens(token)]
    own = AppSettings.ENCRYPTION_KEYS.given() is not None
    whose = "ENCRYPTION_KEYS" if own else "SECRET_KEY, as ENCRYPTION_KEYS is not set"
    unfound = sum(sessions_of_key(key).count() for key in lost_keys())
    if unfound and not shut:
        return failed(
            f"{unfound} open learner sessions were digested under a key that is gone: their "
            f"logouts would end nothing. Keys: {whose}.",
            KEY_GONE,
            f"{KEY_BACK} Or let the sweep end them: their learners log in once more.",
        )
    if not rows:
        return ok(f"No value is stored now; they seal and unseal. Keys: {whose}.")
    if not shut:
        return ok(f"They open all of {len(rows)} stored values looked at. Keys: {whose}.")
    lost = sum(token.status == TokenStatus.REVOKING for token in shut)
    return failed(
        f"{len(shut)} of {len(rows)} stored values looked at don't open, {lost} of them owed: "
        f"these can't be revoked. Keys: {whose}.",
        KEY_GONE,
        KEY_BACK,
    )


def _opens(token: ConvaiToken) -> bool:
    try:
        unseal(token.sealed, token.pk, token.session_id)
    except SealBroken:
        return False
    return True


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
        return ok(f"Revocations owed: {count}.")
    now = datetime.now(UTC)
    age = now - oldest.owed_since
    detail = f"Revocations owed: {count}, the oldest for {_age(age)}."
    if age <= OWED_LONG:
        return ok(detail)
    detail += f" Its last answer: {oldest.last_error.rstrip('.') or 'none, it was not tried'}."
    if oldest.next_attempt_at and oldest.next_attempt_at > now:
        detail += f" Its next try is in {_age(oldest.next_attempt_at - now)}."
    cause = "Convai doesn't confirm, or the sweep doesn't run; see generate, revoke and sweep."
    horizon: timedelta = app_settings.REVOKE_HORIZON
    fix = f"Mend that within {_age(horizon - age)}, or they begin to lapse."
    if age >= horizon:
        fix = (
            "Mend that; to have them tried for longer, raise REVOKE_HORIZON before the next sweep."
        )
    return (failed if age > horizon / 2 else warning)(detail, cause, fix)


def given_up() -> Finding:
    """How many tokens of late ended without Convai's confirmation?"""
    since = datetime.now(UTC) - GIVEN_UP
    events = TokenEvent.primary.filter(at__gte=since)
    lapsed = events.filter(kind=EventKind.LAPSED).count()
    unknown = events.filter(kind=EventKind.UNKNOWN).count()
    detail = f"Tokens of the last {_age(GIVEN_UP)}: {lapsed} lapsed, {unknown} unknown."
    if not lapsed + unknown:
        return ok(detail)
    causes = []
    if lapsed:
        causes.append("Convai confirmed no revocation for as long as REVOKE_HORIZON.")
    if unknown:
        causes.append(
            "Convai's answer to generate was lost (a timeout, a reset, a 5xx), or a process was "
            "killed meanwhile: nobody has such a token, which lives for about an hour."
        )
    fix = "After an outage: nothing. Else list them in the admin by status; last error tells why."
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
        cause = "The cache's server is down or out of reach, or its table is missing."
        fix = (
            "Check CACHES['default'] and its server; for the database: manage.py createcachetable."
        )
        return failed(f"{backend} raised {type(error).__name__}.", cause, fix)
    if not cache_is_shared():
        cause = "Each process throttles by itself."
        fix = "Use Redis, Memcached or the database as CACHES['default']."
        return warning(f"{backend} is not shared between processes.", cause, fix)
    if not is_there:
        cause = "The cache's server is down (some backends keep quiet about it) or full."
        return failed(f"{backend} keeps nothing.", cause, "Check the cache's server.")
    return ok(f"{backend}, shared between processes.")


def sweep() -> Finding:
    """When did a sweep last come to its end?"""
    passes = last_passes()
    well = [it for it in passes if it.is_well]
    if not well and passes:
        cause = "See the sweep's log: what it meets in the database."
        return failed(f"Each pass fails in {passes[0].detail} steps.", cause, START_THE_SWEEP)
    if not well:
        cause = "The sweep was never set up, or stopped more than a day ago."
        return warning("No sweep has come to its end.", cause, START_THE_SWEEP)
    age = datetime.now(UTC) - well[0].at
    detail = f"Last came to its end {_age(age)} ago."
    if age <= SWEEP_LATE:
        return ok(detail)
    judge = failed if age > SWEEP_LOST else warning
    cause = "The service or cron job of the sweep has stopped, or a step fails in each pass."
    return judge(detail, cause, f"See its log, and failed= in its line. {START_THE_SWEEP}")


def overdue(swept: Status) -> Finding:
    """Is something due that nobody claims? ``swept`` is how the step sweep ended."""
    due = ConvaiToken.primary.due(datetime.now(UTC) - OVERDUE)
    count = due.count()
    detail = f"Revocations due and unclaimed for more than {_age(OVERDUE)}: {count}."
    if not count:
        return ok(detail)
    if swept is Status.OK:
        cause = "The sweep runs, but Convai fails it, so that it stops early."
        return warning(detail, cause, "See generate and revoke; what is owed is kept meanwhile.")
    return failed(detail, "The sweep isn't running.", START_THE_SWEEP)
