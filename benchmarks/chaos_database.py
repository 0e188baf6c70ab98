"""A database for one run, on PostgreSQL or MariaDB: under a random name, dropped at the end."""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import environ


class Database:
    """``server`` is the URL of any database of a server that may make others. A context manager."""

    def __init__(self, server: str) -> None:
        self._server = environ.Env.db_url_config(server)
        self.name = f"convai_chaos_{secrets.token_hex(6)}"
        self.url = urlunsplit(urlsplit(server)._replace(path=f"/{self.name}"))
        self.is_postgres = self._server["ENGINE"].endswith("postgresql")
        if not self.is_postgres and not self._server["ENGINE"].endswith("mysql"):
            raise ValueError("PostgreSQL or MariaDB is needed: several processes write at once.")

    def __enter__(self) -> Self:
        self._execute(f"CREATE DATABASE {self.name}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Of a killed process, PostgreSQL may still hold a connection.
        self._execute(f"DROP DATABASE {self.name}" + " WITH (FORCE)" * self.is_postgres)

    def version(self) -> str:
        """Return the server's name and version."""
        version = str(self._execute("SELECT version()"))
        return " ".join(version.split()[:2]) if self.is_postgres else f"MariaDB {version}"

    def _execute(self, statement: str) -> Any:
        """Run one statement in a connection of its own; return the first field of its answer."""
        where = self._server
        if self.is_postgres:
            import psycopg

            keys = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
            given = {keys[key]: where[key] for key in keys if where.get(key)}
            port = where.get("PORT") or 5432
            with psycopg.connect(**given, port=port, autocommit=True) as connection:
                cursor = connection.execute(statement.encode())
                row = cursor.fetchone() if cursor.description else None
                return row and row[0]
        import MySQLdb

        mysql = MySQLdb.connect(
            host=where["HOST"],
            port=int(where.get("PORT") or 3306),
            user=where["USER"],
            password=where["PASSWORD"] or "",
        )
        try:
            cursor = mysql.cursor()
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]
        finally:
            mysql.close()
