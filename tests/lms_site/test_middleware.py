"""The Content-Security-Policy, and Django's admin under it in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from selenium.webdriver.common.by import By

from lms_site.middleware import POLICY, ContentSecurityPolicyMiddleware
from tests.browsing import Staff, chromium
from tests.lms_site.lms import LMS, bearer

HEADER = "Content-Security-Policy"


def passed(response: Any) -> Any:
    return ContentSecurityPolicyMiddleware(lambda request: response)(RequestFactory().get("/"))


def test_the_policy_allows_no_inline_script_no_other_host_and_no_frame() -> None:
    assert "default-src 'none'" in POLICY
    assert "frame-ancestors 'none'" in POLICY
    assert "script-src 'self'" in POLICY
    assert not any(loose in POLICY for loose in ("unsafe", "*", "http", "data:"))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/healthz",
        "/nothing",
        "/admin/login/",
        "/admin/nothing/",
        "/api/auth/me/",
        "/api/session/csrf/",
        "/static/admin/css/base.css",
    ],
)
def test_every_response_has_the_policy(lms: LMS, path: str) -> None:
    assert lms.get(path).headers[HEADER] == POLICY


def test_a_login_and_a_stream_have_it_too(lms: LMS) -> None:
    assert lms.post("/api/auth/login/", json=lms.credentials()).headers[HEADER] == POLICY
    assert passed(StreamingHttpResponse([b""]))[HEADER] == POLICY


def test_a_view_may_have_a_policy_of_its_own() -> None:
    assert passed(HttpResponse(headers={HEADER: "sandbox"}))[HEADER] == "sandbox"


@pytest.mark.parametrize(
    ("debug", "status", "has"), [(True, 500, False), (True, 200, True), (False, 500, True)]
)
def test_djangos_debug_pages_alone_have_none(
    settings: Any, debug: bool, status: int, has: bool
) -> None:
    settings.DEBUG = debug

    assert passed(HttpResponse(status=status)).has_header(HEADER) is has


@pytest.fixture
def staff(lms: LMS, tmp_path: Path) -> Iterator[Staff]:
    with chromium(tmp_path) as browser:
        yield Staff(browser, lms.url)


def console(staff: Staff) -> list[str]:
    """Return what the console says, but for the icon that browsers ask for, and we don't have."""
    said = [entry["message"] for entry in staff.browser.get_log("browser")]  # type: ignore[no-untyped-call]
    return [line for line in said if "/favicon.ico" not in line]


@pytest.mark.browser
def test_the_admin_works_under_the_policy_without_a_violation(lms: LMS, staff: Staff) -> None:
    bearer(lms)
    account = lms.site.accounts["administrator"]
    staff.open("/admin/login/?next=/admin/")
    staff.browser.find_element(By.NAME, "username").send_keys(account.username)
    staff.browser.find_element(By.NAME, "password").send_keys(account.password)
    staff.click("#login-form [type=submit]")
    for page in ("auth/user/", "auth/user/1/change/", "convai_tokens/tokenevent/"):
        staff.open(f"/admin/{page}")

    staff.open("/admin/auth/group/add/")
    moved = "return document.querySelectorAll('#id_permissions_to').length"
    assert staff.browser.execute_script(moved) == 1  # the admin's own script ran
    staff.open("/admin/convai_tokens/learnersession/?ended_at__isempty=1")
    staff.open("/admin/convai_tokens/learnersession/")
    staff.choose("End selected sessions")
    assert "End the selected learner sessions?" in staff.text()
    staff.click("#content form [type=submit]")
    assert staff.text(".messagelist") == "1 learner session was ended."
    font = "return getComputedStyle(document.querySelector('#header')).display"
    assert staff.browser.execute_script(font) == "flex"  # styled

    assert console(staff) == []


@pytest.mark.browser
def test_an_inline_script_is_stopped_and_told_in_the_console(staff: Staff) -> None:
    staff.open("/admin/login/")
    script = (
        "const script = document.createElement('script');"
        "script.textContent = 'window.ran = true'; document.body.append(script);"
        "return window.ran === undefined"
    )

    assert staff.browser.execute_script(script)
    assert any("Content Security Policy" in line for line in console(staff))
