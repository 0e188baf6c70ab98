"""``manage.py convai_doctor``: walk an operator, or a monitor, through the installation."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ... import __version__
from ...doctor.examination import examine
from ...doctor.step import Finding, Status, failed, verdict
from ..stopping import stop_signals

EXIT = {Status.OK: 0, Status.WARNING: 1, Status.FAILED: 2}
MARKS = {Status.OK: "✓", Status.WARNING: "!", Status.FAILED: "✗", Status.SKIPPED: "-"}
PLAIN_MARKS = {**MARKS, Status.OK: "+", Status.FAILED: "x"}  # for a terminal without UTF-8
INDENT = " " * 29  # mark, name and milliseconds


def interrupted() -> Finding:
    """Return what is told of a run that was broken off."""
    finding = failed(
        _("Interrupted before all steps were taken."),
        _("Ctrl-C, or a time limit of whatever runs the doctor."),
        _("Run it again, with more time: a Convai that hangs makes it take up to a minute."),
    )
    return replace(finding, name="doctor")


@contextmanager
def logging_on_stderr() -> Iterator[None]:
    """Keep log lines out of stdout: with ``--json`` that is the document's."""
    handlers = [
        handler
        for logger in (logging.getLogger(), *logging.getLogger().manager.loggerDict.values())
        for handler in getattr(logger, "handlers", ())
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout
    ]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(sys.stdout)


class Command(BaseCommand):
    help = gettext_lazy(  # type: ignore[assignment] # Django prints it when it is asked
        "Check the installation step by step, with a token of its own that is generated, "
        "extended and revoked. Exit status: 0 all ok, 1 warnings, 2 something failed."
    )
    # What the checks find is a step's business; they must not keep the others from being taken.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help=_("write one JSON document"))
        parser.add_argument("--offline", action="store_true", help=_("don't call Convai"))

    def handle(self, *args: Any, offline: bool, verbosity: int, **options: Any) -> None:
        findings: list[Finding] = []

        def show(finding: Finding) -> None:
            findings.append(finding)
            if not options["json"] and (verbosity or finding.cause):
                self._show(finding)

        # The step under way may end: a token whose generate call is broken off can't be revoked.
        with logging_on_stderr(), stop_signals(second_interrupts=True) as stopped:

            def tell(finding: Finding) -> None:
                show(finding)
                if stopped():
                    raise KeyboardInterrupt

            try:
                examine(tell, offline=offline)
            except KeyboardInterrupt:
                show(interrupted())
        status = verdict(findings)
        if options["json"]:
            self.stdout.write(json.dumps(_document(findings, status), indent=2))
        else:
            self._show_verdict(findings, status)
        if EXIT[status]:
            sys.exit(EXIT[status])

    def _show(self, finding: Finding) -> None:
        took = "" if finding.milliseconds is None else f"{finding.milliseconds:.0f} ms"
        first = f"{self._mark(finding.status)} {finding.name:<16}{took:>9}"
        labelled = {"Cause": finding.cause, "Fix": finding.fix}
        texts = [finding.detail, *(f"{label}: {text}" for label, text in labelled.items() if text)]
        width = max(min(shutil.get_terminal_size((100, 24)).columns, 110), 60) - len(INDENT)
        lines = [line for text in texts for line in textwrap.wrap(text, width)]
        self.stdout.write(f"{first}  {lines[0]}", self._style(finding.status))
        for line in lines[1:]:
            self.stdout.write(f"{INDENT}{line}")
        self.stdout.flush()

    def _show_verdict(self, findings: list[Finding], status: Status) -> None:
        count = Counter(finding.status for finding in findings)
        many = {kind: "s" for kind in (Status.WARNING,) if count[kind] > 1}
        counts = ", ".join(f"{count[it]} {it}{many.get(it, '')}" for it in Status if count[it])
        told = {
            Status.OK: _("All is well"),
            Status.WARNING: _("It works, but needs attention"),
            Status.FAILED: _("It needs mending"),
        }
        self.stdout.write(f"\n{self._mark(status)} {told[status]}: {counts}.", self._style(status))

    def _mark(self, status: Status) -> str:
        try:
            "✓✗".encode(getattr(self.stdout, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return PLAIN_MARKS[status]
        return MARKS[status]

    def _style(self, status: Status) -> Callable[[str], str] | None:
        styles = {
            Status.OK: self.style.SUCCESS,
            Status.WARNING: self.style.WARNING,
            Status.FAILED: self.style.ERROR,
        }
        return styles.get(status)


def _document(findings: list[Finding], status: Status) -> dict[str, Any]:
    """Return the JSON document; its names and statuses are an interface."""
    return {
        "verdict": status,
        "exit_status": EXIT[status],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "steps": [asdict(finding) for finding in findings],
    }
