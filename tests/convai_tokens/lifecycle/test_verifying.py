"""What was done to the audit behind the app's back is found, and the first event is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, QuerySet

from convai_tokens.lifecycle import chain
from convai_tokens.lifecycle.chain import extend_chain, purge_events
from convai_tokens.lifecycle.macs import sign
from convai_tokens.lifecycle.verifying import verify
from convai_tokens.models import AuditLink, TokenEvent

from .events import add_events, never

pytestmark = pytest.mark.django_db

NEW, OLD = "new-" + "n" * 40, "old-" + "o" * 40


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[TokenEvent]:
    """Nine events in three links, and two that are too young."""
    monkeypatch.setattr(chain, "BATCH", 3)
    added = add_events(9, minutes=60) + add_events(2, minutes=1)
    extend_chain(never)
    return added


def update(event: TokenEvent, **fields: Any) -> None:
    """Change a row as raw SQL can: the model refuses it."""
    QuerySet(TokenEvent).filter(pk=event.pk).update(**fields)


def remove(event: TokenEvent) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM convai_tokens_tokenevent WHERE id = %s", [event.pk])


def insert(event: TokenEvent, pk: int) -> None:
    """Store a copy of the event under this id."""
    event.pk = pk
    QuerySet[TokenEvent](TokenEvent).bulk_create([event])


def test_what_was_written_is_found_and_how_far_the_chain_has_come(
    events: list[TokenEvent],
) -> None:
    verdict = verify()

    assert verdict.problem == ""
    assert (verdict.links, verdict.chained, verdict.untied, verdict.keyless) == (3, 9, 2, 0)
    assert verdict.last_id == events[8].pk
    assert verdict.head == AuditLink.objects.get(number=3).mac


def test_an_audit_without_events_is_in_order() -> None:
    assert verify().problem == ""


@pytest.mark.parametrize("which", [0, 4, 8, 10])
def test_a_changed_event_is_named(events: list[TokenEvent], which: int) -> None:
    update(events[which], detail="another detail")

    assert f"Event {events[which].pk} was changed" in verify().problem


@pytest.mark.parametrize("which", [0, 4, 8])
def test_a_removed_event_is_named(events: list[TokenEvent], which: int) -> None:
    remove(events[which])

    assert verify().problem == f"Event {events[which].pk} was removed."


def test_the_first_of_several_is_named(events: list[TokenEvent]) -> None:
    update(events[7], detail="another detail")
    remove(events[5])

    assert verify().problem == f"Event {events[5].pk} was removed."


def test_an_inserted_event_is_named_with_or_without_a_mac_that_is_right(
    events: list[TokenEvent],
) -> None:
    remove(events[4])
    copied, freed = TokenEvent.objects.get(pk=events[1].pk), events[4].pk
    insert(copied, freed)
    assert f"Event {freed} is another one" in verify().problem

    invented = TokenEvent(kind="revoked", at=events[4].at)
    remove(events[4])
    insert(invented, freed)
    assert f"Event {freed} was changed, or inserted" in verify().problem


def test_an_event_in_a_gap_of_ids_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that was rolled back leaves a gap."""
    monkeypatch.setattr(chain, "BATCH", 2)
    gap = add_events(3, minutes=60)[1]
    remove(gap)
    extend_chain(never)
    assert verify().problem == ""

    insert(TokenEvent.objects.order_by("pk")[0], gap.pk)

    assert f"Event {gap.pk} was inserted after" in verify().problem


def test_an_event_before_the_first_one_is_named(events: list[TokenEvent]) -> None:
    remove(events[0])
    AuditLink.objects.all().delete()
    extend_chain(never)
    assert verify().problem == ""

    insert(TokenEvent.objects.get(pk=events[1].pk), events[0].pk)

    assert f"Event {events[0].pk} was inserted" in verify().problem


def test_an_invented_event_that_no_link_holds_yet_is_named(events: list[TokenEvent]) -> None:
    insert(TokenEvent(kind="revoked", at=events[10].at), events[10].pk + 1)

    assert f"Event {events[10].pk + 1} was changed, or inserted" in verify().problem


def test_events_that_changed_places_are_named(events: list[TokenEvent]) -> None:
    first, second = events[3], events[4]
    remove(first)
    remove(second)
    ids = second.pk, first.pk
    insert(first, ids[0])
    insert(second, ids[1])

    assert f"Event {min(ids)} is another one" in verify().problem


def test_a_link_that_was_removed_with_its_events_is_told(events: list[TokenEvent]) -> None:
    AuditLink.objects.get(number=2).delete()
    for event in events[3:6]:
        remove(event)

    assert verify().problem == "Links 2 to 2 were removed."


def test_a_beginning_that_was_removed_is_told(events: list[TokenEvent]) -> None:
    AuditLink.objects.get(number=1).delete()
    for event in events[:3]:
        remove(event)

    assert "Link 2 is the first, and no event tells" in verify().problem


@pytest.mark.parametrize(
    "change",
    [
        {"ids": "1-9999999999"},
        {"ids": "none"},
        {"marks": "0000"},
        {"mac": F("previous")},
        {"previous": ""},
        {"until": "2026-01-01T00:00:00Z"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_link_is_told(events: list[TokenEvent], change: dict[str, Any]) -> None:
    AuditLink.objects.filter(number=2).update(**change)

    assert "Link 2" in verify().problem


def test_a_link_made_anew_without_the_one_before_is_told(events: list[TokenEvent]) -> None:
    link = AuditLink.objects.get(number=2)
    link.previous = "0" * 40
    link.mac = chain.mac_of(link, [event.mac for event in events[3:6]])
    link.save()

    assert verify().problem == "Link 2 doesn't follow the one before it."


def test_an_end_that_was_cut_off_is_found_by_a_head_that_was_noted(
    events: list[TokenEvent],
) -> None:
    noted = verify().head
    assert verify(noted).problem == ""

    AuditLink.objects.get(number=3).delete()
    for event in events[6:]:
        remove(event)

    assert verify().problem == ""
    assert noted in verify(noted).problem


def test_a_beginning_that_was_purged_is_in_order(
    events: list[TokenEvent], convai_settings: Callable[..., None]
) -> None:
    AuditLink.objects.all().delete()
    for event in events:
        remove(event)
    convai_settings(RETENTION=timedelta(days=10))
    add_events(6, minutes=12 * 1440)
    add_events(3, minutes=60)
    extend_chain(never)

    assert purge_events(never) == 6

    assert verify().problem == ""
    forged = TokenEvent.objects.get(kind="purged")
    update(forged, detail="Up to link 9")
    assert "no event tells" in verify().problem


def test_a_person_who_was_forgotten_leaves_the_chain_in_order(events: list[TokenEvent]) -> None:
    from convai_tokens.lifecycle.macs import overwrite_person

    overwrite_person(events[4], actor_name="forgotten", detail="")
    TokenEvent.objects.all().forget(events[4])

    assert verify().problem == ""
    assert TokenEvent.objects.get(pk=events[4].pk).actor_name == "forgotten"


def test_events_of_a_key_that_is_gone_are_counted_and_still_tied_by_later_links(
    monkeypatch: pytest.MonkeyPatch, convai_settings: Callable[..., None]
) -> None:
    monkeypatch.setattr(chain, "BATCH", 3)
    convai_settings(ENCRYPTION_KEYS=[OLD])
    old = add_events(4, minutes=60)
    extend_chain(never)
    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])
    add_events(2, minutes=60)
    extend_chain(never)
    assert (verify().problem, verify().keyless) == ("", 0)

    convai_settings(ENCRYPTION_KEYS=[NEW])
    assert (verify().problem, verify().keyless) == ("", 4)
    forged = TokenEvent.objects.get(pk=old[3].pk)
    forged.detail = "another detail"
    sign(forged)
    update(forged, detail=forged.detail, mac=forged.mac)

    assert f"Event {forged.pk}" in verify().problem
