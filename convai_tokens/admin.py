"""The audit in Django's admin: read-only without exception, and no page knows a token value."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from . import lifecycle
from .models import ConvaiToken, EndReason, LearnerSession, TokenEvent

COUNT_CAP = 10_000  # counting all of a large table costs more than showing a page of it
CHUNK = 500


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than to a cap: the pages beyond are reached by filter and search."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNT_CAP].count())


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Shows and never changes: an audit that staff can edit is none."""

    actions_on_bottom = False
    show_full_result_count = False
    paginator = CappedPaginator
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_custom_permission(self, request: HttpRequest, codename: str) -> bool:
        """Tell whether the staff member holds one of this app's own permissions."""
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def confirm(
        self, request: HttpRequest, queryset: QuerySet[Any], **context: Any
    ) -> HttpResponse:
        """Ask before the deed; the answer comes back as the same action, confirmed."""
        return TemplateResponse(
            request,
            "admin/convai_tokens/confirm.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "media": self.media,
                "objects": queryset[:CHUNK],
                "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
                "select_across": request.POST.get("select_across", "0"),
                "checkbox_name": ACTION_CHECKBOX_NAME,
                "count": queryset.count(),
                **context,
            },
        )


class TokenEventInline(admin.TabularInline):  # type: ignore[type-arg]
    model = TokenEvent
    fields = ["at", "kind", "actor", "detail"]
    readonly_fields = ["at", "kind", "actor", "detail"]
    ordering = ["pk"]
    extra = 0
    can_delete = False
    verbose_name_plural = _("events")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TokenEvent]:
        return super().get_queryset(request).select_related("actor")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ConvaiTokenInline(admin.TabularInline):  # type: ignore[type-arg]
    model = ConvaiToken
    fields = ["fingerprint", "status", "generated_at", "expires_at", "owed_since", "revoked_at"]
    readonly_fields = [
        "fingerprint",
        "status",
        "generated_at",
        "expires_at",
        "owed_since",
        "revoked_at",
    ]
    ordering = ["pk"]
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OpenFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Open")), ("ended", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(ended_at__isnull=self.value() == "open")


class OwedFilter(admin.SimpleListFilter):
    """Filters by a status, which the small index knows; not by a date, which it doesn't."""

    title = _("revocation owed")
    parameter_name = "owed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Owed now"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(status=ConvaiToken.Status.REVOKING)


@admin.register(LearnerSession)
class LearnerSessionAdmin(ReadOnlyAdmin):
    list_display = ["username", "stack", "device", "started_at", "ended_at", "end_reason"]
    list_filter = [OpenFilter, "end_reason", "started_at"]
    ordering = ["-started_at", "-id"]
    sortable_by = ["started_at"]
    search_fields = ["username"]
    search_help_text = _("Username, from its beginning")
    fields = [
        "id",
        "user",
        "username",
        "stack",
        "device",
        "started_at",
        "ended_at",
        "end_reason",
    ]
    inlines = [ConvaiTokenInline]
    actions = ["end_selected"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(username__startswith=term) if term else queryset), False

    def has_end_permission(self, request: HttpRequest) -> bool:
        return self.has_custom_permission(request, "end_learnersession")

    @admin.action(description=_("End selected sessions"), permissions=["end"])
    def end_selected(
        self, request: HttpRequest, queryset: QuerySet[LearnerSession]
    ) -> HttpResponse | None:
        """End the sessions, in chunks, as the staff member."""
        if "confirmed" not in request.POST:
            return self.confirm(
                request,
                queryset,
                action="end_selected",
                title=_("End the selected learner sessions?"),
                consequence=_(
                    "Their Convai tokens are revoked. The learners stay logged in to the LMS, but "
                    "get no further token before they log in again."
                ),
            )
        ended = 0
        for chunk in _chunks(queryset):
            sessions = LearnerSession.objects.filter(pk__in=chunk)
            ended += lifecycle.end_sessions(sessions, EndReason.STAFF, actor=_staff(request))
        told = ngettext("%d learner session was ended.", "%d learner sessions were ended.", ended)
        self.message_user(request, told % ended, messages.SUCCESS)
        return None


@admin.register(ConvaiToken)
class ConvaiTokenAdmin(ReadOnlyAdmin):
    list_display = [
        "fingerprint",
        "status",
        "learner",
        "stack",
        "device",
        "generated_at",
        "expires_at",
        "left",
        "end_reason",
        "owed_since",
    ]
    list_display_links = ["fingerprint", "status"]
    list_filter = [OwedFilter, "status", "generated_at"]
    list_select_related = ["session"]
    ordering = ["-generated_at", "-id"]
    sortable_by = ["generated_at"]
    search_fields = ["fingerprint"]
    search_help_text = _("Username, or a fingerprint from its beginning")
    fields = [
        "fingerprint",
        "status",
        "session",
        "learner",
        "stack",
        "device",
        "generated_at",
        "expires_at",
        "left",
        "extended_at",
        "extend_count",
        "end_reason",
        "owed_since",
        "attempts",
        "next_attempt_at",
        "claimed_until",
        "last_error",
        "revoked_at",
    ]
    inlines = [TokenEventInline]
    actions = ["revoke_selected"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.fields  # type: ignore[return-value]

    @admin.display(description=_("learner"))
    def learner(self, token: ConvaiToken) -> str:
        return token.session.username

    @admin.display(description=_("login stack"))
    def stack(self, token: ConvaiToken) -> str:
        return token.session.stack

    @admin.display(description=_("device"))
    def device(self, token: ConvaiToken) -> str:
        return token.session.device

    @admin.display(description=_("end reason"))
    def end_reason(self, token: ConvaiToken) -> str:
        return str(token.session.get_end_reason_display())

    @admin.display(description=_("time left"))
    def left(self, token: ConvaiToken) -> str:
        left = token.time_left
        return str(left - timedelta(microseconds=left.microseconds)) if left else ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the sessions first: joined, the search would read both tables."""
        term = search_term.strip()
        if not term:
            return queryset, False
        sessions = LearnerSession.objects.filter(username=term).values("pk")
        return queryset.filter(Q(fingerprint__startswith=term) | Q(session__in=sessions)), False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.has_custom_permission(request, "revoke_convaitoken")

    @admin.action(description=_("Revoke selected tokens"), permissions=["revoke"])
    def revoke_selected(
        self, request: HttpRequest, queryset: QuerySet[ConvaiToken]
    ) -> HttpResponse | None:
        """Turn the tokens into owed revocations, in chunks, as the staff member."""
        if "confirmed" not in request.POST:
            return self.confirm(
                request,
                queryset,
                action="revoke_selected",
                title=_("Revoke the selected Convai tokens?"),
                consequence=_(
                    "A conversation that is running goes on; the next connection with one of these "
                    "tokens is turned away. The learner sessions stay open."
                ),
            )
        owed = 0
        for chunk in _chunks(queryset):
            tokens = ConvaiToken.objects.filter(pk__in=chunk)
            owed += lifecycle.revoke_tokens(
                tokens, detail="Revoked by staff", actor=_staff(request)
            )
        told = ngettext("%d token is being revoked.", "%d tokens are being revoked.", owed)
        self.message_user(request, told % owed, messages.SUCCESS)
        return None


@admin.register(TokenEvent)
class TokenEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "kind", "learner", "token", "actor", "detail"]
    list_display_links = ["at"]
    list_filter = ["kind"]
    list_select_related = ["session", "token", "actor"]
    ordering = ["-id"]
    sortable_by = ()
    fields = ["at", "kind", "session", "token", "actor", "detail"]

    @admin.display(description=_("learner"))
    def learner(self, event: TokenEvent) -> str:
        return event.session.username


def _staff(request: HttpRequest) -> AbstractBaseUser:
    """Return the staff member: nobody else gets to an admin page."""
    return cast(AbstractBaseUser, request.user)


def _chunks(queryset: QuerySet[Any]) -> list[list[Any]]:
    """Return the primary keys in chunks, so that no transaction holds a whole school's rows."""
    keys = list(queryset.order_by("pk").values_list("pk", flat=True))
    return [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]
