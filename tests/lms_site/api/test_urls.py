"""The addresses of the login API."""

from __future__ import annotations

from django.urls import get_resolver, reverse

ADDRESSES = {
    "bearer-login": "/auth/login/",
    "bearer-logout": "/auth/logout/",
    "bearer-logout-all": "/auth/logout-all/",
    "me": "/auth/me/",
    "csrf": "/session/csrf/",
    "session-login": "/session/login/",
    "session-logout": "/session/logout/",
}


def test_the_api_has_these_addresses_and_no_other() -> None:
    names = [key for key in get_resolver("lms_site.api.urls").reverse_dict if isinstance(key, str)]

    assert {name: reverse(name, "lms_site.api.urls") for name in names} == ADDRESSES
