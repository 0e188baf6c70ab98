"""``manage.py convai_sweep``: revoke what is owed and tidy up, once or again and again."""

from __future__ import annotations

import logging
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...convai.client import MAX_THREADS
from ...lifecycle.sweep import SweepReport, count_owed, sweep
from ..stopping import stop_signals

logger = logging.getLogger("convai_tokens")

LOG_EVERY = 10  # seconds
CLEAR = "\r\033[K"  # back to the start of a terminal's line, and empty it


def positive(text: str) -> int:
    """Return a whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(_("%(text)r is not a whole number above 0") % {"text": text})
    return int(text)


def calls_at_once(text: str) -> int:
    """Return a whole number from 1 to what a process may call at once, for argparse."""
    number = positive(text)
    if number > MAX_THREADS:
        raise ArgumentTypeError(
            _("%(number)s is more than %(max_threads)s; run several processes")
            % {"number": number, "max_threads": MAX_THREADS}
        )
    return number


def pause(seconds: int, stopped: Callable[[], bool]) -> bool:
    """Wait, and return early if the sweep is to stop; return whether it is."""
    until = time.monotonic() + seconds
    while not stopped() and time.monotonic() < until:
        time.sleep(0.1)
    return stopped()


class Command(BaseCommand):
    help = gettext_lazy(  # type: ignore[assignment] # Django prints it when it is asked
        "Revoke at Convai what is owed, mark what expired or died, and purge what is older "
        "than RETENTION. Safe to run in any number of processes at the same time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--watch",
            type=positive,
            nargs="?",
            const=10,
            metavar="SECONDS",
            help=_("sweep again and again, this many seconds apart (10), until stopped"),
        )
        parser.add_argument(
            "--workers", type=calls_at_once, default=8, help=_("calls to Convai at once (8)")
        )

    def handle(self, *args: Any, watch: int | None, workers: int, **options: Any) -> None:
        if watch:
            self.stdout.write(_("Sweeping every %(watch)s s, until stopped.") % {"watch": watch})
        with stop_signals() as stopped:
            report = self._sweep(workers, stopped, quiet=bool(watch))
            while watch and not pause(0 if report.more else watch, stopped):
                close_old_connections()
                report = self._sweep(workers, stopped, quiet=True)
        if report.failed and not watch:
            raise CommandError(
                _(
                    "%(failed)s steps met an error of the database, which is in the log. "
                    "Nothing is lost: mend it, and sweep again."
                )
                % {"failed": report.failed}
            )

    def _sweep(self, workers: int, stopped: Callable[[], bool], *, quiet: bool) -> SweepReport:
        """Make one pass and print a line on it; with ``--watch``, only if something was done."""
        self._shown_at = time.monotonic()
        report = sweep(workers, stopped, self._show_progress)
        if self.stdout.isatty():
            self.stdout.write(CLEAR, ending="")
        if not quiet or any(counts(report).values()):
            self.stdout.write(line(report))
        return report

    def _show_progress(self, report: SweepReport) -> None:
        """Rewrite the last line of a terminal every second; elsewhere log every ten."""
        terminal = self.stdout.isatty()
        if time.monotonic() - self._shown_at < (1 if terminal else LOG_EVERY):
            return
        self._shown_at = time.monotonic()
        report.owed = count_owed()
        if terminal:
            self.stdout.write(CLEAR + line(report), ending="")
            self.stdout.flush()
        else:
            logger.info("Sweeping: %s", line(report))


def counts(report: SweepReport) -> dict[str, int]:
    """Return the counts of a report by their names."""
    return {name: count for name, count in asdict(report).items() if name != "more"}


def line(report: SweepReport) -> str:
    """Return the counts of a report, each with its name."""
    return " ".join(f"{name}={count}" for name, count in counts(report).items())
