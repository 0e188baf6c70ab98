"""The filtered list as a file, streamed; each leaves an audit event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)

from ..lifecycle.audit import record
from ..lifecycle.exporting import FORMATS, exported
from ..lifecycle.orders import without_people
from ..models import EventKind
from .shown import may

if TYPE_CHECKING:
    from .base import ReadOnlyAdmin


def may_export(page: ReadOnlyAdmin[Any], request: HttpRequest) -> bool:
    """Tell whether the staff member may see the list, and take it away."""
    return page.has_view_permission(request) and may(request.user, "export_audit")


def export_view(
    page: ReadOnlyAdmin[Any], request: HttpRequest, file_format: str
) -> HttpResponseBase:
    """Answer what the list shows under the same address, as CSV or JSON Lines.

    The event names the filters, and not what was searched for: that may be a person.
    """
    if not may_export(page, request):
        raise PermissionDenied
    if file_format not in FORMATS:
        raise Http404
    try:
        rows = page.get_changelist_instance(request).get_queryset(request)
    except IncorrectLookupParameters:  # as the list itself answers it
        return HttpResponseRedirect("../../?e=1")
    name = str(page.opts.model_name)
    detail = f"{name} as {file_format}: {without_people(request.GET.dict())}"
    record(EventKind.EXPORTED, detail=detail[:240], actor=cast(AbstractBaseUser, request.user))
    response = StreamingHttpResponse(exported(rows, file_format), content_type=FORMATS[file_format])
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    response["Content-Disposition"] = f'attachment; filename="convai-{name}-{stamp}.{file_format}"'
    return response
