"""The session's cookie: how long it lasts, and what it is called over https."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from http.cookies import SimpleCookie

import pytest
import requests

from lms_site.demo.processes import Site
from tests.lms_site.lms import LMS, browser, error_code, send


def cookies(response: requests.Response) -> SimpleCookie:
    """Return all cookies that a response sets, with their attributes."""
    return SimpleCookie("\n".join(response.raw.headers.getlist("Set-Cookie")))


def test_each_request_starts_the_half_hour_of_a_session_anew(lms: LMS) -> None:
    session = browser(lms)
    login = send(lms, session, "/api/session/login/", json=lms.credentials())

    later = session.get(f"{lms.url}/api/auth/me/", timeout=30)

    assert cookies(login)["sessionid"]["max-age"] == "1800"
    assert cookies(later)["sessionid"]["max-age"] == "1800"
    assert cookies(later)["sessionid"].value == session.cookies["sessionid"]


def test_a_session_that_was_idle_for_too_long_is_over(lms: LMS) -> None:
    session = browser(lms)
    send(lms, session, "/api/session/login/", json=lms.credentials())

    with closing(sqlite3.connect(lms.site.database, timeout=20)) as connection, connection:
        connection.execute(
            "UPDATE django_session SET expire_date = datetime(expire_date, '-30 minutes') "
            "WHERE session_key = ?",
            [session.cookies["sessionid"]],
        )

    assert session.get(f"{lms.url}/api/auth/me/", timeout=30).status_code == 401


@pytest.fixture(scope="module")
def https(lms: LMS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LMS]:
    """The site as it is in production: behind a proxy that ends TLS, which these tests play."""
    log = tmp_path_factory.mktemp("https") / "log"
    environment = {**lms.site.environment, "DJANGO_INSECURE_HTTP": "0", "DJANGO_BEHIND_PROXY": "1"}
    with Site(environment, log, workers=1) as server:
        yield LMS(server.url, lms.site, lms.sandbox)


def test_over_https_a_login_works_with_cookies_for_this_host_alone(https: LMS) -> None:
    proxy = {"X-Forwarded-Proto": "https", "Referer": https.url.replace("http:", "https:") + "/"}
    csrf = https.get("/api/session/csrf/", headers=proxy)
    ticket = {
        **proxy,
        "Cookie": f"__Host-csrftoken={cookies(csrf)['__Host-csrftoken'].value}",
        "X-CSRFToken": csrf.json()["csrfToken"],
    }

    login = https.post("/api/session/login/", json=https.credentials(), headers=ticket)
    old_name = ticket | {"Cookie": ticket["Cookie"].removeprefix("__Host-")}
    refused = https.post("/api/session/login/", json=https.credentials(), headers=old_name)

    assert login.status_code == 200
    assert set(cookies(login)) == {"__Host-sessionid", "__Host-csrftoken"}
    for cookie in cookies(login).values():
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
    assert cookies(login)["__Host-sessionid"]["httponly"]
    me = {**proxy, "Cookie": f"__Host-sessionid={cookies(login)['__Host-sessionid'].value}"}
    assert https.get("/api/auth/me/", headers=me).status_code == 200
    assert (refused.status_code, error_code(refused)) == (403, "csrf_failed")
