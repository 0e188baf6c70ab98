"""``manage.py convai_keys reseal``: seal all stored values under the newest encryption key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...lifecycle.resealing import reseal
from ...lifecycle.tidying import lost_keys, sessions_of_key


class Command(BaseCommand):
    help = (
        "Seal all stored token values under the newest encryption key, so that the older keys are "
        "needed by the open learner sessions alone. It may be run again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["reseal"])
        parser.add_argument("--dry-run", action="store_true", help="count them, and do nothing")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        counts = reseal(dry_run=dry_run)
        self.stdout.write(f"resealed={counts.resealed} newest={counts.newest} shut={counts.shut}")
        unfound = sum(sessions_of_key(key).count() for key in lost_keys())
        if unfound:
            self.stdout.write(
                f"{unfound} open sessions need a key that is gone; the sweep ends them."
            )
        if counts.shut:
            raise CommandError(
                f"{counts.shut} values are opened by no key, and can't be revoked. Put the one "
                "that sealed them back at the end of ENCRYPTION_KEYS, and run this again."
            )
