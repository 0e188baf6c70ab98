"""A link of the audit's chain as people see it."""

from __future__ import annotations

from convai_tokens.models import AuditLink


def test_a_link_goes_by_its_number_and_its_last_event() -> None:
    assert str(AuditLink(number=3, last_id=1500)) == "3, to event 1500"
