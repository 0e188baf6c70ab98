"""The throw-away site takes nothing of the user's, and knows what it has revoked."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lms_site.demo.throwaway import ThrowAway, has_vendor_key, settings_for


def test_the_throw_away_site_takes_nothing_of_the_users_own_settings(tmp_path: Path) -> None:
    outer = {
        "PATH": "/bin",
        "DATABASE_URL_FILE": "/own/url",
        "DJANGO_DEBUG": "1",
        "CONVAI_API_KEY": "own-key",
        "CONVAI_BASE_URL": "https://own.example.org",
    }

    sandboxed = settings_for(tmp_path / "a b.sqlite3", "http://127.0.0.1:1", outer)
    vendors = settings_for(tmp_path / "a b.sqlite3", None, outer)

    assert sandboxed["PATH"] == "/bin"
    assert {"DATABASE_URL_FILE", "DJANGO_DEBUG"}.isdisjoint(sandboxed)
    assert sandboxed["CONVAI_BASE_URL"] == "http://127.0.0.1:1"
    assert sandboxed["CONVAI_API_KEY"] != "own-key"
    assert sandboxed["DATABASE_URL"].endswith("a%20b.sqlite3")
    assert vendors["CONVAI_API_KEY"] == "own-key"
    assert vendors["CONVAI_BASE_URL"] == "https://own.example.org"


@pytest.mark.parametrize("name", ["CONVAI_API_KEY", "CONVAI_API_KEY_FILE"])
def test_the_vendors_api_is_meant_when_its_key_is_set(name: str) -> None:
    assert has_vendor_key({name: "x"})
    assert not has_vendor_key({name: ""})
    assert not has_vendor_key({"CONVAI_BASE_URL": "http://127.0.0.1:1"})


def test_a_throw_away_site_has_a_database_with_users_and_nothing_revoked(tmp_path: Path) -> None:
    site = ThrowAway.make(tmp_path, "http://127.0.0.1:9")

    assert set(site.accounts) == {"learner", "second-learner", "auditor", "administrator"}
    assert len({account.password for account in site.accounts.values()}) == 4
    assert site.database.parent == site.log.parent == tmp_path
    assert site.count_revoked() == 0


def test_revoked_and_gone_tokens_are_counted_as_dead(tmp_path: Path) -> None:
    database = tmp_path / "lms.sqlite3"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE convai_tokens_convaitoken (status TEXT)")
        rows = [("active",), ("revoked",), ("gone",), ("lapsed",), ("revoked",)]
        connection.executemany("INSERT INTO convai_tokens_convaitoken VALUES (?)", rows)

    assert ThrowAway(database, tmp_path / "log", {}, {}).count_revoked() == 3
