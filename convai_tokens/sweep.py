"""The sweep: the periodic pass that pays owed revocations and tidies up.

Each step is safe to run in any number of processes at once, and works in batches, so that neither
memory nor a transaction grows with the backlog.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, transaction
from django.db.models import Q
from django.utils import timezone

from .conf import app_settings
from .lifecycle import Kind, Status, database, end_sessions, record
from .models import ConvaiToken, EndReason, LearnerSession, TokenEvent
from .revocation import CLAIM, claim, pay

logger = logging.getLogger("convai_tokens")

STALE = timedelta(minutes=2)  # a generate call that hasn't come back by then has died
BATCH = 500
SEEN_KEY = "convai_tokens.sweep_seen"
DEAD = (Status.REVOKED, Status.GONE, Status.LAPSED, Status.FAILED, Status.UNKNOWN)


@dataclass
class SweepReport:
    """What one sweep did, in rows; ``owed`` is what is still owed after it."""

    unknown: int = 0
    expired: int = 0
    ended: int = 0
    revoked: int = 0
    lapsed: int = 0
    wiped: int = 0
    purged: int = 0
    owed: int = 0


def sweep(
    workers: int = 8,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[SweepReport], None] = lambda report: None,
) -> SweepReport:
    """Make one pass, with up to ``workers`` calls to Convai at once; return what it did.

    ``stopped`` is asked between batches; once it says yes, the sweep finishes what it holds.
    ``progress`` is told what is done so far, about twice a second while revocations are paid.
    """
    report = SweepReport()
    report.unknown = give_up_generating()
    report.expired = expire()
    report.ended = end_sessions_of_lost_users()
    report.lapsed = lapse()
    pay_all(report, workers, stopped, progress)
    report.wiped = wipe_expired()
    report.purged = 0 if stopped() else purge(stopped)
    if not stopped():
        note_seen()
    report.owed = count_owed()
    return report


def note_seen() -> None:
    """Let ``convai_doctor`` know that a sweep came to its end; it did so without a cache too."""
    try:
        cache.set(SEEN_KEY, timezone.now(), timeout=None)
    except Exception as error:  # noqa: BLE001 - whatever the cache's backend raises
        logger.warning("The cache doesn't take when the sweep was last seen: %r", error)


def count_owed() -> int:
    """Return how many revocations are owed."""
    return ConvaiToken.objects.using(database()).owed().count()


def last_seen() -> datetime | None:
    """Return when a sweep last came to its end (aware UTC), as far as the default cache knows."""
    seen: datetime | None = cache.get(SEEN_KEY)
    return seen


def give_up_generating() -> int:
    """Mark generate calls that died as unknown: Convai may hold a token that nobody has.

    Among them are those whose session ended meanwhile, which have no value to revoke.
    """
    valueless = Q(status=Status.GENERATING) | Q(status=Status.REVOKING, sealed="")
    died = valueless & Q(generated_at__lt=timezone.now() - STALE)
    froms = (Status.GENERATING, Status.REVOKING)
    detail = "The process died while Convai was generating"
    return _move_all(died, froms, Status.UNKNOWN, Kind.UNKNOWN, detail, also=Q(sealed=""))


def expire() -> int:
    """Mark active tokens whose time has passed by our clock as expired; keep their values.

    By our clock isn't for certain: whoever has the token may have extended it.
    """
    passed = Q(status=Status.ACTIVE, expires_at__lte=timezone.now())
    still = Q(expires_at__lte=timezone.now())
    return _move_all(passed, (Status.ACTIVE,), Status.EXPIRED, Kind.EXPIRED, also=still)


def lapse() -> int:
    """Give up what could not be confirmed within ``REVOKE_HORIZON``, and wipe its value."""
    overdue = Q(status=Status.REVOKING, owed_since__lt=_horizon()) & ~Q(sealed="")
    unclaimed = Q(claimed_until=None) | Q(claimed_until__lt=timezone.now())
    count = _move_all(
        overdue & unclaimed,
        (Status.REVOKING,),
        Status.LAPSED,
        Kind.LAPSED,
        "Not confirmed within REVOKE_HORIZON",
        also=unclaimed,
        sealed="",
    )
    if count:
        logger.error("%d tokens lapsed: Convai confirmed their revocation to nobody.", count)
    return count


def wipe_expired() -> int:
    """Wipe the values of expired tokens that can't be alive any more; return how many."""
    tokens = ConvaiToken.objects.using(database())
    long_expired = tokens.filter(status=Status.EXPIRED, expires_at__lt=_horizon())
    return long_expired.exclude(sealed="").update(sealed="")


def _horizon() -> datetime:
    horizon: timedelta = app_settings.REVOKE_HORIZON
    return timezone.now() - horizon


def _move_all(
    which: Q,
    froms: tuple[str, ...],
    to: str,
    kind: TokenEvent.Kind,
    detail: str = "",
    *,
    also: Q,
    **fields: str,
) -> int:
    """Move all tokens that match, batch by batch, with one event each; return how many.

    ``also`` is asked once more in the UPDATE, for the row may have changed since it was found.
    """
    tokens = ConvaiToken.objects.using(database())
    moved, last = 0, 0
    while True:
        found = tokens.filter(which, pk__gt=last).order_by("pk")
        batch = list(found.values_list("pk", "session_id")[:BATCH])
        if not batch:
            return moved
        for token_id, session_id in batch:
            with transaction.atomic(using=database()):
                if tokens.filter(also).move(token_id, *froms, to=to, **fields):
                    record(kind, session_id, token_id, detail)
                    moved += 1
        last = batch[-1][0]


def end_sessions_of_lost_users() -> int:
    """End the open sessions of users who were deactivated or vanished without a signal."""
    lost = {EndReason.USER_DELETED: Q(user=None)}
    try:
        get_user_model()._meta.get_field("is_active")
    except FieldDoesNotExist:
        pass
    else:
        lost[EndReason.USER_DEACTIVATED] = Q(user__is_active=False)
    ended = 0
    sessions = LearnerSession.objects.using(database())
    for reason, which in lost.items():
        while ids := list(sessions.open().filter(which).values_list("pk", flat=True)[:BATCH]):
            ended += end_sessions(LearnerSession.objects.filter(pk__in=ids), reason)
    return ended


def pay_all(
    report: SweepReport,
    workers: int,
    stopped: Callable[[], bool],
    progress: Callable[[SweepReport], None],
) -> None:
    """Pay what is due until nothing is, or until Convai fails a whole claim; count it."""
    if workers == 1:
        for settled in _payments(stopped):
            report.revoked += settled
            progress(report)
        return
    counts: queue.SimpleQueue[int] = queue.SimpleQueue()
    with ThreadPoolExecutor(workers, thread_name_prefix="convai-sweep") as pool:
        paying = [pool.submit(_pay_in_thread, stopped, counts) for _ in range(workers)]
        under_way = True
        while under_way:
            # With a timeout: the system may deliver a stop signal to any thread, and Python runs
            # its handler only once this one wakes up.
            under_way = bool(wait(paying, timeout=0.5).not_done)
            while not counts.empty():
                report.revoked += counts.get()
            progress(report)
    for thread in paying:
        thread.result()  # raises what the thread raised


def _pay_in_thread(stopped: Callable[[], bool], counts: queue.SimpleQueue[int]) -> None:
    try:
        for settled in _payments(stopped):
            counts.put(settled)
    finally:
        connections.close_all()


def _payments(stopped: Callable[[], bool]) -> Iterator[int]:
    """Yield for each claim how many of its tokens are dead now."""
    settled = 1
    while settled and not stopped():
        settled = sum(pay(token) for token in claim(CLAIM))
        yield settled


def purge(stopped: Callable[[], bool]) -> int:
    """Delete what is older than ``RETENTION``, and nothing that is owed; return how many rows.

    In windows of the primary key, newest events last, so that no statement runs long.
    """
    retention: timedelta = app_settings.RETENTION
    before = timezone.now() - retention
    tokens = ConvaiToken.objects.using(database())
    sessions = LearnerSession.objects.using(database())
    events = TokenEvent.objects.using(database())
    purged = 0
    dead = Q(status__in=DEAD) | Q(status=Status.EXPIRED, sealed="")
    old = tokens.filter(dead, generated_at__lt=before).order_by("pk")
    while (ids := list(old.values_list("pk", flat=True)[:BATCH])) and not stopped():
        with transaction.atomic(using=database()):
            purged += events.filter(token__in=ids).delete()[0]
            purged += tokens.filter(dead, pk__in=ids).delete()[0]
    empty = sessions.filter(started_at__lt=before, tokens=None).order_by("pk")
    while (keys := list(empty.values_list("pk", flat=True)[:BATCH])) and not stopped():
        with transaction.atomic(using=database()):
            purged += events.filter(session__in=keys).delete()[0]
            purged += sessions.filter(pk__in=keys, tokens=None).delete()[0]
    return purged
