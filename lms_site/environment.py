"""Where the settings come from: the environment, files that it names, and an optional ``.env``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
# What the environment says wins over what the file says.
env.read_env(os.environ.get("DJANGO_ENV_FILE") or BASE_DIR / ".env")


def secret(name: str, default: str = "") -> str:
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
    return value.strip()


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
        }
        config["OPTIONS"] = tuned | config.get("OPTIONS", {})
    return config
