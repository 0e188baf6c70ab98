"""Bodies that no client of ours sends: each gets an answer in JSON, and none a 500."""

from __future__ import annotations

from io import BytesIO

import pytest

from lms_site.api.parsers import JSONParser
from tests.lms_site.lms import LMS, browser, error_code

LOGINS = ["/api/auth/login/", "/api/session/login/"]
DEEP = 100_000
BAD: list[tuple[str, bytes, str]] = [
    ("deep lists", b"[" * DEEP, ""),
    ("deep and closed", b"[" * DEEP + b"]" * DEEP, ""),
    ("deep in a field", b'{"username": "a", "password": ' + b'{"a":' * DEEP, ""),
    ("a list", b'["username", "password"]', ""),
    ("a string", b'"username"', ""),
    ("a number", b"3", ""),
    ("nothing", b"", ""),
    ("not a number", b'{"username": NaN, "password": "x"}', ""),
    ("a number too long to read", b'{"username": ' + b"9" * 5000 + b', "password": "x"}', ""),
    ("half a character", b'{"username": "\\ud800", "password": "x"}', ""),
    ("not UTF-8", b'{"username": "\xff\xfe", "password": "x"}', ""),
    ("UTF-16", '{"username": "a", "password": "x"}'.encode("utf-16"), ""),
    ("a codec that is no charset", b'{"username": "a", "password": "x"}', "; charset=rot13"),
    ("a compressed body", b"x\x9c", "; charset=zlib_codec"),
]


@pytest.mark.parametrize("path", LOGINS)
@pytest.mark.parametrize(("body", "charset"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_login_that_cannot_be_read_gets_a_400(
    lms: LMS, path: str, body: bytes, charset: str
) -> None:
    session = browser(lms)
    headers = {
        "X-CSRFToken": session.cookies["csrftoken"],
        "Content-Type": f"application/json{charset}",
    }

    response = session.post(lms.url + path, data=body, headers=headers, timeout=30)

    assert response.status_code == 400
    assert error_code(response) in ("invalid", "parse_error")


def test_a_login_of_null_gets_a_400(lms: LMS) -> None:
    headers = {"Content-Type": "application/json"}

    response = lms.post("/api/auth/login/", data=b"null", headers=headers)

    assert response.status_code == 400
    assert response.json()["error"] == {"code": "invalid", "message": "No data provided"}  # DRF's


@pytest.mark.parametrize("path", LOGINS)
def test_a_login_that_is_too_large_gets_a_413(lms: LMS, path: str) -> None:
    session = browser(lms)
    body = b'{"username": "a", "password": "x", "more": "%s"}' % (b"x" * 3_000_000)
    headers = {"X-CSRFToken": session.cookies["csrftoken"], "Content-Type": "application/json"}

    response = session.post(lms.url + path, data=body, headers=headers, timeout=30)

    assert response.status_code == 413
    assert error_code(response) == "too_large"


def test_a_password_is_read_and_does_not_show() -> None:
    data = JSONParser().parse(BytesIO(b'{"username": "a", "password": "canary"}'))

    assert data == {"username": "a", "password": "canary"}
    assert repr(data) == "{'username': 'a', 'password': '***'}"
