"""What processes tell of themselves, for the overview and the doctor.

A sweep tells of each pass. A breaker's row is written when it opens or closes, and so costs nobody
anything while Convai answers.
"""

from __future__ import annotations

import logging
import os
import socket
from datetime import UTC, datetime, timedelta

from django.db import Error, IntegrityError, transaction

from ..convai.client import get_client
from ..models import ProcessPart, ProcessState, database

logger = logging.getLogger("convai_tokens")

KEPT = timedelta(days=1)

_told: dict[ProcessPart, bool] = {}  # whether this process's rows say that a breaker is open


def note_pass(failed: int) -> None:
    """Note that a sweep came to its end on this host, or how many of its steps failed."""
    detail = "" if not failed else str(failed)
    _write(socket.gethostname(), ProcessPart.SWEEP, is_well=not failed, detail=detail)


def note_breakers() -> None:
    """Note whether this process calls Convai, if that has changed. Raises nothing."""
    client = get_client()
    now = {
        ProcessPart.GENERATING: client.breaker.is_open,
        ProcessPart.REVOKING: client.revoking.is_open,
    }
    for part, is_open in now.items():
        if is_open != _told.get(part, False):
            _told[part] = is_open
            _write(f"{socket.gethostname()}:{os.getpid()}", part, is_well=not is_open)


def _write(process: str, part: ProcessPart, *, is_well: bool, detail: str = "") -> None:
    state = {"is_well": is_well, "at": datetime.now(UTC), "detail": detail}
    mine = {"process": process[-100:], "part": part}
    try:
        with transaction.atomic(using=database()):
            if not ProcessState.primary.filter(**mine).update(**state):
                ProcessState.primary.create(**mine, **state)
    except IntegrityError:
        pass  # another sweep on this host was first
    except Error as error:
        logger.warning("Not noted that %s of %s changed: %r", part.value, process, error)


def last_passes() -> list[ProcessState]:
    """Return the latest pass of each host that sweeps, newest first."""
    return list(ProcessState.primary.filter(part=ProcessPart.SWEEP).order_by("-at"))


def open_breakers() -> list[ProcessState]:
    """Return the processes that didn't call Convai when they were last heard of, newest first."""
    states = ProcessState.primary.exclude(part=ProcessPart.SWEEP)
    since = datetime.now(UTC) - KEPT
    return list(states.filter(is_well=False, at__gte=since).order_by("-at"))


def purge_states() -> int:
    """Delete what was last heard of long ago, but for the newest sweep; return how many rows."""
    old = ProcessState.primary.filter(at__lt=datetime.now(UTC) - KEPT)
    newest = [state.pk for state in last_passes()[:1]]
    return old.exclude(pk__in=newest).delete()[0]


def forget_told() -> None:
    """Let a forked process tell of itself."""
    _told.clear()
