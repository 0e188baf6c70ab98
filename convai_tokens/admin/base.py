"""What all pages share: nothing can be changed, no secret asked for, and counting is capped."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from django.contrib import admin
from django.contrib.admin.utils import flatten
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..lifecycle.exporting import FORMATS
from .export import export_view, may_export
from .related import Related
from .searching import Found
from .shown import VIEWS, may
from .words import WORDS

COUNT_CAP = 10_000  # counting all of a large table costs more than showing a page of it
# Columns that no page shows, and that no address may ask about.
HIDDEN = {"sealed", "credential_digest", "mac", "forgotten", "key_id"}

Row = TypeVar("Row", bound=Model)


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than to a cap: the pages beyond are reached by filter and search."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:COUNT_CAP].count()

    def page(self, number: int | str) -> Page[Any]:
        """Return a page, whose keys are looked up first: in the order of an index, and by it alone.

        MariaDB sorts the whole table for the rows of a last page, but not for their keys.
        """
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        keys = self.object_list.values_list("pk", flat=True)[start : start + self.per_page]
        rows = self.object_list.order_by().in_bulk(list(keys))
        found = [rows[key] for key in keys if key in rows]
        return Page(found, number, self)


class AuditList(ChangeList):
    """A list whose order an index gives, and whose rows know who looks at them."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the page's own order, or the one that a header offers; in any case one index's.

        An address can ask for an order by any column, which would sort the whole table.
        """
        default = [*self.model_admin.get_ordering(request)]
        chosen = str(self.params.get("o", "")).split(".", 1)[0]
        number = chosen.removeprefix("-")
        if not number.isdecimal() or not int(number) < len(self.list_display):
            return default
        name = self.list_display[int(number)]
        field = self.get_ordering_field(name)
        if field is None or name not in (self.model_admin.sortable_by or ()):
            return default
        sign = "-" if chosen.startswith("-") else ""
        return [f"{sign}{field}", f"{sign}pk"]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for row in self.result_list:
            row.viewer = request.user
        self.model_admin.prepare(self.result_list)  # type: ignore[attr-defined]


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


class ReadOnlyAdmin(ReadOnly, admin.ModelAdmin, Generic[Row]):  # type: ignore[type-arg]
    """A list and a page per row, at a cost that doesn't grow with the table."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet counts the whole table
    paginator = CappedPaginator
    list_per_page = 50
    change_list_template = "admin/convai_tokens/change_list.html"
    change_form_template = "admin/convai_tokens/change_form.html"
    search_fields: ClassVar[Any] = ["pk"]  # none, but Django shows the box only where there are
    search_help_text = gettext_lazy(
        "A learner's or staff member's username, name or e-mail address, or a token's fingerprint, "
        "each from its beginning"
    )
    page_actions: ClassVar[list[Any]] = []  # those of the list that a row's page offers as a button

    class Media:
        css: ClassVar[Any] = {"all": ["convai_tokens/admin.css"]}

    def subtitle(self, row: Row) -> str:
        """Return what a staff member knows the row by."""
        return str(row)

    def found_rows(self, queryset: QuerySet[Row], found: Found) -> QuerySet[Row]:
        """Return the rows of what a search found, by their keys."""
        raise NotImplementedError

    def prepare(self, rows: list[Row]) -> None:
        """Look up what the rows of a list page show, for all of them at once."""

    def related(self, row: Row, viewer: Any) -> list[Related]:
        """Return the tables below a row's fields."""
        return []

    def has_custom_permission(self, request: HttpRequest, codename: str) -> bool:
        """Tell whether the staff member holds one of this app's own permissions."""
        return may(request.user, codename)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AuditList

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        view = self.admin_site.admin_view(self.export)
        return [path("export/<str:file_format>/", view, name=name), *super().get_urls()]

    def export(self, request: HttpRequest, file_format: str) -> HttpResponseBase:
        """Answer the filtered list as a file."""
        return export_view(self, request, file_format)

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
        if not term:
            return queryset, False
        found = Found.of(term)
        request.convai_found = found  # type: ignore[attr-defined] # for the page to tell
        return self.found_rows(queryset, found), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context: dict[str, Any] = {
            "words": WORDS[self.model],
            "overview": self._overview(request),
            "exports": [
                (name, self._address("export", name))
                for name in (FORMATS if may_export(self, request) else ())
            ],
            **(extra_context or {}),
        }
        response = super().changelist_view(request, context)
        data = getattr(response, "context_data", None) or {}
        if "cl" in data:
            data["found"] = getattr(request, "convai_found", None)
            if data["cl"].result_count >= COUNT_CAP:
                data["subtitle"] = _(
                    "At least %d match, and only so many are listed: filter or search for the "
                    "others."
                ) % (COUNT_CAP)
        return response

    def _overview(self, request: HttpRequest) -> str:
        if not may(request.user, *VIEWS):
            return ""
        return reverse(f"{self.admin_site.name}:convai_tokens_overview")

    def _address(self, what: str, *args: Any) -> str:
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{what}"
        return reverse(name, args=args)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Row | None:
        row: Row | None = super().get_object(request, object_id, from_field)
        if row is not None:
            row.viewer = request.user  # type: ignore[attr-defined]
        return row

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
            offered = self.get_actions(request)
            context |= {
                "subtitle": self.subtitle(obj),
                "words": WORDS[self.model],
                "related": self.related(obj, request.user),
                "page_actions": [
                    (action.name, action.one)
                    for action in self.page_actions
                    if action.name in offered and action.affects(obj)
                ],
                "list_address": self._address("changelist"),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)
