"""``manage.py convai_audit``: verify the audit's chain, export the audit, forget a person."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...lifecycle.audit import record
from ...lifecycle.exporting import FORMATS, exported
from ...lifecycle.forgetting import Person, forget
from ...lifecycle.verifying import verify
from ...models import ConvaiToken, EventKind, LearnerSession, TokenEvent
from ..stopping import stop_signals

# What can be exported, and by which time --from and --to choose.
TABLES: dict[str, tuple[type[models.Model], str]] = {
    "sessions": (LearnerSession, "started_at"),
    "tokens": (ConvaiToken, "generated_at"),
    "events": (TokenEvent, "at"),
}


def day(text: str) -> date:
    """Return a day as ISO 8601 writes it, for argparse."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(_("%r is not a day such as 2026-11-27") % text) from None


class Command(BaseCommand):
    help = gettext_lazy(  # type: ignore[assignment] # Django prints it when it is asked
        "Verify the audit, export it, or forget a person in it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True)
        checked = commands.add_parser(
            "verify", help=_("name the first event that was changed, removed or inserted")
        )
        checked.add_argument(
            "--head",
            default="",
            metavar="HEAD",
            help=_("a head that was noted earlier: the chain must contain it"),
        )
        checked.add_argument("--json", action="store_true", help=_("answer as JSON"))
        written = commands.add_parser("export", help=_("write a table to the standard output"))
        written.add_argument("table", choices=[*TABLES])
        written.add_argument("--format", choices=[*FORMATS], default="csv")
        written.add_argument("--user", metavar="NAME", help=_("of the learner with this username"))
        written.add_argument("--from", dest="since", type=day, metavar="DAY", help=_("first day"))
        written.add_argument("--to", dest="until", type=day, metavar="DAY", help=_("last day"))
        forgotten = commands.add_parser(
            "forget", help=_("revoke a person's tokens, and put a pseudonym in the person's place")
        )
        forgotten.add_argument("--user", metavar="NAME", required=True, help=_("the username"))
        forgotten.add_argument("--yes", action="store_true", help=_("don't ask"))

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        {"verify": self._verify, "export": self._export, "forget": self._forget}[what](options)

    def _verify(self, options: dict[str, Any]) -> None:
        verdict = verify(options["head"])
        if options["json"]:
            self.stdout.write(json.dumps(asdict(verdict)))
        else:
            self.stdout.write(
                _("%(chained)d events in %(links)d links, to event %(last_id)d; head %(head)s")
                % {**asdict(verdict), "head": verdict.head or "-"}
            )
            self.stdout.write(
                _("%d newer events are in no link yet: their removal would not be seen.")
                % verdict.untied
            )
            if verdict.keyless:
                self.stdout.write(
                    _("%d events can't be checked: their encryption key is gone.") % verdict.keyless
                )
        if verdict.problem:
            raise CommandError(verdict.problem)
        if not options["json"]:
            self.stdout.write(_("The audit is what was written."))

    def _export(self, options: dict[str, Any]) -> None:
        model, moment = TABLES[options["table"]]
        rows: Any = model._default_manager.all()
        if options["user"] is not None:
            path = "username" if model is LearnerSession else "session__username"
            rows = rows.filter(**{path: options["user"]})
        zone = timezone.get_current_timezone()
        if options["since"]:
            start = datetime.combine(options["since"], time(), zone)
            rows = rows.filter(**{f"{moment}__gte": start.astimezone(UTC)})
        if options["until"]:
            end = datetime.combine(options["until"] + timedelta(days=1), time(), zone)
            rows = rows.filter(**{f"{moment}__lt": end.astimezone(UTC)})
        record(
            EventKind.EXPORTED, detail=f"{options['table']} as {options['format']}, by convai_audit"
        )
        for piece in exported(rows, options["format"]):
            self.stdout.write(piece, ending="")

    def _forget(self, options: dict[str, Any]) -> None:
        person = Person(options["user"])
        count, acts = person.sessions.count(), person.acts.count()
        if not (count or acts):
            raise CommandError(
                _("Nothing in the audit names %r. Is it the username as the admin shows it?")
                % options["user"]
            )
        self.stdout.write(
            _("%(count)d learner sessions and %(acts)d acts of staff will be of %(pseudonym)s.")
            % {"count": count, "acts": acts, "pseudonym": person.pseudonym}
        )
        if not options["yes"] and not self._is_confirmed():
            raise CommandError(_("Nothing was done. Say --yes, or answer yes."))
        with stop_signals() as stopped:
            done = forget(person, stopped)
        self.stdout.write(f"sessions={done.sessions} events={done.events} owed={done.owed}")
        if done.owed:
            raise CommandError(
                _("Convai has not confirmed all revocations yet; the sweep goes on with them.")
            )

    def _is_confirmed(self) -> bool:
        if not sys.stdin.isatty():
            return False
        return input(_("It can't be undone. yes or no: ")).strip().lower() == "yes"
