"""An admin action that asks first, works in chunks, and leaves the staff member's name.

What is more than a request may wait for becomes an order, which the sweep carries out.
"""

from __future__ import annotations

import json
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
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Manager, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from ..lifecycle.orders import order
from ..models import EventKind, OrderKind, database
from .base import COUNT_CAP, ReadOnlyAdmin, Row
from .filters import conditions_of
from .shown import CRUMBS, dash

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

CHUNK = 500  # rows that one transaction of an action changes
MOST = 1_000  # rows that a request changes by itself
ORDERED = _("The sweep does it with its next pass. The overview shows how far it is.")
SHOWN = 50  # rows that a confirmation names one by one


@dataclass(frozen=True, kw_only=True)
class ConfirmedAction(Generic[Row]):
    """What an action changes and tells. The list's post of it is answered with a question.

    The form below the question posts the same again, with ``confirmed``, which does it.
    ``short_description`` and ``allowed_permissions`` are named as Django looks for them.
    """

    name: str
    short_description: StrOrPromise
    one: StrOrPromise  # on the button of a single row's page
    allowed_permissions: list[str]
    rows: Manager[Row]  # the primary one: a replica may not have them yet
    affected: Q  # which of the selected rows the action changes
    affects: Callable[[Row], bool]  # the same of a row that is at hand
    order: OrderKind
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
        count = self._count(selected)
        if request.POST.get("select_across") == "1" and count > MOST:
            self._order(page, request, count, actor)
            return None
        changed = 0
        for chunk in chunks(selected.using(database()).filter(self.affected)):
            changed += self.change(chunk, actor)
            # Not those that somebody else has changed since they were selected.
            done = self.rows.filter(pk__in=chunk, events__kind=self.event, events__actor=actor.pk)
            LogEntry.objects.log_actions(actor.pk, done, CHANGE, str(self.history))
        level = messages.SUCCESS if changed else messages.WARNING
        page.message_user(request, self.outcome % changed, level)
        return _back_to(request)

    def _count(self, selected: QuerySet[Row]) -> int:
        """Return how many rows are affected, up to a cap."""
        affected = selected.using(database()).filter(self.affected)
        return affected.order_by()[:COUNT_CAP].count()

    def _order(
        self, page: ReadOnlyAdmin[Row], request: HttpRequest, count: int, actor: AbstractBaseUser
    ) -> None:
        """Leave all that the list shows by now to the sweep."""
        changelist = page.get_changelist_instance(request)
        conditions = conditions_of(changelist, request)
        if changelist.query:  # which finds no more than a request can name
            keys = changelist.get_queryset(request).values_list("pk", flat=True)
            conditions["pk__in"] = list(keys)
        told = json.loads(json.dumps(conditions, cls=DjangoJSONEncoder))
        order(self.order, told, count, actor)
        page.message_user(request, ORDERED, messages.SUCCESS)

    def _ask(
        self, page: ReadOnlyAdmin[Row], request: HttpRequest, selected: QuerySet[Row]
    ) -> HttpResponse | None:
        affected = selected.filter(self.affected)
        count = self._count(selected)
        across = request.POST.get("select_across", "0")
        if not count:
            page.message_user(request, self.nothing, messages.WARNING)
            return None
        request.current_app = page.admin_site.name
        context = {
            **page.admin_site.each_context(request),
            **CRUMBS,
            "opts": page.opts,
            "title": self.question,
            "consequence": self.consequence,
            "button": self.button,
            "count": count,
            "thing": page.opts.verbose_name if count == 1 else page.opts.verbose_name_plural,
            "is_capped": count >= COUNT_CAP,
            "untouched": 0 if across == "1" else selected.count() - count,
            "is_order": across == "1" and count > MOST,
            "labels": [label_for_field(name, page.model, page) for name in self.columns],
            "rows": [self._cells(page, row) for row in affected[:SHOWN]],
            "unshown": max(count - SHOWN, 0),
            # The form posts again what the list posted.
            "action": self.name,
            "keys": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": across,
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "list_address": request.get_full_path(),
            "back": _own_address(request),
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


def _own_address(request: HttpRequest) -> str:
    """Return the page of this site that a button was on, blank if there was none."""
    back = request.POST.get("back", "")
    is_own = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return back if is_own else ""


def _back_to(request: HttpRequest) -> HttpResponse | None:
    back = _own_address(request)
    return HttpResponseRedirect(back) if back else None


def chunks(queryset: QuerySet[Any]) -> Iterator[list[Any]]:
    """Return the primary keys in chunks, so that no transaction holds a whole school's rows."""
    keys = list(queryset.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]
