"""Is the audit what was written? Walks the chain, and names the first event that doesn't fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.utils.translation import gettext as _

from ..models import AuditLink, EventKind, TokenEvent
from .chain import MARK, PURGED, from_ranges, mac_of
from .macs import KEY_ID, is_genuine

CHUNK = 500  # events that are read at once


@dataclass
class Verdict:
    """What ``verify()`` found: ``problem`` is the first thing that doesn't fit, blank if all does.

    ``links`` and ``chained`` count what the chain holds, ``last_id`` is its last event, ``head``
    the MAC of its last link. ``untied`` counts the newer events, whose removal nothing would show
    yet; ``keyless`` those that can't be checked, since their encryption key is gone.
    """

    links: int = 0
    chained: int = 0
    last_id: int = 0
    head: str = ""
    untied: int = 0
    keyless: int = 0
    problem: str = ""


def verify(known: str = "") -> Verdict:
    """Check every event and every link; stop at the first that doesn't fit.

    ``known`` is a head that somebody noted earlier, elsewhere: the chain must contain it, so that a
    chain that was cut short is found.
    """
    verdict = Verdict()
    seen = not known
    before: AuditLink | None = None
    for link in AuditLink.primary.order_by("number").iterator(CHUNK):
        verdict.problem = _problem_before(before, link) or _problem_within(before, link, verdict)
        if verdict.problem:
            return verdict
        verdict.links, verdict.last_id, verdict.head = verdict.links + 1, link.last_id, link.mac
        seen = seen or link.mac == known
        before = link
    verdict.problem = _problem_after(verdict)
    if not (verdict.problem or seen):
        verdict.problem = _("The chain doesn't contain the head %s: its end was cut off.") % known
    return verdict


def _problem_before(before: AuditLink | None, link: AuditLink) -> str:
    """Return what is wrong between two links, or before the first one; blank if nothing is."""
    number = before.number if before else link.number - 1
    if before is None and number and not _was_purged(number):
        return _("Link %d is the first, and no event tells that those before it were purged.") % (
            link.number
        )
    if link.number != number + 1:
        lost = {"first": number + 1, "last": link.number - 1}
        return _("Links %(first)d to %(last)d were removed.") % lost
    if before is not None and link.previous != before.mac:
        return _("Link %d doesn't follow the one before it.") % link.number
    return ""


def _was_purged(number: int) -> bool:
    events = TokenEvent.primary.filter(kind=EventKind.PURGED, detail__startswith=PURGED)
    told = [event for event in events if is_genuine(event) is not False]
    return any(int(event.detail.removeprefix(PURGED)) >= number for event in told)


def _problem_within(before: AuditLink | None, link: AuditLink, verdict: Verdict) -> str:
    found = TokenEvent.primary.filter(pk__gt=before.last_id if before else 0, pk__lte=link.last_id)
    marks = _in_fours(link.marks)
    try:
        ids = [*islice(from_ranges(link.ids), len(marks) + 1)]
        mark_of = dict(zip(ids, marks, strict=True))
    except ValueError:
        return _("Link %d was changed.") % link.number
    events = {event.pk: event for event in found.order_by("pk")[: 2 * len(ids) + 1]}
    for pk in sorted({*ids, *events}):
        problem = _problem_of(pk, events.get(pk), mark_of.get(pk), verdict)
        if problem:
            return problem
    verdict.chained += len(ids)
    try:
        made = mac_of(link, [events[pk].mac for pk in ids], link.mac[:KEY_ID])
    except KeyError:
        return ""  # its events were counted as keyless; the next link holds its MAC
    return "" if made == link.mac else _("Link %d was changed.") % link.number


def _problem_of(pk: int, event: TokenEvent | None, mark: str | None, verdict: Verdict) -> str:
    if event is None:
        return _("Event %d was removed.") % pk
    genuine = is_genuine(event)
    if mark is None:
        return _(
            "Event %d was inserted after the chain had passed it. (A transaction that was open for "
            "more than ten minutes does so too.)"
        ) % (pk)
    if genuine is False:
        return _("Event %d was changed, or inserted by somebody without the key.") % pk
    if event.mac[MARK] != mark:
        return _("Event %d is another one than was there: rows were exchanged.") % pk
    verdict.keyless += genuine is None
    return ""


def _in_fours(marks: str) -> Sequence[str]:
    width = MARK.stop - MARK.start
    return [marks[at : at + width] for at in range(0, len(marks), width)]


def _problem_after(verdict: Verdict) -> str:
    """Look at the events that no link holds yet."""
    for event in _untied(verdict.last_id):
        genuine = is_genuine(event)
        if genuine is False:
            return _("Event %d was changed, or inserted by somebody without the key.") % event.pk
        verdict.untied += 1
        verdict.keyless += genuine is None
    return ""


def _untied(last_id: int) -> Iterator[TokenEvent]:
    yield from TokenEvent.primary.filter(pk__gt=last_id).order_by("pk").iterator(CHUNK)
