"""What a step of the doctor finds, and how it is judged.

Texts in a step never hold a key, a token, a password of a URL, or the words of an exception that
isn't ours.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ParamSpec

from django.db import DatabaseError

P = ParamSpec("P")


class Status(StrEnum):
    """How a step ended, and the installation as a whole."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Step:
    """What one step found. ``cause`` and ``fix`` are empty unless something is to be done."""

    status: Status
    detail: str
    cause: str = ""
    fix: str = ""
    name: str = ""
    milliseconds: float | None = None


def ok(detail: str) -> Step:
    """Return a step without anything to be done."""
    return Step(Status.OK, detail)


def warning(detail: str, cause: str, fix: str) -> Step:
    """Return a step that somebody should look into."""
    return Step(Status.WARNING, detail, cause, fix)


def failed(detail: str, cause: str, fix: str) -> Step:
    """Return a step that keeps the app from its work."""
    return Step(Status.FAILED, detail, cause, fix)


def skipped(name: str, why: str) -> Step:
    """Return a step that was not taken."""
    return Step(Status.SKIPPED, why, name=name)


def timed(function: Callable[P, Step]) -> Callable[P, Step]:
    """Give the step its name and duration; make a failed step of whatever it raises."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Step:
        started = time.monotonic()
        try:
            found = function(*args, **kwargs)
        except DatabaseError as error:
            found = failed(
                f"The database raised {type(error).__name__}.",
                "The database can't be reached, or a table is missing.",
                "Check DATABASES; run manage.py migrate (and createcachetable, where used).",
            )
        except Exception as error:  # noqa: BLE001 - the doctor reports, whatever it meets
            found = failed(
                f"This step raised {type(error).__name__}.",
                "A setting of the wrong kind, or code or a server of your own that fails.",
                "Mend what other steps report first; then run manage.py check.",
            )
        took = round((time.monotonic() - started) * 1000, 1)
        return replace(found, name=function.__name__, milliseconds=took)

    return run


def verdict(steps: Iterable[Step]) -> Status:
    """Return the worst of the steps' statuses; skipped ones count as ok."""
    found = {step.status for step in steps}
    return next((worst for worst in (Status.FAILED, Status.WARNING) if worst in found), Status.OK)
