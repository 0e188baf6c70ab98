"""What the pages share: nothing can be changed, counting is capped, a deed is confirmed first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import (
    display_for_field,
    display_for_value,
    flatten,
    label_for_field,
    lookup_field,
)
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext as _

COUNT_CAP = 10_000  # counting all of a large table costs more than showing a page of it
CHUNK = 500  # rows that one transaction of an action touches
SHOWN = 50  # rows that a confirmation names one by one
# Columns that no page shows, and that no address may ask about.
HIDDEN = {"sealed", "credential_digest"}


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than to a cap: the pages beyond are reached by filter and search."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNT_CAP].count())


def moment(field: str, label: Any) -> Callable[[Any, Any], str]:
    """Return a column that shows a time to the second: an audit's steps share their minutes."""

    @admin.display(description=label, ordering=field)
    def shown(page: Any, row: Any) -> str:
        at = getattr(row, field)
        if at is None:
            return dash(page)
        at = timezone.localtime(at)
        # A narrow column breaks between the day and the time only.
        return format_html('<span class="nowrap">{}</span> {}', f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}")

    return shown


def dash(page: Any) -> str:
    """Return what the site shows for no value."""
    return str(page.get_empty_value_display())


class ReadOnly:
    """Shows and never changes, superusers included: an audit that staff can edit is none."""

    fields: ClassVar[Any] = ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return flatten(self.fields)


class ReadOnlyInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Rows of another table on a page, oldest first."""

    extra = 0
    can_delete = False
    ordering = ["pk"]
    template = "admin/convai_tokens/rows.html"


class ReadOnlyAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """A list and a page per row, at a cost that doesn't grow with the table."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet counts the whole table
    paginator = CappedPaginator
    list_per_page = 50

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        # Threat: ?sealed__startswith=... tells by the number of rows what a column holds that no
        # page shows, one character at a time. Django lets an address filter by any local column.
        if HIDDEN.intersection(lookup.split("__")):
            return False
        return super().lookup_allowed(lookup, value, request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        if "cl" in context and context["cl"].result_count >= COUNT_CAP:
            context["subtitle"] = _(
                "At least %d match, and only so many are listed: filter or search for the others."
            ) % (COUNT_CAP)
        return response

    def subtitle(self, row: Any) -> str:
        """Return what a staff member knows the row by."""
        return str(row)

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context["subtitle"] = self.subtitle(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def has_custom_permission(self, request: HttpRequest, codename: str) -> bool:
        """Tell whether the staff member holds one of this app's own permissions."""
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def confirm(
        self,
        request: HttpRequest,
        selected: QuerySet[Any],
        affected: QuerySet[Any],
        *,
        columns: list[str],
        **context: Any,
    ) -> HttpResponse | None:
        """Ask before the deed; the answer comes back as the same action, confirmed.

        ``affected`` are those of the ``selected`` rows that the action changes; when there are
        none, says so and asks nothing. ``columns`` name what is shown of a row.
        """
        count = affected.count()
        if not count:
            self.message_user(request, context["nothing"], messages.WARNING)
            return None
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            "admin/convai_tokens/confirm.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "count": count,
                "untouched": selected.count() - count,
                "labels": [label_for_field(name, self.model, self) for name in columns],
                "rows": [self._cells(row, columns) for row in affected[:SHOWN]],
                "unshown": max(count - SHOWN, 0),
                "keys": request.POST.getlist(ACTION_CHECKBOX_NAME),
                "select_across": request.POST.get("select_across", "0"),
                "checkbox_name": ACTION_CHECKBOX_NAME,
                "list_address": request.get_full_path(),
                **context,
            },
        )

    def _cells(self, row: Any, columns: list[str]) -> list[Any]:
        cells = []
        for name in columns:
            field, _attr, value = lookup_field(name, row, self)
            empty = self.get_empty_value_display()
            shown = (
                display_for_field(value, field, empty)
                if field is not None
                else display_for_value(value, empty)
            )
            cells.append(shown)
        return cells

    def log_deed(self, request: HttpRequest, rows: QuerySet[Any], message: str) -> None:
        """Add to the history that admin keeps per row and per staff member."""
        LogEntry.objects.log_actions(staff(request).pk, rows, CHANGE, message)


def staff(request: HttpRequest) -> AbstractBaseUser:
    """Return the staff member: nobody else gets to an admin page."""
    return cast(AbstractBaseUser, request.user)


def chunks(queryset: QuerySet[Any]) -> Iterator[list[Any]]:
    """Return the primary keys in chunks, so that no transaction holds a whole school's rows."""
    keys = list(queryset.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]
