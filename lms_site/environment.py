"""Where the settings come from: the environment, files that it names, and an optional ``.env``."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from .secret import Secret

BASE_DIR = Path(__file__).resolve().parent.parent
ENV_FILE = Path(os.environ.get("DJANGO_ENV_FILE") or BASE_DIR / ".env")

env = environ.FileAwareEnv()
# What the environment says wins over what the file says.
env.read_env(ENV_FILE)


def secret(name: str, default: str = "") -> Secret:
    """Return a secret from the file that ``NAME_FILE`` names, or from ``NAME``.

    White space around it goes, since editors end a file with a newline. Raises
    ``ImproperlyConfigured`` when the file can't be read.
    """
    try:
        # Not env.str(): it takes a value that begins with "$" for another variable's name, and
        # puts it into an error text.
        value: str = env.ENVIRON.get(name, default)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The file that {name}_FILE names can't be read: {error.strerror}. "
            f"Correct the path, or unset {name}_FILE and set {name}."
        ) from error
    return Secret(value.strip())


def words(name: str) -> list[str]:
    """Return a comma-separated list; empty when the variable is missing or blank."""
    return [word for word in (part.strip() for part in secret(name).split(",")) if word]


def database(default: Path) -> dict[str, Any]:
    """Return Django's database from ``DATABASE_URL``, or an SQLite file at ``default``.

    PostgreSQL, MySQL and MariaDB keep their connections for ``CONN_MAX_AGE`` seconds, and test one
    before a request gets it. SQLite is tuned so that logins can be written concurrently.
    """
    url = secret("DATABASE_URL")
    config: dict[str, Any]
    if url:
        config = env.db_url_config(url)
        config["PASSWORD"] = Secret(config.get("PASSWORD", ""))
    else:
        config = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(default)}
    config.setdefault("CONN_MAX_AGE", 60)
    config.setdefault("CONN_HEALTH_CHECKS", True)
    config["ATOMIC_REQUESTS"] = env.bool("DJANGO_ATOMIC_REQUESTS", default=False)
    if config["ENGINE"] == "django.db.backends.sqlite3":
        # A deferred transaction that reads first and writes later fails with "database is locked"
        # at once, whatever the timeout; an immediate one waits for its turn.
        tuned = {
            "timeout": 20,  # seconds
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "factory": OwnersConnection,
        }
        config["OPTIONS"] = tuned | config.get("OPTIONS", {})
    return config


class OwnersConnection(sqlite3.Connection):
    """Makes a new database file one that its owner alone may read; SQLite's -wal and -shm follow.

    By itself SQLite makes it as the umask says, for everybody to read as a rule.
    """

    def __init__(self, database: str, **options: Any) -> None:
        if not database.startswith((":", "file:")):
            with suppress(OSError):  # what is wrong is told by SQLite, in words that Django knows
                # O_EXCL: to close a file that is in use would drop all locks of this process.
                os.close(os.open(database, os.O_CREAT | os.O_EXCL, 0o600))
        super().__init__(database, **options)


def cache() -> dict[str, Any]:
    """Return Django's cache from ``DJANGO_CACHE_URL``, or one in this process's memory."""
    config: dict[str, Any] = env.cache_url_config(secret("DJANGO_CACHE_URL") or "locmemcache://")
    config["max_entries"] = 100_000  # of Django's 300, a morning's logins would fall out
    where = config["LOCATION"]  # its address may hold a password
    config["LOCATION"] = Secret(where) if isinstance(where, str) else [*map(Secret, where)]
    return config
