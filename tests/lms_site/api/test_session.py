"""Login with a session cookie, over HTTP against the running site."""

from __future__ import annotations

from tests.lms_site.lms import LMS, browser, send, wait_until_dead


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


def test_the_csrf_token_comes_as_a_cookie_and_in_the_body_of_nobodys_call(lms: LMS) -> None:
    response = lms.get("/api/session/csrf/")

    assert response.status_code == 200
    assert set(response.json()) == {"csrfToken"}
    assert "csrftoken" in response.cookies
    assert "sessionid" not in response.cookies
