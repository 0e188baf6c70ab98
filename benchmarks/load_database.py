"""A PostgreSQL database for one run: made under a random name, and dropped whatever happens."""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


class Database:
    """``url`` names a database of the server that may make others. Use as a context manager."""

    def __init__(self, url: str) -> None:
        self._server = url
        self.name = f"convai_load_{secrets.token_hex(6)}"

    def url(self, application: str) -> str:
        """Return the address of the new database, for a site that shows as ``application``."""
        parts = urlsplit(self._server)
        return f"postgres://{parts.netloc}/{self.name}?application_name={application}"

    def disconnect(self, application: str) -> None:
        """Close the connections of a site that is at rest.

        Each thread keeps one, and two sites' together are more than PostgreSQL's default of 100.
        """
        self._execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND application_name = %s AND state = 'idle'",
            (self.name, application),
        )

    def __enter__(self) -> Self:
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def _execute(
        self, query: sql.Composed | str, parameters: tuple[str, ...] | None = None
    ) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(query, parameters)
