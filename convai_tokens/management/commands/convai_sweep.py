"""``manage.py convai_sweep``: pay owed revocations and tidy up, once or again and again."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from ...sweep import SweepReport, sweep


def positive(text: str) -> int:
    """Return a whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


class Command(BaseCommand):
    help = (
        "Revoke at Convai what is owed, mark what expired or died, and purge what is older than "
        "RETENTION. Safe to run in any number of processes at the same time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--watch",
            type=positive,
            nargs="?",
            const=10,
            metavar="SECONDS",
            help="sweep again and again, this many seconds apart (10), until stopped",
        )
        parser.add_argument(
            "--workers", type=positive, default=8, help="calls to Convai at once (8)"
        )

    def handle(self, *args: Any, watch: int | None, workers: int, **options: Any) -> None:
        stop = threading.Event()
        previous: dict[int, Any] = {}
        if watch and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                previous[int(number)] = signal.signal(number, lambda *_: stop.set())
        try:
            while True:
                self._show(sweep(workers, stop.is_set), quiet=bool(watch))
                if not watch or stop.wait(watch):
                    break
                close_old_connections()
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)

    def _show(self, report: SweepReport, *, quiet: bool) -> None:
        """Print one line on what was done; with ``--watch``, only when there is something."""
        counts = asdict(report)
        if not quiet or any(counts.values()):
            self.stdout.write(" ".join(f"{name}={count}" for name, count in counts.items()))
