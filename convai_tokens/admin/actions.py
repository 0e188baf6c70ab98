"""An admin action that asks first, works in chunks, and leaves the staff member's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, cast

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import (
    display_for_field,
    display_for_value,
    label_for_field,
    lookup_field,
)
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Manager, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from ..models import EventKind, database
from .base import ReadOnlyAdmin, Row, dash

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

CHUNK = 500  # rows that one transaction of an action changes
SHOWN = 50  # rows that a confirmation names one by one


@dataclass(frozen=True, kw_only=True)
class ConfirmedAction(Generic[Row]):
    """What an action changes and tells. The list's post of it is answered with a question.

    The form below the question posts the same again, with ``confirmed``, which does it.
    ``short_description`` and ``allowed_permissions`` are named as Django looks for them.
    """

    name: str
    short_description: StrOrPromise
    allowed_permissions: list[str]
    rows: Manager[Row]  # the primary one: a replica may not have them yet
    affected: Q  # which of the selected rows the action changes
    change: Callable[[list[Any], AbstractBaseUser], int]  # of rows by their keys; returns how many
    event: EventKind  # what the change leaves of each row, once
    question: StrOrPromise
    consequence: StrOrPromise
    columns: list[str]  # what the confirmation shows of a row
    button: StrOrPromise
    nothing: StrOrPromise  # told when none of the selected rows is affected
    history: StrOrPromise
    outcome: StrOrPromise  # ngettext_lazy: its %d is how many were changed

    @property
    def __name__(self) -> str:
        """Return what Django knows the action by."""
        return self.name

    def __call__(
        self, page: ReadOnlyAdmin[Row], request: HttpRequest, selected: QuerySet[Row]
    ) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._ask(page, request, selected)
        actor = cast(AbstractBaseUser, request.user)  # nobody else gets to an admin page
        changed = 0
        for chunk in chunks(selected.using(database()).filter(self.affected)):
            changed += self.change(chunk, actor)
            # Not those that somebody else has changed since they were selected.
            done = self.rows.filter(pk__in=chunk, events__kind=self.event, events__actor=actor.pk)
            LogEntry.objects.log_actions(actor.pk, done, CHANGE, str(self.history))
        level = messages.SUCCESS if changed else messages.WARNING
        page.message_user(request, self.outcome % changed, level)
        return None

    def _ask(
        self, page: ReadOnlyAdmin[Row], request: HttpRequest, selected: QuerySet[Row]
    ) -> HttpResponse | None:
        affected = selected.filter(self.affected)
        count = affected.count()
        if not count:
            page.message_user(request, self.nothing, messages.WARNING)
            return None
        request.current_app = page.admin_site.name
        context = {
            **page.admin_site.each_context(request),
            "opts": page.opts,
            "title": self.question,
            "consequence": self.consequence,
            "button": self.button,
            "count": count,
            "untouched": selected.count() - count,
            "labels": [label_for_field(name, page.model, page) for name in self.columns],
            "rows": [self._cells(page, row) for row in affected[:SHOWN]],
            "unshown": max(count - SHOWN, 0),
            # The form posts again what the list posted.
            "action": self.name,
            "keys": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "list_address": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/convai_tokens/confirm.html", context)

    def _cells(self, page: ReadOnlyAdmin[Row], row: Row) -> list[str]:
        cells = []
        for name in self.columns:
            field, _attr, value = lookup_field(name, row, page)
            if field is None:
                cells.append(display_for_value(value, dash(page)))
            else:
                cells.append(display_for_field(value, field, dash(page)))
        return cells


def chunks(queryset: QuerySet[Any]) -> Iterator[list[Any]]:
    """Return the primary keys in chunks, so that no transaction holds a whole school's rows."""
    keys = list(queryset.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]
