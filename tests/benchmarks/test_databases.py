"""A database for one run."""

from __future__ import annotations

import os

import pytest
from django.conf import settings

from benchmarks.databases import Database

SERVER = "postgres://lms:p%40ss@127.0.0.1:5432/postgres"

needs_a_server = pytest.mark.skipif(
    not settings.DATABASES["default"]["ENGINE"].endswith(("postgresql", "mysql")),
    reason="needs PostgreSQL or MariaDB: set DATABASE_URL",
)


def test_each_run_has_a_database_of_its_own_on_the_same_server() -> None:
    one, another = Database(SERVER), Database(SERVER)

    assert one.url == f"postgres://lms:p%40ss@127.0.0.1:5432/{one.name}"
    assert one.name != another.name


def test_a_site_is_known_to_the_server_by_its_name() -> None:
    database = Database(SERVER)

    assert database.url_of("app") == f"{database.url}?application_name=app"


def test_sqlite_is_refused() -> None:
    with pytest.raises(ValueError, match="PostgreSQL or MariaDB is needed"):
        Database("sqlite:///file.sqlite3")


@needs_a_server
def test_the_database_is_there_during_the_run_alone() -> None:
    database = Database(os.environ["DATABASE_URL"])

    with database:
        inside = Database(database.url)
        assert inside.version().split()[0] in {"PostgreSQL", "MariaDB"}

    with pytest.raises(Exception, match=database.name):
        inside.version()
