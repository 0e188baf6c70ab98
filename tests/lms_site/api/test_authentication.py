"""Who is let in, and who is not: bad bearer tokens, and cookies without a CSRF token."""

from __future__ import annotations

import pytest

from tests.lms_site.lms import LMS, browser, error_code, send


@pytest.mark.parametrize("token", ["wrong", "\xff\xfe", "two words", ""])
def test_a_bad_bearer_token_gets_a_401(lms: LMS, token: str) -> None:
    header = f"Bearer {token}".strip().encode("latin-1")

    response = lms.get("/api/auth/me/", headers={"Authorization": header})

    assert response.status_code == 401
    assert error_code(response) == "authentication_failed"
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_login_without_its_csrf_token_is_refused(lms: LMS) -> None:
    response = lms.post("/api/session/login/", json=lms.credentials())

    assert response.status_code == 403
    assert error_code(response) == "csrf_failed"
    assert "sessionid" not in response.cookies


def test_a_session_logout_without_its_csrf_token_is_refused_and_ends_nothing(lms: LMS) -> None:
    session = browser(lms)
    send(lms, session, "/api/session/login/", json=lms.credentials())

    response = session.post(f"{lms.url}/api/session/logout/", timeout=30)

    assert response.status_code == 403
    assert error_code(response) == "csrf_failed"
    assert session.get(f"{lms.url}/api/auth/me/", timeout=30).status_code == 200
