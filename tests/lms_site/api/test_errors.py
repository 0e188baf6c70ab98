"""The one shape of the API's errors."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import ValidationError

from lms_site.api.errors import InvalidCredentials, exception_handler
from tests.lms_site.lms import LMS, error_code


def test_a_login_takes_json_alone(lms: LMS) -> None:
    response = lms.post("/api/auth/login/", data=lms.credentials())

    assert response.status_code == 415
    assert error_code(response) == "unsupported_media_type"


def test_a_method_that_is_not_allowed_gets_a_405_with_a_code(lms: LMS) -> None:
    response = lms.get("/api/auth/login/")

    assert response.status_code == 405
    assert error_code(response) == "method_not_allowed"


@pytest.mark.parametrize(
    ("error", "status", "code", "message"),
    [
        (
            InvalidCredentials(),
            401,
            "invalid_credentials",
            "The username or the password is wrong.",
        ),
        (ValidationError({"name": ["Too long."]}), 400, "invalid", "name: Too long."),
        (ValidationError({"non_field_errors": ["No."]}), 400, "invalid", "No."),
        (ValidationError({"a": [{"b": ["No."]}], "c": ["Nor."]}), 400, "invalid", "b: No. c: Nor."),
        (Http404("a detail"), 404, "not_found", "There is nothing at this address."),
        (PermissionDenied("a detail"), 403, "permission_denied", "This is not allowed."),
    ],
)
def test_each_error_has_a_code_and_a_sentence(
    error: Exception, status: int, code: str, message: str
) -> None:
    response = exception_handler(error, {})

    assert response is not None
    assert response.status_code == status
    assert response.data == {"error": {"code": code, "message": message}}


def test_an_error_that_nobody_expects_is_left_to_django() -> None:
    assert exception_handler(RuntimeError("a detail"), {}) is None
