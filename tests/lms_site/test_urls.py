"""The site's addresses."""

from __future__ import annotations

import pytest
from django.urls import get_resolver, resolve, reverse

from tests.lms_site.lms import LMS

CODES = [400, 403, 404, 500]


def test_the_index_names_addresses_that_exist(lms: LMS) -> None:
    named = lms.get("/").json()
    paths = [
        path for each in named.values() for path in ([each] if isinstance(each, str) else each)
    ]

    assert len(paths) == 11
    assert 404 not in [lms.get(path).status_code for path in paths]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("index", "/"),
        ("healthz", "/healthz"),
        ("me", "/api/auth/me/"),
        ("convai_tokens:token", "/convai/token/"),
        ("admin:index", "/admin/"),
    ],
)
def test_each_part_of_the_site_is_at_its_address(name: str, path: str) -> None:
    assert reverse(name, "lms_site.urls") == path
    assert resolve(path, "lms_site.urls").view_name == name


def test_errors_are_answered_by_the_sites_own_views() -> None:
    found = {code: get_resolver("lms_site.urls").resolve_error_handler(code) for code in CODES}

    assert {code: view.__module__ for code, view in found.items()} == dict.fromkeys(
        CODES, "lms_site.views"
    )
