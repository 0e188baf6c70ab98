"""Login with a bearer token, over HTTP against the running site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.lms_site.lms import LMS, bearer, browser, error_code, send, wait_until_dead


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


def test_a_stale_bearer_token_does_not_hinder_a_login(lms: LMS) -> None:
    stale = {"Authorization": "Bearer of-an-earlier-login"}

    response = lms.post("/api/auth/login/", json=lms.credentials(), headers=stale)

    assert response.status_code == 200


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
