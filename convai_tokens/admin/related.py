"""The tables below a row's fields: a session's tokens, a token's events.

The newest rows, in the order of time: a session with 5,000 tokens opens like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.admin.options import BaseModelAdmin
from django.db.models import QuerySet
from django.urls import reverse

from .shown import may

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SHOWN = 50
CAP = 10_000  # up to which the others are counted


@dataclass
class Related:
    """A table: its heading, its columns, the cells of its rows, and where to find the others."""

    name: str
    title: StrOrPromise
    heads: list[StrOrPromise]
    rows: list[list[str]] = field(default_factory=list)
    hidden: int = 0
    more: str = ""


def related(
    page: BaseModelAdmin[Any],
    viewer: Any,
    found: QuerySet[Any],
    title: StrOrPromise,
    columns: dict[StrOrPromise, Callable[[Any], str]],
    **by: Any,
) -> list[Related]:
    """Return the table of the rows that ``found`` has, none for a viewer who may not see them.

    ``by`` is what the list of all of them is to be filtered by.
    """
    opts = found.model._meta
    if not may(viewer, f"view_{opts.model_name}"):
        return []
    newest = list(found.order_by("-pk")[: SHOWN + 1])
    rows = newest[:SHOWN][::-1]
    table = Related(str(opts.model_name), title, [*columns])
    for row in rows:
        row.viewer = viewer
        table.rows.append([cell(row) for cell in columns.values()])
    if len(newest) > SHOWN:
        table.hidden = found.order_by()[:CAP].count() - SHOWN
        address = reverse(f"{page.admin_site.name}:{opts.app_label}_{opts.model_name}_changelist")
        table.more = f"{address}?{urlencode(by)}"
    return [table]
