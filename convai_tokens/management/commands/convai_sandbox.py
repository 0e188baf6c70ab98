"""``manage.py convai_sandbox``: the stand-in for Convai's API, without leaving the project."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext_lazy

from convai_sandbox.cli import UsageError, add_arguments, run


class Command(BaseCommand):
    help = gettext_lazy(  # type: ignore[assignment] # Django prints it when it is asked
        "Serve a local stand-in for Convai's token API on a loopback port, until stopped."
    )
    # It needs neither a database nor a working configuration of the site.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run(options, self._show)
        except UsageError as error:
            raise CommandError(str(error), returncode=2) from None

    def _show(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
