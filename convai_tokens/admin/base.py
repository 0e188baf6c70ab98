"""What all pages share: nothing can be changed, no secret asked for, and counting is capped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.utils import flatten
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

COUNT_CAP = 10_000  # counting all of a large table costs more than showing a page of it
# Columns that no page shows, and that no address may ask about.
HIDDEN = {"sealed", "credential_digest"}

Row = TypeVar("Row", bound=Model)


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than to a cap: the pages beyond are reached by filter and search."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:COUNT_CAP].count()


def moment(field: str, label: StrOrPromise) -> Callable[[BaseModelAdmin[Any], Model], str]:
    """Return a column that shows a time to the second: an audit's steps share their minutes."""

    @admin.display(description=label, ordering=field)
    def shown(page: BaseModelAdmin[Any], row: Model) -> str:
        at: datetime | None = getattr(row, field)
        if at is None:
            return dash(page)
        at = timezone.localtime(at)
        # A narrow column breaks between the day and the time only.
        return format_html('<span class="nowrap">{}</span> {}', f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}")

    return shown


def dash(page: BaseModelAdmin[Any]) -> str:
    """Return what the site shows for no value."""
    return str(page.get_empty_value_display())


class ReadOnly:
    """Shows and never changes, superusers included: an audit that staff can edit is none."""

    fields: ClassVar[Any] = ()

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return flatten(self.fields)


class ReadOnlyInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Rows of another table on a page, oldest first."""

    extra = 0
    can_delete = False
    ordering = ["pk"]
    template = "admin/convai_tokens/rows.html"


class ReadOnlyAdmin(ReadOnly, admin.ModelAdmin, Generic[Row]):  # type: ignore[type-arg]
    """A list and a page per row, at a cost that doesn't grow with the table."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet counts the whole table
    paginator = CappedPaginator
    list_per_page = 50

    def subtitle(self, row: Row) -> str:
        """Return what a staff member knows the row by."""
        return str(row)

    def search(self, queryset: QuerySet[Row], term: str) -> QuerySet[Row]:
        """Return the rows that the term, which isn't empty, finds by an index."""
        raise NotImplementedError

    def has_custom_permission(self, request: HttpRequest, codename: str) -> bool:
        """Tell whether the staff member holds one of this app's own permissions."""
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Threat: ?sealed__startswith=... tells by the number of rows what a column holds that no
        # page shows, one character at a time. Django lets an address filter by any local column.
        if HIDDEN.intersection(lookup.split("__")):
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        term = search_term.strip()
        return self.search(queryset, term) if term else queryset, False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        if "cl" in context and context["cl"].result_count >= COUNT_CAP:
            context["subtitle"] = _(
                "At least %d match, and only so many are listed: filter or search for the others."
            ) % (COUNT_CAP)
        return response

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Row | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context["subtitle"] = self.subtitle(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)
