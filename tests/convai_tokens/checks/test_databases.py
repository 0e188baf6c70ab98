"""The checks of the database that holds the tables."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest
from django.db import connections

from convai_tokens.checks.databases import TRANSACTIONS
from convai_tokens.checks.site import MIDDLEWARE
from tests.convai_tokens.checks.messages import ids

pytestmark = pytest.mark.usefixtures("no_network_and_no_database")

Level = IntEnum("Level", ["READ_UNCOMMITTED", "READ_COMMITTED", "REPEATABLE_READ"])  # as psycopg's


# W015: isolation


@pytest.mark.parametrize("vendor", ["mysql", "postgresql"])
@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("read committed", []),
        ("READ COMMITTED", []),
        (Level.READ_COMMITTED, []),
        (None, ["W015"]),  # MySQL: whatever the server has, and that is repeatable read
        ("repeatable read", ["W015"]),
        (Level.REPEATABLE_READ, ["W015"]),
    ],
    ids=str,
)
def test_w015_transactions_see_what_others_commit(
    vendor: str, level: Any, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connections["default"]
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"isolation_level": level})

    assert ids() == told


@pytest.mark.parametrize("vendor", ["mysql", "postgresql", "sqlite"])
def test_w015_what_django_chooses_by_itself_is_right(
    vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections["default"], "vendor", vendor)
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", {})

    assert ids() == []


# E024, W025, W026


def test_e024_autocommit_that_is_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "AUTOCOMMIT", False)

    assert ids() == ["E024"]


class UsersElsewhere:
    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "another" if model._meta.app_label == "auth" else None


def test_w025_users_in_another_database_are_told(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.UsersElsewhere"]

    assert ids() == ["W025"]


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_w026_a_transaction_around_the_middleware_is_told(settings: Any, name: str) -> None:
    settings.MIDDLEWARE = [name, *settings.MIDDLEWARE]
    assert ids() == ["W026"]

    settings.MIDDLEWARE = [*settings.MIDDLEWARE[1:], name]
    assert ids() == []
    assert MIDDLEWARE in settings.MIDDLEWARE
