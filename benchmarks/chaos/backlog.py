"""A backlog: sweep workers share it, none does another's work, and none grows with it.

The rows are written in bulk, sealed as the app seals them and all due at the same moment, as when
many sessions end at once; the sandbox takes their tokens over by ``PUT /ledger``. Two parts:

* so many owed revocations, to the last one: each revoked once; how many a second, against what
  Convai's latency allows to workers x threads (from the first call's start to the last one's end,
  by the ledger's times); and the memory of the workers, sampled each second.
* more of them waiting, for a while: when the first one is revoked, counted from the start of the
  first process; and memory again. Then SIGTERM, after which nothing may stay claimed.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from convai_tokens.lifecycle.sealing import fingerprint, seal
from convai_tokens.models import ConvaiToken, EndReason, LearnerSession, TokenStatus
from convai_tokens.secret import Secret

from .ceiling import calls_per_second
from .learners import make_users
from .processes import Sweeper, all_stopped, cpu, memory
from .report import Report
from .sizes import BacklogSizes
from .world import DAY, World

NAME = "backlog"
BATCH = 2000  # rows written at once
FLOOR = 0.9  # of the throughput that the latency allows
FIRST = 5.0  # seconds until the first revocation
GROWTH = 1.1  # of memory, that still counts as flat
MB = 1024 * 1024


@dataclass
class Sample:
    """The largest worker's memory in bytes, so many seconds after the start."""

    at: float
    memory: int


def run(world: World, sizes: BacklogSizes, report: Report) -> None:
    """Revoke one backlog to the end, and begin another."""
    callers = sizes.workers * sizes.threads
    top = calls_per_second(world.sandbox.port, callers, 3.0)
    world.sandbox.set(latency=sizes.latency)
    reached = calls_per_second(world.sandbox.port, callers, 3.0)
    report.note(
        NAME,
        f"the sandbox alone, {callers} callers: {top:.0f} calls/s without latency, {reached:.1f} "
        f"with {sizes.latency * 1000:.0f} ms, which allow {callers / sizes.latency:.1f}",
    )
    peak = _to_the_end(world, sizes, report)
    world.reset()
    world.sandbox.set(latency=sizes.latency)
    _begin(world, sizes, report, peak)


def _to_the_end(world: World, sizes: BacklogSizes, report: Report) -> int:
    """Revoke all; return the largest memory of a worker in bytes."""
    _fill(world, sizes.owed)
    report.note(NAME, f"{sizes.owed} are owed")
    possible = sizes.workers * sizes.threads / sizes.latency
    started = time.time()
    deadline = started + 4 * sizes.owed / possible + 60
    samples: list[Sample] = []
    workers: list[Sweeper] = []
    sandbox = cpu(world.sandbox.pid)
    with all_stopped(workers):
        _start(world, sizes, workers)
        while (left := _owed().count()) and time.time() < deadline:
            _sample(samples, workers, started)
            if len(samples) % 20 == 0:
                report.note(NAME, f"{left} left, {samples[-1].memory / MB:.0f} MB")
            time.sleep(1)
        each = sum(cpu(worker.pid) for worker in workers) * 1000 / sizes.owed
        sandbox = (cpu(world.sandbox.pid) - sandbox) * 1000 / sizes.owed
    report.note(
        NAME,
        f"CPU for each revocation: {each:.1f} ms in the workers, their start included, "
        f"{sandbox:.1f} ms in the sandbox; load average {os.getloadavg()[0]:.1f}",
    )
    tokens = world.sandbox.ledger()["tokens"]
    times = sorted(moment for token in tokens for moment in token["revoke_calls"])
    once = sum(token["revoke_count"] == 1 for token in tokens)
    more = sum(token["revoke_count"] > 1 for token in tokens)
    took = _seconds(times[0], times[-1]) + sizes.latency
    reached = len(times) / took
    asked = f"{sizes.workers} workers on {sizes.owed} owed: none revoked twice"
    found = f"{once} revoked once, {more} more often, {_owed().count()} left"
    report.judge(NAME, asked, found, once == sizes.owed and more == 0)
    asked = f"throughput at least {FLOOR} of what {sizes.latency * 1000:.0f} ms allow "
    asked += f"to {sizes.workers} x {sizes.threads} threads ({possible:.1f}/s)"
    found = f"{reached:.1f}/s, {reached / possible:.3f} of it, over {took:.0f} s; "
    found += f"in its best minute {_best_minute(times):.1f}/s"
    report.judge(NAME, asked, found, reached >= FLOOR * possible if sizes.judge_speed else None)
    _judge_memory(report, sizes, samples, f"{sizes.owed} owed")
    return max(sample.memory for sample in samples)


def _begin(world: World, sizes: BacklogSizes, report: Report, peak: int) -> None:
    """Start on the larger backlog, look for a while, stop."""
    _fill(world, sizes.waiting)
    report.note(NAME, f"{sizes.waiting} are waiting")
    samples: list[Sample] = []
    workers: list[Sweeper] = []
    started = time.time()
    with all_stopped(workers):
        _start(world, sizes, workers)
        deadline = started + 60
        while time.time() < deadline and "/user/revoke-token" not in _calls(world):
            time.sleep(0.2)
        ends = time.time() + sizes.observe
        while time.time() < ends:
            _sample(samples, workers, started)
            time.sleep(1)
    tokens = world.sandbox.ledger()["tokens"]
    times = sorted(moment for token in tokens for moment in token["revoke_calls"])
    if not times:
        raise RuntimeError("Nothing was revoked within a minute.")
    first = _seconds(datetime.fromtimestamp(started, UTC).isoformat(), times[0])
    asked = f"first revocation within {FIRST:.0f} s of the start, {sizes.waiting} waiting"
    found = f"{first:.1f} s; {len(times)} in {sizes.observe:.0f} s"
    report.judge(NAME, asked, found, first <= FIRST if sizes.judge_speed else None)
    claimed = ConvaiToken.objects.filter(claimed_until__isnull=False).count()
    more = sum(token["revoke_count"] > 1 for token in tokens)
    asked = "stopped by SIGTERM: nothing stays claimed, nothing is revoked twice"
    report.judge(NAME, asked, f"{claimed} claimed, {more} twice", claimed == more == 0)
    _judge_memory(report, sizes, samples, f"{sizes.waiting} waiting")
    larger = max(sample.memory for sample in samples)
    asked = f"memory with {sizes.waiting} waiting at most {GROWTH} of that with {sizes.owed}"
    found = f"{larger / MB:.0f} MB against {peak / MB:.0f} MB"
    report.judge(NAME, asked, found, larger <= GROWTH * peak if sizes.judge_speed else None)


def _calls(world: World) -> dict[str, int]:
    calls: dict[str, int] = world.sandbox.summary()["calls"]
    return calls


def _start(world: World, sizes: BacklogSizes, workers: list[Sweeper]) -> None:
    for number in range(sizes.workers):
        workers.append(Sweeper(world, sizes.threads, f"backlog-{number}").__enter__())


def _sample(samples: list[Sample], workers: list[Sweeper], started: float) -> None:
    largest = max(memory(worker.pid) for worker in workers)
    samples.append(Sample(time.time() - started, largest))


def _judge_memory(report: Report, sizes: BacklogSizes, samples: list[Sample], what: str) -> None:
    """Compare the memory at the end with that once all workers are at work."""
    start, middle, end = (samples[int(len(samples) * part)] for part in (0.2, 0.5, 0.999))
    asked = f"memory flat (at most x {GROWTH}), largest worker, {what}"
    found = ", ".join(f"{s.memory / MB:.0f} MB at {s.at:.0f} s" for s in (start, middle, end))
    flat = max(s.memory for s in samples) <= GROWTH * start.memory
    report.judge(NAME, asked, found, flat if sizes.judge_speed else None)


def _best_minute(times: list[str]) -> float:
    """Return the calls a second in the best whole minute: with little else running."""
    moments = [datetime.fromisoformat(moment).timestamp() for moment in times]
    best = start = 0
    for end, moment in enumerate(moments):
        while moments[start] <= moment - 60:
            start += 1
        best = max(best, end - start + 1)
    return best / 60


def _seconds(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def _owed() -> QuerySet[ConvaiToken]:
    return ConvaiToken.objects.owed()


def _fill(world: World, count: int) -> None:
    """Write so many owed revocations, and let the sandbox know their tokens as live ones."""
    make_users(1)
    learner = User.objects.get()
    now = timezone.now()
    expires = now + timedelta(seconds=DAY)
    values = [f"{uuid.UUID(int=world.random.getrandbits(128))}" for _ in range(count)]
    for start in range(0, count, BATCH):
        sessions = [
            LearnerSession(
                user=learner,
                username=learner.username,
                stack="session",
                started_at=now,
                ended_at=now,
                end_reason=EndReason.API,
            )
            for _ in values[start : start + BATCH]
        ]
        # The ids are given, since a value is sealed for its row.
        tokens = [
            ConvaiToken(
                id=row,
                session=session,
                status=TokenStatus.REVOKING,
                sealed=seal(Secret(value), row, session.pk),
                fingerprint=fingerprint(Secret(value)),
                generated_at=now,
                expires_at=expires,
                owed_since=now,
                next_attempt_at=now,
            )
            for row, (session, value) in enumerate(
                zip(sessions, values[start : start + BATCH], strict=True), start + 1
            )
        ]
        with transaction.atomic():
            LearnerSession.objects.bulk_create(sessions)
            ConvaiToken.objects.bulk_create(tokens)
    connection.close()
    _register(world, values, now, expires)


def _register(world: World, values: list[str], now: datetime, expires: datetime) -> None:
    """Let the sandbox take the tokens over."""
    shown = {
        "generated_at": now.isoformat(),
        "expires_at": expires.isoformat(),
        "extended": [],
        "revoke_calls": [],
        "used": [],
        "refused_count": 0,
        "revoked_at": None,
        "ended_by": "",
    }
    ledger = {"summary": {}, "tokens": [{"value": value, **shown} for value in values]}
    status, _ = world.sandbox.call("PUT", "/ledger", json.dumps(ledger).encode())
    if status != 200:
        raise RuntimeError(f"The sandbox refused the tokens: {status}")
