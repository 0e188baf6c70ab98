"""What the environment, files and `.env` say, as the settings have it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.lms_site.environments import PRODUCTION, ROOT, run, setting


def test_secrets_come_from_files_without_the_newline_at_their_end(tmp_path: Path) -> None:
    names = ("DJANGO_SECRET_KEY", "CONVAI_API_KEY", "CONVAI_ENCRYPTION_KEYS")
    files = {f"{name}_FILE": str(tmp_path / name) for name in names}
    for name in names:
        (tmp_path / name).write_text(f"of-{name}\n")
    (tmp_path / "url").write_text("postgres://lms:of-a-file@127.0.0.1/lms\n")

    found = setting(
        "[s.SECRET_KEY, s.CONVAI_TOKENS, s.DATABASES['default']['PASSWORD']]",
        **files,
        DATABASE_URL_FILE=str(tmp_path / "url"),
    )

    assert found[0] == "of-DJANGO_SECRET_KEY"
    assert found[1]["API_KEY"] == "of-CONVAI_API_KEY"
    assert found[1]["ENCRYPTION_KEYS"] == ["of-CONVAI_ENCRYPTION_KEYS"]
    assert found[2] == "of-a-file"


def test_a_secret_file_that_is_missing_is_told_by_its_variable(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    done = run("manage.py", "check", **PRODUCTION, CONVAI_API_KEY_FILE=missing)

    assert done.returncode != 0
    assert (
        "The file that CONVAI_API_KEY_FILE names can't be read"
        in done.stderr.strip().splitlines()[-1]
    )


@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "CONVAI_API_KEY"])
def test_a_secret_that_begins_with_a_dollar_sign_is_no_reference(name: str) -> None:
    found = setting("[s.SECRET_KEY, s.CONVAI_TOKENS['API_KEY']]", **{**PRODUCTION, name: "$HOME"})

    assert "$HOME" in found


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CONVAI_API_KEY=of-the-file\nDJANGO_SECRET_KEY=of-the-file\n")

    found = setting(
        "[s.SECRET_KEY, s.CONVAI_TOKENS['API_KEY']]",
        DJANGO_ENV_FILE=str(tmp_path / ".env"),
        CONVAI_API_KEY="of-the-environment",
    )

    assert found == ["of-the-file", "of-the-environment"]


def test_sqlite_is_tuned_for_concurrent_logins() -> None:
    database = setting("s.DATABASES['default']", **PRODUCTION)

    assert database["NAME"] == str(ROOT / "db.sqlite3")
    assert "OwnersConnection" in database["OPTIONS"].pop("factory")
    assert database["OPTIONS"] == {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }


@pytest.mark.parametrize(
    ("url", "engine"),
    [
        ("postgres://lms:p%40ss@127.0.0.1:5432/lms", "django.db.backends.postgresql"),
        ("mysql://lms:p%40ss@127.0.0.1:3306/lms", "django.db.backends.mysql"),
    ],
)
def test_other_databases_keep_and_check_their_connections(url: str, engine: str) -> None:
    database = setting("s.DATABASES['default']", **PRODUCTION, DATABASE_URL=url)

    assert (database["ENGINE"], database["PASSWORD"]) == (engine, "p@ss")
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (60, True)
    assert "transaction_mode" not in database.get("OPTIONS", {})


def test_requests_are_atomic_when_asked_for() -> None:
    expression = "s.DATABASES['default']['ATOMIC_REQUESTS']"

    assert setting(expression, **PRODUCTION, DJANGO_ATOMIC_REQUESTS="1") is True
    assert setting(expression, **PRODUCTION) is False


def test_a_blank_list_is_empty_and_white_space_around_words_goes() -> None:
    expression = "s.ALLOWED_HOSTS"

    assert setting(expression, **{**PRODUCTION, "DJANGO_ALLOWED_HOSTS": " a.example ,, b "}) == [
        "a.example",
        "b",
    ]
    assert setting(expression, **{**PRODUCTION, "DJANGO_ALLOWED_HOSTS": " "}) == []


USE_DATABASE = """
import os
os.umask(0o022)
from lms_site import wsgi
from django.db import connection
connection.cursor().execute("CREATE TABLE a (b)")
"""


def test_a_new_sqlite_file_is_its_owners_alone_with_all_that_stands_beside_it(
    tmp_path: Path,
) -> None:
    database = tmp_path / "lms.sqlite3"

    done = run(
        "-c",
        f"{USE_DATABASE}os.system('ls -l {tmp_path}')",
        **PRODUCTION,
        DATABASE_URL=f"sqlite:///{database}",
    )

    shown = [line.split() for line in done.stdout.splitlines()[1:]]
    assert {words[-1]: words[0] for words in shown} == {
        f"lms.sqlite3{end}": "-rw-------" for end in ("", "-wal", "-shm")
    }, done.stderr


def test_an_sqlite_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "lms.sqlite3"
    database.touch()
    database.chmod(0o640)

    run("-c", USE_DATABASE, **PRODUCTION, DATABASE_URL=f"sqlite:///{database}")

    assert stat.S_IMODE(database.stat().st_mode) == 0o640
    assert database.stat().st_size > 0


def test_a_database_file_that_cannot_be_made_is_told_in_djangos_words(tmp_path: Path) -> None:
    missing = f"sqlite:///{tmp_path}/none/lms.sqlite3"

    done = run("manage.py", "migrate", **PRODUCTION, DATABASE_URL=missing)

    assert "OperationalError: unable to open database file" in done.stderr


def test_a_database_in_memory_leaves_no_file() -> None:
    done = run("manage.py", "migrate", **PRODUCTION, DATABASE_URL="sqlite://:memory:")

    assert done.returncode == 0, done.stderr
    assert not (ROOT / ":memory:").exists()


@pytest.mark.parametrize(
    ("url", "backend", "location"),
    [
        ("", "locmem.LocMemCache", ""),
        ("dbcache://lms_cache", "db.DatabaseCache", "lms_cache"),
        ("rediscache://:pw@a:6379/0", "redis.RedisCache", "redis://:pw@a:6379/0"),
        ("rediscache://a:1,b:2/0", "redis.RedisCache", ["redis://a:1/0", "redis://b:2/0"]),
    ],
)
def test_the_cache_is_what_its_url_says_and_forgets_no_login(
    url: str, backend: str, location: object
) -> None:
    cache = setting("s.CACHES['default']", **{**PRODUCTION, "DJANGO_CACHE_URL": url})

    assert cache["BACKEND"] == f"django.core.cache.backends.{backend}"
    assert cache["LOCATION"] == location
    assert (
        setting(
            "__import__('django.core.cache').core.cache.cache._max_entries",
            **{**PRODUCTION, "DJANGO_CACHE_URL": url},
            DJANGO_SETTINGS_MODULE="lms_site.settings",
        )
        == 100_000
    )


HOLD_AND_OPEN = """
import sqlite3, subprocess, sys
from lms_site.environment import OwnersConnection
database = sys.argv[1]
holder = OwnersConnection(database)
holder.execute("BEGIN EXCLUSIVE")
OwnersConnection(database)
write = f"import sqlite3; sqlite3.connect({database!r}, timeout=0).execute('CREATE TABLE a (b)')"
print(subprocess.run([sys.executable, "-c", write], capture_output=True, text=True).stderr)
"""


def test_one_more_connection_leaves_the_locks_of_the_others(tmp_path: Path) -> None:
    # A process that closes a file loses all its locks on it, whoever took them (POSIX).
    done = run("-W", "ignore", "-c", HOLD_AND_OPEN, str(tmp_path / "lms.sqlite3"), **PRODUCTION)

    assert "database is locked" in done.stdout, done.stderr
