"""Each audit event carries a MAC over itself, so that a changed or an invented one is found.

A person can be forgotten all the same: what is personal enters the MAC as a keyed hash. When it is
overwritten, that hash stays in the row, beside a MAC of what is there instead.
"""

from __future__ import annotations

import json
from datetime import UTC
from hmac import compare_digest
from typing import Any

from ..models import MAC_LENGTH, TokenEvent
from .sealing import mac

KEY_ID = 8  # hex digits at the beginning of a MAC


def sign(event: TokenEvent) -> None:
    """Write its MAC into an event that is about to be added."""
    event.mac = _mac(event, mac("audit person", _person(event)))


def is_genuine(event: TokenEvent) -> bool | None:
    """Tell whether an event is as it was added, but for a person; None where its key is gone."""
    try:
        before = event.forgotten[:MAC_LENGTH] or _person_before(event)
        genuine = _same(event.mac, _mac(event, before, event.mac[:KEY_ID]))
        if event.forgotten:
            left = event.forgotten[MAC_LENGTH:]
            genuine &= _same(left, _mac_of_left(event, before, left[:KEY_ID]))
    except KeyError:
        return None
    return genuine


def overwrite_person(event: TokenEvent, **left: Any) -> None:
    """Put what is ``left`` in the place of what is personal in an event; it stays genuine.

    Raises ``KeyError`` where the key is gone by which it was added.
    """
    before = event.forgotten[:MAC_LENGTH] or _person_before(event)
    for name, value in left.items():
        setattr(event, name, value)
    event.forgotten = before + _mac_of_left(event, before)


def _person_before(event: TokenEvent) -> str:
    return mac("audit person", _person(event), event.mac[:KEY_ID])


def _person(event: TokenEvent) -> str:
    return json.dumps([str(event.actor_id), event.actor_name, event.detail])


def _mac(event: TokenEvent, person: str, key_id: str = "") -> str:
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps([event.kind, str(event.session_id), event.token_id, at, person])
    return mac("audit event", text, key_id)


def _mac_of_left(event: TokenEvent, person: str, key_id: str = "") -> str:
    text = json.dumps([event.mac, person, _person(event)])
    return mac("audit person left", text, key_id)


def _same(found: str, expected: str) -> bool:
    return compare_digest(found.encode(), expected.encode())
