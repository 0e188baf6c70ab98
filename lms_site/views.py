"""The site's own pages: an index, a health check, and errors as JSON outside of the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.http import require_safe

from .api.errors import error_body


@require_safe
def index(request: HttpRequest) -> JsonResponse:
    """Name the site's addresses."""
    return JsonResponse(
        {
            "bearer": ["/api/auth/login/", "/api/auth/logout/", "/api/auth/logout-all/"],
            "session": ["/api/session/csrf/", "/api/session/login/", "/api/session/logout/"],
            "learner": "/api/auth/me/",
            "convai": ["/convai/token/", "/convai/token/extend/"],
            "admin": "/admin/",
            "health": "/healthz",
        }
    )


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Say that this process serves; ask neither the database nor Convai."""
    return JsonResponse({"status": "ok"})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400, such as to a host that isn't in ``ALLOWED_HOSTS``."""
    message = "The request can't be read."
    return _error(request, 400, "bad_request", message, defaults.bad_request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    message = "This is not allowed."
    return _error(request, 403, "permission_denied", message, defaults.permission_denied, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    message = "There is nothing at this address."
    return _error(request, 404, "not_found", message, defaults.page_not_found, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, without a word on what went wrong: that is in the log."""
    message = "The server failed; the failure has been logged."
    return _error(request, 500, "server_error", message, defaults.server_error)


def _error(
    request: HttpRequest,
    status: int,
    code: str,
    message: str,
    page: Callable[..., HttpResponse],
    *exception: Exception,
) -> HttpResponse:
    """Return Django's own page to staff in the admin, and JSON to everybody else."""
    if request.path.startswith("/admin/"):
        return page(request, *exception)
    body: dict[str, Any] = error_body(code, message)
    return JsonResponse(body, status=status)
