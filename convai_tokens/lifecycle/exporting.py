"""The audit as CSV or JSON Lines: streamed, in the order of the ids, without a secret in it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import QuerySet

from ..models import ConvaiToken, LearnerSession, TokenEvent

# What a row of each table is told by: the column's name, and where it is found.
COLUMNS: dict[type[models.Model], dict[str, str]] = {
    LearnerSession: {
        name: name
        for name in ("id", "username", "stack", "device", "started_at", "ended_at", "end_reason")
    },
    ConvaiToken: {
        "id": "id",
        "session": "session_id",
        "username": "session__username",
        "stack": "session__stack",
        "device": "session__device",
        **{
            name: name
            for name in (
                "fingerprint",
                "status",
                "generated_at",
                "expires_at",
                "extended_at",
                "extend_count",
                "owed_since",
                "revoked_at",
                "attempts",
                "next_attempt_at",
                "last_error",
            )
        },
    },
    TokenEvent: {
        "id": "id",
        "at": "at",
        "kind": "kind",
        "session": "session_id",
        "username": "session__username",
        "token": "token_id",
        "actor": "actor_name",
        "detail": "detail",
    },
}
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
WINDOW = 2_000  # rows that are read at once
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet runs


def exported(rows: QuerySet[Any], file_format: str) -> Iterator[str]:
    """Yield the rows as text, piece by piece: ``"csv"`` with a heading, or ``"jsonl"``.

    Times are ISO 8601 in UTC. Whatever number there is, a window of them is in memory.
    """
    columns = COLUMNS[rows.model]
    write = _as_csv if file_format == "csv" else _as_json_lines
    if file_format == "csv":
        yield _line([*columns])
    for window in _windows(rows, [*columns.values()]):
        yield write([*columns], window)


def _windows(rows: QuerySet[Any], paths: list[str]) -> Iterator[list[tuple[Any, ...]]]:
    # Not one cursor over all: the client libraries of MariaDB would read all into memory.
    found = rows.order_by("pk").values_list("pk", *paths)
    window = list(found[:WINDOW])
    while window:
        yield [row[1:] for row in window]
        last = window[-1][0]
        window = list(found.filter(pk__gt=last)[:WINDOW]) if len(window) == WINDOW else []


def _as_csv(names: list[str], rows: Iterable[tuple[Any, ...]]) -> str:
    return "".join(_line(row) for row in rows)


def _line(cells: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(map(_cell, cells))
    return line.getvalue()


def _cell(value: Any) -> str:
    """Return a value as text that no spreadsheet takes for a formula."""
    text = "" if value is None else value if isinstance(value, str) else _plain(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _plain(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder).strip('"')


def _as_json_lines(names: list[str], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = (dict(zip(names, row, strict=True)) for row in rows)
    return "".join(json.dumps(line, cls=DjangoJSONEncoder) + "\n" for line in lines)
