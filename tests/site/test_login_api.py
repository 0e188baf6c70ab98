"""The LMS's own login API, over HTTP against the running site."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from .conftest import LMS


def bearer(lms: LMS, name: str = "learner") -> tuple[dict[str, str], str]:
    """Log in; return the header of later requests, and the Convai token."""
    data = lms.post("/api/auth/login/", json=lms.credentials(name)).json()
    return {"Authorization": f"Bearer {data['token']}"}, data["convai"]["apiAuthToken"]


def browser(lms: LMS) -> requests.Session:
    """Return a browser that has been given its CSRF token."""
    session = lms.http()
    session.get(f"{lms.url}/api/session/csrf/", timeout=30)
    return session


def send(lms: LMS, session: requests.Session, path: str, **arguments: Any) -> requests.Response:
    """Post as a browser's own page does."""
    headers = {"X-CSRFToken": session.cookies["csrftoken"]}
    return session.post(lms.url + path, headers=headers, timeout=30, **arguments)


def wait_until_dead(lms: LMS, *tokens: str) -> None:
    """Wait until none of the tokens is alive at Convai; fail after a while."""
    deadline = time.monotonic() + 15
    while alive := set(tokens) & set(lms.sandbox.live()):
        assert time.monotonic() < deadline, f"{len(alive)} tokens are still alive"
        time.sleep(0.02)


def error_code(response: requests.Response) -> str:
    """Return the code of an error in the site's one shape."""
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["message"].endswith((".", ")"))
    return str(error["code"])


def test_a_bearer_login_answers_with_token_expiry_learner_and_convai_block(lms: LMS) -> None:
    response = lms.post("/api/auth/login/", json=lms.credentials(device="kiosk"))

    data = response.json()
    assert response.status_code == 200
    assert set(data) == {"token", "expiry", "learner", "convai"}
    assert data["learner"] == {"id": data["convai"]["endUserId"], "displayName": "learner"}
    expiry = datetime.strptime(data["expiry"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert timedelta(hours=9) < expiry - datetime.now(UTC) <= timedelta(hours=10)
    assert lms.sandbox.connect(data["convai"]["apiAuthToken"]) == 200
    assert "no-store" in response.headers["Cache-Control"]


def test_a_bearer_login_sets_no_cookie(lms: LMS) -> None:
    assert not lms.post("/api/auth/login/", json=lms.credentials()).cookies


@pytest.mark.parametrize(
    ("name", "password"), [("learner", "wrong"), ("nobody", "wrong"), ("learner", " ")]
)
def test_wrong_credentials_get_a_401_with_a_code(lms: LMS, name: str, password: str) -> None:
    response = lms.post("/api/auth/login/", json={"username": name, "password": password})

    assert response.status_code == 401
    assert error_code(response) == "invalid_credentials"
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/api/auth/login/", "/api/session/login/"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "parse_error"),
        (b"[]", "invalid"),
        (b"{}", "invalid"),
        (b'{"username": "learner", "password": {}}', "invalid"),
        (b'{"username": "a\\u0000b", "password": "x"}', "invalid"),
    ],
)
def test_a_malformed_login_body_gets_a_400_with_a_code(
    lms: LMS, path: str, body: bytes, code: str
) -> None:
    session = browser(lms)
    headers = {"X-CSRFToken": session.cookies["csrftoken"], "Content-Type": "application/json"}

    response = session.post(lms.url + path, data=body, headers=headers, timeout=30)

    assert response.status_code == 400
    assert error_code(response) == code


def test_a_login_takes_json_alone(lms: LMS) -> None:
    response = lms.post("/api/auth/login/", data=lms.credentials())

    assert response.status_code == 415
    assert error_code(response) == "unsupported_media_type"


def test_a_stale_bearer_token_does_not_hinder_a_login(lms: LMS) -> None:
    stale = {"Authorization": "Bearer of-an-earlier-login"}

    response = lms.post("/api/auth/login/", json=lms.credentials(), headers=stale)

    assert response.status_code == 200


@pytest.mark.parametrize("token", ["wrong", "\xff\xfe", "two words", ""])
def test_a_bad_bearer_token_gets_a_401(lms: LMS, token: str) -> None:
    header = f"Bearer {token}".strip().encode("latin-1")

    response = lms.get("/api/auth/me/", headers={"Authorization": header})

    assert response.status_code == 401
    assert error_code(response) == "authentication_failed"
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_bearer_logout_ends_this_login_alone_and_its_convai_token(lms: LMS) -> None:
    (first, first_token), (second, second_token) = bearer(lms), bearer(lms)

    response = lms.post("/api/auth/logout/", headers=first)

    assert (response.status_code, response.content) == (204, b"")
    assert lms.get("/api/auth/me/", headers=first).status_code == 401
    assert lms.get("/api/auth/me/", headers=second).status_code == 200
    wait_until_dead(lms, first_token)
    assert lms.sandbox.connect(second_token) == 200


def test_a_logout_from_all_devices_ends_every_login_of_this_learner_alone(lms: LMS) -> None:
    mine, other = [bearer(lms), bearer(lms)], bearer(lms, "second-learner")

    assert lms.post("/api/auth/logout-all/", headers=mine[0][0]).status_code == 204

    assert [lms.get("/api/auth/me/", headers=each[0]).status_code for each in mine] == [401, 401]
    wait_until_dead(lms, *(token for _, token in mine))
    assert lms.sandbox.connect(other[1]) == 200


@pytest.mark.parametrize("path", ["logout/", "logout-all/"])
def test_a_bearer_logout_of_nobody_gets_a_401(lms: LMS, path: str) -> None:
    response = lms.post(f"/api/auth/{path}")

    assert response.status_code == 401
    assert error_code(response) == "not_authenticated"


def test_me_tells_who_is_logged_in_by_bearer_or_by_cookie(lms: LMS) -> None:
    header, _ = bearer(lms)
    session = browser(lms)
    send(lms, session, "/api/session/login/", json=lms.credentials())

    by_bearer = lms.get("/api/auth/me/", headers=header).json()
    by_cookie = session.get(f"{lms.url}/api/auth/me/", timeout=30).json()

    assert by_bearer == by_cookie
    assert by_bearer["learner"]["displayName"] == "learner"


def test_a_session_login_sets_the_cookie_and_answers_with_learner_and_convai_block(
    lms: LMS,
) -> None:
    session = browser(lms)

    response = send(lms, session, "/api/session/login/", json=lms.credentials())

    assert response.status_code == 200
    assert set(response.json()) == {"learner", "convai"}
    assert "sessionid" in session.cookies
    token = response.json()["convai"]["apiAuthToken"]
    assert lms.sandbox.connect(token) == 200
    assert send(lms, session, "/api/session/logout/").status_code == 204
    assert session.get(f"{lms.url}/api/auth/me/", timeout=30).status_code == 401
    wait_until_dead(lms, token)
    assert lms.sandbox.connect(token) == 401


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


def test_a_session_logout_of_nobody_is_no_error(lms: LMS) -> None:
    assert send(lms, browser(lms), "/api/session/logout/").status_code == 204


def test_wrong_credentials_leave_the_session_of_the_learner_before_alone(lms: LMS) -> None:
    session = browser(lms)
    send(lms, session, "/api/session/login/", json=lms.credentials())

    wrong = {"username": "second-learner", "password": "wrong"}
    response = send(lms, session, "/api/session/login/", json=wrong)

    assert response.status_code == 401
    me = session.get(f"{lms.url}/api/auth/me/", timeout=30).json()
    assert me["learner"]["displayName"] == "learner"


def test_the_next_learner_in_the_same_browser_ends_the_first_ones_token(lms: LMS) -> None:
    session = browser(lms)
    first = send(lms, session, "/api/session/login/", json=lms.credentials()).json()

    after = lms.credentials("second-learner")
    second = send(lms, session, "/api/session/login/", json=after).json()

    wait_until_dead(lms, first["convai"]["apiAuthToken"])
    assert lms.sandbox.connect(second["convai"]["apiAuthToken"]) == 200


def test_what_is_not_there_is_told_in_json_and_in_the_admin_as_a_page(lms: LMS) -> None:
    missing = lms.get("/api/nothing/")

    assert missing.status_code == 404
    assert error_code(missing) == "not_found"
    assert lms.get("/admin/login/nothing/").headers["Content-Type"].startswith("text/html")


def test_a_method_that_is_not_allowed_gets_a_405_with_a_code(lms: LMS) -> None:
    response = lms.get("/api/auth/login/")

    assert response.status_code == 405
    assert error_code(response) == "method_not_allowed"


def test_the_admins_style_sheet_is_served_without_collectstatic(lms: LMS) -> None:
    response = lms.get("/static/admin/css/base.css")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/css")


def test_the_index_names_addresses_that_exist(lms: LMS) -> None:
    named = lms.get("/").json()
    paths = [
        path for each in named.values() for path in ([each] if isinstance(each, str) else each)
    ]

    assert len(paths) == 11
    assert 404 not in [lms.get(path).status_code for path in paths]


def test_the_log_tells_of_the_calls_and_holds_no_token_and_no_key(lms: LMS) -> None:
    header, token = bearer(lms)
    lms.post("/api/auth/logout/", headers=header)
    wait_until_dead(lms, token)

    log = lms.site.log.read_text()

    assert "POST /api/auth/logout/" in log
    for value in (
        token,
        header["Authorization"].split()[1],
        lms.site.environment["CONVAI_API_KEY"],
    ):
        assert value not in log
