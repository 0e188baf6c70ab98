"""``manage.py convai_revoke``: revoke the live tokens of a learner, a session, a device, or all."""

from __future__ import annotations

import sys
import time
import uuid
from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...lifecycle.ending import revocable, revoke_tokens
from ...lifecycle.revocation import make_due
from ...lifecycle.sweep import SweepReport, revoke_due
from ...models import ConvaiToken, ConvaiTokenQuerySet
from ..stopping import stop_signals

CHUNK = 500  # tokens that one transaction marks


class Command(BaseCommand):
    help = gettext_lazy(  # type: ignore[assignment] # Django prints it when it is asked
        "Revoke the live tokens of a learner, a learner session, a device, or all. The "
        "sessions go on, and get fresh tokens when they ask. Whatever it doesn't manage "
        "stays owed, and the sweep goes on with it; it may be run again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--user", metavar="NAME", help=_("of the learner with this username"))
        whose.add_argument(
            "--session", metavar="ID", type=uuid.UUID, help=_("of a learner session")
        )
        whose.add_argument("--device", metavar="NAME", help=_("of the sessions on this device"))
        whose.add_argument("--all", action="store_true", help=_("of everybody"))
        parser.add_argument("--dry-run", action="store_true", help=_("count them, and do nothing"))
        parser.add_argument("--yes", action="store_true", help=_("don't ask"))
        parser.add_argument("--workers", type=int, default=8, help=_("calls to Convai at once (8)"))

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = _chosen(options)
        alive, owed = chosen.filter(revocable()), chosen.owed()
        count = alive.count()
        self.stdout.write(
            _("%(count)s tokens may be alive, %(count_2)s are owed already.")
            % {"count": count, "count_2": owed.count()}
        )
        if options["dry_run"] or not (count or owed.exists()):
            return
        if not options["yes"] and not self._is_confirmed():
            raise CommandError(_("Nothing was done. Say --yes, or answer yes."))
        with stop_signals() as stopped:
            self._mark(alive, count)
            make_due(chosen)
            report = SweepReport()
            revoke_due(report, options["workers"], stopped, self._show_progress(time.monotonic()))
        told = f"revoked={report.revoked} gone={report.gone} owed={owed.count()}"
        if owed.exists():
            raise CommandError(
                _("%(told)s. Convai has not confirmed all; the sweep goes on, or run this again.")
                % {"told": told}
            )
        self.stdout.write(told)

    def _is_confirmed(self) -> bool:
        if not sys.stdin.isatty():
            return False
        return input(_("Revoke them? yes or no: ")).strip().lower() == "yes"

    def _mark(self, tokens: ConvaiTokenQuerySet, count: int) -> None:
        """Mark them in chunks: a school's tokens are too many for one transaction."""
        keys = list(tokens.order_by("pk").values_list("pk", flat=True))
        for start in range(0, len(keys), CHUNK):
            chunk = ConvaiToken.primary.filter(pk__in=keys[start : start + CHUNK])
            revoke_tokens(chunk, detail="Revoked by convai_revoke", dispatch=False)
            self.stdout.write(
                _("marked %(min)s of %(count)s")
                % {"min": min(start + CHUNK, count), "count": count}
            )

    def _show_progress(self, shown_at: float) -> Any:
        def show(report: SweepReport) -> None:
            nonlocal shown_at
            if time.monotonic() - shown_at >= 1:
                shown_at = time.monotonic()
                self.stdout.write(f"revoked={report.revoked} gone={report.gone}")

        return show


def _chosen(options: dict[str, Any]) -> ConvaiTokenQuerySet:
    """Return the tokens that the options name."""
    tokens = ConvaiToken.primary.all()
    if options["user"] is not None:
        users = get_user_model()
        user_id = None
        with suppress(ValueError, ValidationError):  # names may be numbers, and this none
            named = users._default_manager.filter(**{users.USERNAME_FIELD: options["user"]})
            user_id = named.values_list("pk", flat=True).first()
        # By the name in the audit too: the user may have been renamed or deleted since.
        theirs = Q(session__username=options["user"])
        if user_id is not None:
            theirs |= Q(session__user_id=user_id)
        return tokens.filter(theirs)
    if options["session"] is not None:
        return tokens.filter(session=options["session"])
    if options["device"] is not None:
        return tokens.filter(session__device=options["device"])
    return tokens
