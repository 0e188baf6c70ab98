"""Promise 7: a change of the audit behind the app's back is found, and the event is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from convai_tokens.lifecycle import chain
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import TokenEvent

TABLE = TokenEvent._meta.db_table
CHANGES = {
    "a changed detail": "UPDATE {table} SET detail = 'nothing happened' WHERE id = {pk}",
    "a changed actor": "UPDATE {table} SET actor_name = 'somebody' WHERE id = {pk}",
    "a changed time": "UPDATE {table} SET at = '2026-01-01 00:00:00' WHERE id = {pk}",
    "a changed kind": "UPDATE {table} SET kind = 'revoked' WHERE id = {pk}",
    "a removed event": "DELETE FROM {table} WHERE id = {pk}",
    "an exchanged MAC": "UPDATE {table} SET mac = (SELECT it FROM (SELECT mac AS it FROM {table} "
    "WHERE id = {pk} + 1) AS other) WHERE id = {pk}",
}


@pytest.fixture
def chained(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> list[TokenEvent]:
    """The events of three logins, tied to the chain by a sweep."""
    for name in ("SETTLED", "OLDEST"):
        monkeypatch.setattr(chain, name, -timedelta(minutes=1))
    for _ in range(3):
        log_in(client=Client())
    assert sweep(workers=1).chained == 6
    call_command("convai_audit", "verify")
    return list(TokenEvent.objects.order_by("pk"))


def execute(statement: str, event: TokenEvent) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.format(table=TABLE, pk=event.pk))


@pytest.mark.parametrize("change", CHANGES)
def test_promise_7_a_change_by_sql_is_found_and_the_event_is_named(
    chained: list[TokenEvent], change: str
) -> None:
    execute(CHANGES[change], chained[2])

    with pytest.raises(CommandError, match=f"Event {chained[2].pk} "):
        call_command("convai_audit", "verify")


def test_promise_7_an_event_that_was_inserted_by_sql_is_found(chained: list[TokenEvent]) -> None:
    columns = "session_id, token_id, kind, at, actor_id, actor_name, detail, mac, forgotten"
    execute(
        f"INSERT INTO {TABLE} ({columns}) SELECT session_id, token_id, 'revoked', at, actor_id, "
        f"actor_name, detail, mac, forgotten FROM {TABLE} WHERE id = {{pk}}",
        chained[1],
    )
    inserted = TokenEvent.objects.latest("pk")

    with pytest.raises(CommandError, match=f"Event {inserted.pk} "):
        call_command("convai_audit", "verify")


def test_promise_7_nobody_without_the_key_makes_the_audit_right_again(
    chained: list[TokenEvent], convai_settings: Callable[..., None]
) -> None:
    execute(CHANGES["a changed detail"], chained[2])
    convai_settings(ENCRYPTION_KEYS=["another-" + "k" * 40])

    # What only the lost key could tell is counted, and never passes for verified.
    from convai_tokens.lifecycle.verifying import verify

    assert verify().keyless >= len(chained)
