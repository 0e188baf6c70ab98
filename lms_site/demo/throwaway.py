"""The throw-away site: its settings, its database and its users."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .clients import Account
from .processes import run

NAMES = ("learner", "second-learner", "auditor", "administrator")
OURS = ("CONVAI_", "DJANGO_", "DATABASE_URL")
VENDOR_KEY = ("CONVAI_API_KEY", "CONVAI_API_KEY_FILE")


def has_vendor_key(environment: Mapping[str, str]) -> bool:
    """Tell whether the vendor's API is to be used in place of the sandbox."""
    return any(environment.get(name) for name in VENDOR_KEY)


@dataclass(frozen=True)
class ThrowAway:
    """A site in a directory that goes when the demo ends."""

    database: Path
    log: Path
    environment: dict[str, str]
    accounts: dict[str, Account]

    @classmethod
    def make(cls, directory: Path, sandbox_url: str | None) -> ThrowAway:
        """Make the settings, the database and the users; raise ``ProcessError`` if that fails."""
        database = directory / "lms.sqlite3"
        environment = settings_for(database, sandbox_url, os.environ)
        passwords = {name: secrets.token_urlsafe(9) for name in NAMES}
        run("-m", "lms_site.demo.seed", environment=environment, stdin=json.dumps(passwords))
        accounts = {name: Account(name, password) for name, password in passwords.items()}
        return cls(database, directory / "site.log", environment, accounts)

    def count_revoked(self) -> int:
        """Return how many tokens are dead for certain, as the audit's table has it."""
        query = "SELECT COUNT(*) FROM convai_tokens_convaitoken WHERE status IN ('revoked', 'gone')"
        with closing(sqlite3.connect(self.database)) as connection:
            return int(connection.execute(query).fetchone()[0])


def settings_for(
    database: Path, sandbox_url: str | None, outer: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of the throw-away site's processes.

    Nothing that ``outer`` sets for a site of the user's own stays, save what names the vendor's API
    when there is no sandbox.
    """
    passed_on = () if sandbox_url else (*VENDOR_KEY, "CONVAI_BASE_URL")
    environment = {
        name: value
        for name, value in outer.items()
        if name in passed_on or not name.startswith(OURS)
    }
    environment |= {
        "DJANGO_SETTINGS_MODULE": "lms_site.settings",
        "DJANGO_ENV_FILE": os.devnull,
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_INSECURE_HTTP": "1",
        "CONVAI_ENCRYPTION_KEYS": secrets.token_urlsafe(48),
        "DATABASE_URL": f"sqlite:///{quote(str(database))}",
    }
    if sandbox_url:
        environment["CONVAI_API_KEY"] = f"demo-{secrets.token_hex(16)}"
        environment["CONVAI_BASE_URL"] = sandbox_url
    return environment
