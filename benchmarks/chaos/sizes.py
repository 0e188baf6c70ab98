"""How large each scenario of the chaos harness is: in full, and small for continuous integration.

The command line shows them before Django is set up, so that no scenario can be imported yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class OutageSizes:
    """How much of an outage."""

    sessions: int = field(metadata={"help": "sessions that end"})
    rounds: int = field(metadata={"help": "rounds, 5 minutes from one to the next"})
    round_seconds: float = field(metadata={"help": "real seconds of a round"})
    round_kills: int = field(metadata={"help": "kills at random moments of a round"})
    least_kills: int = field(metadata={"help": "kills that there have to be"})


FULL_OUTAGE = OutageSizes(
    sessions=1000, rounds=12, round_seconds=8.0, round_kills=6, least_kills=50
)
SMALL_OUTAGE = OutageSizes(sessions=40, rounds=2, round_seconds=4.0, round_kills=3, least_kills=4)


@dataclass(frozen=True)
class KillLoginsSizes:
    """How many killed logins."""

    login_kills: int = field(metadata={"help": "kills"})
    login_latency: float = field(metadata={"help": "seconds that Convai takes"})


FULL_KILL_LOGINS = KillLoginsSizes(login_kills=100, login_latency=0.1)
SMALL_KILL_LOGINS = KillLoginsSizes(login_kills=12, login_latency=0.05)


@dataclass(frozen=True)
class BacklogSizes:
    """How long a backlog, and who shares it."""

    owed: int = field(metadata={"help": "owed revocations that are carried out to the last one"})
    waiting: int = field(metadata={"help": "owed revocations that wait for the first one"})
    workers: int = field(metadata={"help": "sweep workers, each a process"})
    threads: int = field(metadata={"help": "threads of each"})
    latency: float = field(metadata={"help": "seconds that Convai takes"})
    observe: float = field(metadata={"help": "seconds to look at the waiting ones"})
    judge_speed: bool = True


FULL_BACKLOG = BacklogSizes(
    owed=20_000, waiting=100_000, workers=8, threads=4, latency=0.3, observe=40.0
)
SMALL_BACKLOG = BacklogSizes(
    owed=200, waiting=2000, workers=3, threads=4, latency=0.05, observe=4.0, judge_speed=False
)


# By the scenario's name: in full, and small.
SIZES: dict[str, tuple[Any, Any]] = {
    "outage": (FULL_OUTAGE, SMALL_OUTAGE),
    "kill-logins": (FULL_KILL_LOGINS, SMALL_KILL_LOGINS),
    "backlog": (FULL_BACKLOG, SMALL_BACKLOG),
}
