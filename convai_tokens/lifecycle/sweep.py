"""The sweep: the periodic pass that makes owed revocations and tidies up.

Any number of processes may sweep at once. Memory, transactions and the length of a pass don't grow
with the backlog, and whatever a step meets in the database doesn't keep the others from their work.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db import Error, close_old_connections, connections

from ..convai.client import get_client
from ..models import ConvaiToken, TokenStatus
from . import tidying
from .chain import extend_chain
from .clock import AGREE, host_ahead
from .counting import count_events
from .ending_all import write_ends
from .orders import carry_out_orders
from .processes import note_breakers, note_pass
from .revocation import CLAIM, claim, revoke_claimed
from .tenants import as_tenant, tenant, tenants
from .vanished import end_vanished

logger = logging.getLogger("convai_tokens")

# Seconds of a pass, in all about the minute after which cron starts the next one: so passes don't
# pile up, and neither keeps a long backlog the rest from being tidied up, nor the other way round.
REVOKE_FOR, TIDY_FOR = 40.0, 15.0


class Step(NamedTuple):
    """A step of tidying up; ``name`` is that of its count, a field of ``SweepReport``.

    ``by_time`` tells that what has passed decides, and that nothing takes it back.
    """

    name: str
    run: Callable[[tidying.Stopped], int]
    by_time: bool = True


# What comes after revoking, in this order.
STEPS = [
    Step("ordered", carry_out_orders, by_time=False),
    Step("written", write_ends, by_time=False),
    Step("ended", tidying.end_sessions_of_lost_users, by_time=False),
    Step("keyless", tidying.end_sessions_of_lost_keys, by_time=False),
    Step("vanished", end_vanished),
    Step("lapsed", tidying.lapse),
    Step("unknown", tidying.give_up_generating),
    Step("expired", tidying.expire),
    Step("wiped", tidying.wipe_expired),
    Step("unseen", tidying.end_unseen),
    Step("chained", extend_chain),
    Step("counted", count_events),
    Step("purged", tidying.purge),
]


@dataclass
class SweepReport:
    """What one sweep did, in rows; ``owed`` is what is still owed after it.

    ``failed`` counts the steps that met an error of the database, which is in the log. ``more``
    tells that the time was up before all was done.
    """

    revoked: int = 0
    gone: int = 0
    lapsed: int = 0
    ordered: int = 0
    written: int = 0
    ended: int = 0
    keyless: int = 0
    vanished: int = 0
    unknown: int = 0
    expired: int = 0
    wiped: int = 0
    unseen: int = 0
    chained: int = 0
    counted: int = 0
    purged: int = 0
    owed: int = 0
    failed: int = 0
    more: bool = False

    def add(self, other: SweepReport) -> None:
        """Count what was done elsewhere too."""
        for field in fields(self):
            ours, theirs = getattr(self, field.name), getattr(other, field.name)
            setattr(self, field.name, ours or theirs if field.name == "more" else ours + theirs)


def sweep(
    workers: int = 8,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[SweepReport], None] = lambda report: None,
) -> SweepReport:
    """Make one pass, with up to ``workers`` calls to Convai at once; return what it did.

    On a site with tenants, over all of them. ``stopped`` is asked between batches; once it says
    yes, the sweep finishes what it holds. ``progress`` is told what is done so far, about twice a
    second while it revokes.
    """
    report = SweepReport()
    for school in tenants():
        with as_tenant(school):
            report.add(_sweep_tables(workers, stopped, progress))
    return report


def _sweep_tables(
    workers: int, stopped: Callable[[], bool], progress: Callable[[SweepReport], None]
) -> SweepReport:
    report = SweepReport()
    time_to_revoke = _within(REVOKE_FOR, report, stopped)
    revoke = partial(revoke_due, report, workers, time_to_revoke, progress)
    # What is owed comes first, before anything that may take long.
    _safely(report, revoke)
    untried = report.more or report.failed
    time_to_tidy = _within(TIDY_FOR, report, stopped)
    right = _clock_is_right(report)
    for step in STEPS:
        if step.by_time and not right:
            continue
        # What is beyond the horizon gets a try before it is given up.
        if not (step.run is tidying.lapse and untried):
            _safely(report, partial(_tidy, report, step, time_to_tidy))
    if report.ordered or report.written or report.ended or report.keyless or report.vanished:
        _safely(report, revoke)
    _safely(report, partial(_count_owed, report))
    note_breakers()
    if report.failed or not stopped():
        note_pass(report.failed)
    return report


def _clock_is_right(report: SweepReport) -> bool:
    """Tell whether what has passed may be judged here; log it and count it if not."""
    ahead = timedelta()

    def ask() -> None:
        nonlocal ahead
        ahead = host_ahead()

    failed = report.failed
    _safely(report, ask)
    if abs(ahead) <= AGREE:
        return report.failed == failed
    logger.error(
        "This host's clock is %.0f s ahead of the database's: nothing is expired, lapsed, given up "
        "or purged before they agree. Switch on time synchronisation here.",
        ahead.total_seconds(),
    )
    report.failed += 1
    return False


def _within(seconds: float, report: SweepReport, stopped: Callable[[], bool]) -> Callable[[], bool]:
    """Return what tells whether to stop, by the clock too."""
    until = time.monotonic() + seconds

    def is_over() -> bool:
        late = time.monotonic() > until
        report.more = report.more or late
        return late or stopped()

    return is_over


def _tidy(report: SweepReport, step: Step, is_over: Callable[[], bool]) -> None:
    setattr(report, step.name, step.run(is_over))


def _count_owed(report: SweepReport) -> None:
    report.owed = count_owed()


def _safely(report: SweepReport, step: Callable[[], None]) -> None:
    """Take one step; log and count what the database raises: a deadlock, a lost connection."""
    try:
        step()
    except Error:
        logger.exception("A step of the sweep failed; the next pass takes it again.")
        report.failed += 1
        close_old_connections()  # among them one that the database has dropped


def revoke_due(
    report: SweepReport,
    workers: int,
    is_over: Callable[[], bool],
    progress: Callable[[SweepReport], None],
) -> None:
    """Revoke what is due until nothing is, or Convai is known to be down; count it."""
    breaker = get_client().revoking
    # One call is the probe; of others beside it each would only find that one is under way.
    while breaker.is_open and not (is_over() or breaker.pause_left):
        probe = claim(1)
        if not probe:
            return
        _count(report, [status for status in map(revoke_claimed, probe) if status])
    if workers == 1:
        for dead in _claims(is_over):
            _count(report, dead)
            progress(report)
        return
    outcomes: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    with ThreadPoolExecutor(workers, thread_name_prefix="convai-sweep") as pool:
        revoke = partial(_revoke_in_thread, tenant(), is_over, outcomes)
        revoking = [pool.submit(revoke) for _ in range(workers)]
        under_way = True
        while under_way:
            # With a timeout: the system may deliver a stop signal to any thread, and Python runs
            # its handler only once this one wakes up.
            under_way = bool(wait(revoking, timeout=0.5).not_done)
            while not outcomes.empty():
                _count(report, outcomes.get())
            progress(report)
    for thread in revoking:
        thread.result()  # raises what the thread raised


def _count(report: SweepReport, dead: list[str]) -> None:
    report.revoked += dead.count(TokenStatus.REVOKED)
    report.gone += dead.count(TokenStatus.GONE)


def _revoke_in_thread(
    whose: Any, is_over: Callable[[], bool], outcomes: queue.SimpleQueue[list[str]]
) -> None:
    try:
        with as_tenant(whose):
            for dead in _claims(is_over):
                outcomes.put(dead)
    finally:
        connections.close_all()


def _claims(is_over: Callable[[], bool]) -> Iterator[list[str]]:
    """Yield for each claim how those of its tokens died that are dead now."""
    while not (is_over() or get_client().revoking.pause_left):
        tokens = claim(CLAIM)
        if not tokens:
            return
        yield [status for status in map(revoke_claimed, tokens) if status]


def count_owed() -> int:
    """Return how many revocations are owed."""
    return ConvaiToken.primary.owed().count()
