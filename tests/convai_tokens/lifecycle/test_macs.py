"""The MAC of an event: what it covers, and what may change all the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from convai_tokens.lifecycle.macs import is_genuine, overwrite_person, sign
from convai_tokens.models import MAC_LENGTH, EventKind, TokenEvent

NEW, OLD = "new-" + "n" * 40, "old-" + "o" * 40


def signed() -> TokenEvent:
    event = TokenEvent(
        kind=EventKind.REVOKED,
        session_id=uuid.UUID(int=7),
        token_id=3,
        at=datetime(2026, 11, 22, 10, 42, 7, 123456, tzinfo=UTC),
        actor_id=5,
        actor_name="administrator",
        detail="Revoked by staff",
    )
    sign(event)
    return event


def test_an_event_is_genuine_as_it_was_added() -> None:
    event = signed()

    assert len(event.mac) == MAC_LENGTH
    assert is_genuine(event) is True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "gone"),
        ("session_id", uuid.UUID(int=8)),
        ("session_id", None),
        ("token_id", 4),
        ("at", datetime(2026, 11, 22, 10, 42, 7, 123457, tzinfo=UTC)),
        ("actor_id", 6),
        ("actor_id", None),
        ("actor_name", "somebody"),
        ("detail", ""),
        ("mac", ""),
        ("mac", "0" * MAC_LENGTH),
        ("forgotten", "\u00e9" * 2 * MAC_LENGTH),
    ],
)
def test_any_other_content_is_not_genuine(field: str, value: Any) -> None:
    event = signed()

    setattr(event, field, value)

    assert is_genuine(event) is not True


def test_a_time_in_another_zone_is_the_same_time() -> None:
    event = signed()
    event.at = event.at.astimezone(datetime.now().astimezone().tzinfo)

    assert is_genuine(event) is True


def test_what_is_personal_may_be_overwritten_by_whoever_has_the_key_alone() -> None:
    event = signed()

    overwrite_person(event, actor_id=None, actor_name="forgotten-1", detail="")
    assert (event.actor_name, is_genuine(event)) == ("forgotten-1", True)
    overwrite_person(event, actor_name="forgotten-2")
    assert is_genuine(event) is True

    event.actor_name = "somebody else"
    assert is_genuine(event) is False


def test_the_rest_stays_covered_after_a_person_was_overwritten() -> None:
    event = signed()
    overwrite_person(event, actor_name="forgotten-1")

    event.at += timedelta(seconds=1)

    assert is_genuine(event) is False


def test_an_older_key_still_tells_and_one_that_is_gone_tells_nothing(
    convai_settings: Callable[..., None],
) -> None:
    convai_settings(ENCRYPTION_KEYS=[OLD])
    event = signed()

    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])
    assert is_genuine(event) is True
    overwrite_person(event, detail="")
    assert is_genuine(event) is True

    convai_settings(ENCRYPTION_KEYS=[OLD])
    assert is_genuine(event) is None
    convai_settings(ENCRYPTION_KEYS=[NEW])
    assert is_genuine(event) is None
    with pytest.raises(KeyError):
        overwrite_person(signed_by_old(convai_settings), detail="")


def signed_by_old(convai_settings: Callable[..., None]) -> TokenEvent:
    convai_settings(ENCRYPTION_KEYS=[OLD])
    event = signed()
    convai_settings(ENCRYPTION_KEYS=[NEW])
    return event
