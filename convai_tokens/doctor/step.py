"""A step of the doctor, what it found, and how that is judged.

Texts in a finding never hold a key, a token, a password of a URL, or the words of an exception
that isn't ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from django.db import DatabaseError
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Status(StrEnum):
    """How a step ended, and the installation as a whole."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """What one step found. ``cause`` and ``fix`` are empty unless something is to be done.

    ``milliseconds`` is what the step took, and ``None`` for one that was not taken to its end.
    """

    status: Status
    detail: str
    cause: str = ""
    fix: str = ""
    name: str = ""
    milliseconds: float | None = None


@dataclass(frozen=True)
class Step:
    """One step: its stable name, what it does, and which earlier steps it needs.

    ``needs`` tells, by the name of an earlier step, why this one is skipped when that one failed;
    when that one was not taken either, its reason is passed on. ``skip`` is why this one is not to
    be taken at all. ``if_interrupted`` makes what is told when the step is broken off.
    """

    name: str
    run: Callable[[], Finding]
    needs: Mapping[str, StrOrPromise] = field(default_factory=dict)
    skip: StrOrPromise = ""
    if_interrupted: Callable[[], Finding] | None = None


def ok(detail: StrOrPromise) -> Finding:
    """Return a finding without anything to be done."""
    return Finding(Status.OK, str(detail))


def warning(detail: StrOrPromise, cause: StrOrPromise, fix: StrOrPromise) -> Finding:
    """Return a finding that somebody should look into."""
    return Finding(Status.WARNING, str(detail), str(cause), str(fix))


def failed(detail: StrOrPromise, cause: StrOrPromise, fix: StrOrPromise) -> Finding:
    """Return a finding that keeps the app from its work."""
    return Finding(Status.FAILED, str(detail), str(cause), str(fix))


def skipped(why: StrOrPromise) -> Finding:
    """Return the finding of a step with nothing to look at, or that was not taken."""
    return Finding(Status.SKIPPED, str(why))


def take(step: Step, found: Mapping[str, Finding]) -> Finding:
    """Take the step unless an earlier one rules it out; name and time what it found.

    ``found`` holds the findings of the earlier steps by their names. Whatever the step raises
    becomes a failed finding, without the exception's words.
    """
    if why := step.skip or _why_not(step, found):
        return replace(skipped(why), name=step.name)
    started = time.monotonic()
    try:
        finding = step.run()
    except DatabaseError as error:
        finding = failed(
            _("The database raised %(name)s.") % {"name": type(error).__name__},
            _("The database can't be reached, or a table is missing."),
            _("Check DATABASES; run manage.py migrate (and createcachetable, where used)."),
        )
    except Exception as error:  # noqa: BLE001 - the doctor reports, whatever it meets
        finding = failed(
            _("This step raised %(name)s.") % {"name": type(error).__name__},
            _("A setting of the wrong kind, or code or a server of your own that fails."),
            _("Mend what other steps report first; then run manage.py check."),
        )
    took = round((time.monotonic() - started) * 1000, 1)
    return replace(finding, name=step.name, milliseconds=took)


def _why_not(step: Step, found: Mapping[str, Finding]) -> StrOrPromise:
    for name, why in step.needs.items():
        needed = found[name]
        if needed.status is Status.FAILED:
            return why
        if needed.milliseconds is None:
            return needed.detail
    return ""


def verdict(findings: Iterable[Finding]) -> Status:
    """Return the worst of the findings' statuses; skipped ones count as ok."""
    statuses = {finding.status for finding in findings}
    worst_first = (Status.FAILED, Status.WARNING)
    return next((worst for worst in worst_first if worst in statuses), Status.OK)
