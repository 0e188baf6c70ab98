"""The chain over the audit's events: the sweep adds a link for each batch of them.

Not when an event is written: each would wait for the one before it. So the newest ones aren't tied
yet, and a link is made only of events that are old enough for all transactions with lower ids to
have come to their end.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from django.db import IntegrityError, transaction

from ..conf import app_settings
from ..models import AuditLink, EventKind, TokenEvent, database
from .audit import record
from .sealing import mac

logger = logging.getLogger("convai_tokens")

BATCH = 500  # events of a link
SETTLED = timedelta(minutes=10)  # no transaction is open for longer
OLDEST = timedelta(minutes=30)  # no settled event waits longer than that for its batch to be full
MARK = slice(8, 12)  # of a MAC: after the key's id
PURGED = "Up to link "

Stopped = Callable[[], bool]


def extend_chain(stopped: Stopped) -> int:
    """Tie the events that have settled to the chain; return how many."""
    count = 0
    link = AuditLink.primary.order_by("-number").first()
    while not stopped():
        events = _settled_after(link)
        if not events:
            break
        link = _after(link, events)
        try:
            with transaction.atomic(using=database()):
                link.save(force_insert=True, using=database())
        except IntegrityError:  # another sweep was first
            break
        logger.info("Audit chain: link %d, to event %d, %s", link.number, link.last_id, link.mac)
        count += len(events)
    return count


def _settled_after(link: AuditLink | None) -> list[TokenEvent]:
    """Return the events of the next link, in the order of their ids; none if it isn't time yet."""
    now = datetime.now(UTC)
    events = TokenEvent.primary.filter(pk__gt=link.last_id if link else 0).order_by("pk")
    batch = list(takewhile(lambda event: event.at < now - SETTLED, events[:BATCH]))
    is_due = len(batch) == BATCH or (batch and batch[0].at < now - OLDEST)
    return batch if is_due else []


def _after(link: AuditLink | None, events: Sequence[TokenEvent]) -> AuditLink:
    made = AuditLink(
        number=link.number + 1 if link else 1,
        ids=as_ranges(event.pk for event in events),
        marks="".join(event.mac[MARK] for event in events),
        last_id=events[-1].pk,
        until=max(event.at for event in events),
        previous=link.mac if link else "",
    )
    made.mac = mac_of(made, [event.mac for event in events])
    return made


def mac_of(link: AuditLink, macs: Sequence[str], key_id: str = "") -> str:
    """Return the MAC of a link over its events' MACs and the link before it."""
    until = link.until.astimezone(UTC).isoformat(timespec="microseconds")
    content = [link.number, link.previous, link.ids, link.marks, link.last_id, until, macs]
    return mac("audit link", json.dumps(content), key_id)


def as_ranges(ids: Iterable[int]) -> str:
    """Return ascending ids as text, ``"1-400,403"``."""
    ranges: list[list[int]] = []
    for it in ids:
        if ranges and it == ranges[-1][-1] + 1:
            ranges[-1][1:] = [it]
        else:
            ranges.append([it])
    return ",".join("-".join(map(str, ends)) for ends in ranges)


def from_ranges(text: str) -> Iterator[int]:
    """Yield the ids that ``as_ranges`` wrote."""
    for ends in text.split(","):
        first, _, last = ends.partition("-")
        yield from range(int(first), int(last or first) + 1)


def purge_events(stopped: Stopped) -> int:
    """Delete the events older than ``RETENTION``, link by link from the chain's beginning.

    About once a day, with an event that tells how far: so a beginning that is missing for another
    reason is found. Returns how many events it deleted.
    """
    before = datetime.now(UTC) - app_settings.RETENTION
    old = AuditLink.primary.filter(until__lt=before).order_by("number")
    first = AuditLink.primary.order_by("number").first()
    if first is None or first.until >= before - timedelta(days=1):
        return 0
    # Up to the first one that isn't old.
    young = AuditLink.primary.filter(until__gte=before).order_by("number").first()
    links = old.filter(number__lt=young.number) if young else old
    last = links.last()
    if last is None:
        return 0
    record(EventKind.PURGED, detail=f"{PURGED}{last.number}")
    count = 0
    while not stopped() and (link := links.first()):
        with transaction.atomic(using=database()):
            count += TokenEvent.primary.filter(pk__lte=link.last_id).purge()
            link.delete(using=database())
    return count
