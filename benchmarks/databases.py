"""A database for one run, on PostgreSQL or MariaDB: under a random name, dropped at the end."""

from __future__ import annotations

import secrets
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import environ


class Database:
    """``server`` is the URL of any database of a server that may make others. A context manager."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._config = environ.Env.db_url_config(server)
        self.name = f"convai_run_{secrets.token_hex(6)}"
        self.url = urlsplit(server)._replace(path=f"/{self.name}").geturl()
        self.is_postgres = self._config["ENGINE"].endswith("postgresql")
        if not self.is_postgres and not self._config["ENGINE"].endswith("mysql"):
            raise ValueError("PostgreSQL or MariaDB is needed: several processes write at once.")

    def __enter__(self) -> Self:
        self._execute(f"CREATE DATABASE {self.name}")
        return self

    def __exit__(self, *details: object) -> None:
        # Of a killed process, PostgreSQL may still hold a connection.
        self._execute(f"DROP DATABASE {self.name}" + " WITH (FORCE)" * self.is_postgres)

    def url_of(self, application: str) -> str:
        """Return the address for a site that PostgreSQL is to know as ``application``."""
        return (
            urlsplit(self.url)._replace(query=urlencode({"application_name": application})).geturl()
        )

    def disconnect(self, application: str) -> None:
        """Close the connections of a site that is at rest, on PostgreSQL.

        Each thread keeps one, and two sites' together are more than PostgreSQL's default of 100.
        """
        self._execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND application_name = %s AND state = 'idle'",
            (self.name, application),
        )

    def version(self) -> str:
        """Return the server's name and version."""
        version = str(self._execute("SELECT version()"))
        return " ".join(version.split()[:2]) if self.is_postgres else f"MariaDB {version}"

    def _execute(self, statement: str, parameters: tuple[str, ...] | None = None) -> Any:
        """Run one statement in a connection of its own; return the first field of its answer."""
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]
        finally:
            connection.close()

    def _connect(self) -> Any:
        if self.is_postgres:
            import psycopg

            return psycopg.connect(self._server, autocommit=True)
        import MySQLdb

        return MySQLdb.connect(
            host=self._config["HOST"],
            port=int(self._config.get("PORT") or 3306),
            user=self._config["USER"],
            password=self._config["PASSWORD"] or "",
            database=self._config["NAME"],
        )
