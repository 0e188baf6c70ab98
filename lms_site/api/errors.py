"""Errors of the API: ``{"error": {"code": "...", "message": "One sentence."}}``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import RequestDataTooBig
from rest_framework import status, views
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response


class InvalidCredentials(APIException):
    """A wrong name, a wrong password, or an inactive user: which of them is nobody's business."""

    status_code = status.HTTP_401_UNAUTHORIZED
    default_code = "invalid_credentials"
    default_detail = "The username or the password is wrong."
    auth_header = "Bearer"  # a 401 has to name a scheme


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The body of the request is too large."


def error_body(code: str, message: str) -> dict[str, Any]:
    """Return the one shape that every error of the site has."""
    return {"error": {"code": code, "message": message}}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Give DRF's answer to an exception the site's shape; None leaves it to Django's 500."""
    if isinstance(exc, RequestDataTooBig):
        exc = TooLarge()
    response = views.exception_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, ValidationError):
        response.data = error_body("invalid", " ".join(_sentences(exc.detail)))
    elif isinstance(exc, APIException):
        response.data = error_body(str(exc.get_codes()), str(exc.detail))
    else:  # Django's Http404 and PermissionDenied
        missing = response.status_code == status.HTTP_404_NOT_FOUND
        response.data = (
            error_body("not_found", "There is nothing at this address.")
            if missing
            else error_body("permission_denied", "This is not allowed.")
        )
    return response


def _sentences(detail: Any, field: str = "") -> Iterator[str]:
    """Yield what is wrong with the body, each sentence after its field's name."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _sentences(inner, "" if name == "non_field_errors" else str(name))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _sentences(inner, field)
    else:
        yield f"{field}: {detail}" if field else str(detail)
