"""``manage.py convai_keys reseal``: seal all stored values under the newest encryption key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...lifecycle.resealing import reseal
from ...lifecycle.tidying import lost_keys, sessions_of_key


class Command(BaseCommand):
    help = gettext_lazy(  # type: ignore[assignment] # Django prints it when it is asked
        "Seal all stored token values under the newest encryption key, so that the older "
        "keys are needed by the open learner sessions alone. It may be run again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["reseal"])
        parser.add_argument("--dry-run", action="store_true", help=_("count them, and do nothing"))

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        counts = reseal(dry_run=dry_run)
        self.stdout.write(f"resealed={counts.resealed} newest={counts.newest} shut={counts.shut}")
        unfound = sum(sessions_of_key(key).count() for key in lost_keys())
        if unfound:
            self.stdout.write(
                _("%(unfound)s open sessions need a key that is gone; the sweep ends them.")
                % {"unfound": unfound}
            )
        if counts.shut:
            raise CommandError(
                _(
                    "%(shut)s values are opened by no key, and can't be revoked. Put the one "
                    "that sealed them back at the end of ENCRYPTION_KEYS, and run this again."
                )
                % {"shut": counts.shut}
            )
