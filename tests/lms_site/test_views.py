"""The site's own pages, in this process: what they must not touch shows here."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, RequestFactory

from lms_site import views
from tests.lms_site.lms import LMS, error_code


@pytest.fixture(autouse=True)
def _site_urls(settings: Any) -> None:
    settings.ROOT_URLCONF = "lms_site.urls"


def test_healthz_answers_without_a_database(client: Client) -> None:
    # No database mark: pytest-django fails any test that touches one without it.
    response = client.get("/healthz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_healthz_only_reads(client: Client) -> None:
    assert client.post("/healthz").status_code == 405


def test_a_server_error_says_nothing_of_its_cause() -> None:
    response = views.server_error(RequestFactory().get("/api/auth/me/"))

    assert response.status_code == 500
    assert b'"code": "server_error"' in response.content


@pytest.mark.parametrize(
    ("view", "status", "code"),
    [
        (views.bad_request, 400, b'"bad_request"'),
        (views.permission_denied, 403, b'"permission_denied"'),
        (views.page_not_found, 404, b'"not_found"'),
    ],
)
def test_djangos_own_errors_have_the_sites_shape(view: Any, status: int, code: bytes) -> None:
    response = view(RequestFactory().get("/api/"), Exception("a detail"))

    assert response.status_code == status
    assert code in response.content
    assert b"a detail" not in response.content


def test_what_is_not_there_is_told_in_json_and_in_the_admin_as_a_page(lms: LMS) -> None:
    missing = lms.get("/api/nothing/")

    assert missing.status_code == 404
    assert error_code(missing) == "not_found"
    assert lms.get("/admin/login/nothing/").headers["Content-Type"].startswith("text/html")
