"""The chain over the events: when a link is made, of what, and how its beginning is purged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError

from convai_tokens.lifecycle import chain
from convai_tokens.lifecycle.chain import as_ranges, extend_chain, from_ranges, purge_events
from convai_tokens.models import AuditLink, EventKind, TokenEvent
from convai_tokens.models.moments import utc_now

from .events import add_events, never

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BATCH", 3)


@pytest.mark.parametrize(
    ("ids", "text"), [([7], "7"), ([1, 2, 3], "1-3"), ([1, 2, 4, 9, 10], "1-2,4,9-10")]
)
def test_ids_are_kept_as_ranges(ids: list[int], text: str) -> None:
    assert as_ranges(ids) == text
    assert [*from_ranges(text)] == ids


def test_each_full_batch_is_a_link_and_the_rest_waits() -> None:
    added = add_events(7, minutes=15)

    assert extend_chain(never) == 6

    links = list(AuditLink.objects.order_by("number"))
    assert [(it.number, it.last_id) for it in links] == [(1, added[2].pk), (2, added[5].pk)]
    assert (links[0].previous, links[1].previous) == ("", links[0].mac)
    assert extend_chain(never) == 0


def test_a_batch_that_does_not_fill_up_becomes_a_link_all_the_same() -> None:
    add_events(2, minutes=31)

    assert extend_chain(never) == 2


def test_what_has_not_settled_is_not_tied_nor_what_comes_after_it() -> None:
    add_events(3, minutes=9)
    add_events(3, minutes=15)

    assert extend_chain(never) == 0


def test_a_sweep_that_is_told_to_stop_makes_no_link() -> None:
    add_events(3, minutes=15)

    assert extend_chain(lambda: True) == 0


def test_of_two_sweeps_at_once_one_makes_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    add_events(3, minutes=15)

    def taken(self: AuditLink, **kwargs: object) -> None:
        raise IntegrityError

    monkeypatch.setattr(AuditLink, "save", taken)

    assert extend_chain(never) == 0


def test_old_links_are_purged_once_a_day_with_an_event_that_tells_how_far(
    convai_settings: Callable[..., None],
) -> None:
    convai_settings(RETENTION=timedelta(days=10))
    add_events(3, minutes=12 * 1440)
    add_events(3, minutes=10 * 1440 + 5)
    kept = add_events(3, minutes=9 * 1440)
    extend_chain(never)

    assert purge_events(never) == 6

    assert [it.number for it in AuditLink.objects.all()] == [3]
    told = TokenEvent.objects.get(kind=EventKind.PURGED)
    assert told.detail == "Up to link 2"
    assert set(TokenEvent.objects.all()) == {*kept, told}


def test_nothing_is_purged_while_the_oldest_is_less_than_a_day_over(
    convai_settings: Callable[..., None],
) -> None:
    convai_settings(RETENTION=timedelta(days=10))
    add_events(3, minutes=10 * 1440 + 5)
    extend_chain(never)

    assert purge_events(never) == 0
    assert TokenEvent.objects.count() == 3


def test_an_older_link_behind_a_younger_one_waits_for_it(
    convai_settings: Callable[..., None],
) -> None:
    """As when a host's clock was wrong for a while."""
    convai_settings(RETENTION=timedelta(days=10))
    for minutes in (12 * 1440, 60, 12 * 1440):
        add_events(3, minutes=minutes)
    extend_chain(never)

    assert purge_events(never) == 3
    assert [it.number for it in AuditLink.objects.order_by("number")] == [2, 3]


def test_events_that_no_link_holds_are_never_purged() -> None:
    add_events(2, minutes=400 * 1440)

    assert purge_events(never) == 0
    assert TokenEvent.objects.filter(at__lt=utc_now()).count() == 2
