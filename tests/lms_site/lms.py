"""The running LMS site, and what its learners' clients do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import requests

from convai_sandbox.process import Sandbox
from lms_site.demo.processes import direct_http
from lms_site.demo.throwaway import ThrowAway

# For tests that log the same learner in time and again.
UNTHROTTLED = {"DJANGO_LOGINS_PER_NAME": "1000000", "DJANGO_LOGINS_PER_ADDRESS": "1000000"}


@dataclass(frozen=True)
class LMS:
    """A running site, its users' passwords, and the Convai that it talks to."""

    url: str
    site: ThrowAway
    sandbox: Sandbox

    def credentials(self, name: str = "learner", **more: Any) -> dict[str, Any]:
        return {"username": name, "password": self.site.accounts[name].password, **more}

    def http(self) -> requests.Session:
        return direct_http()

    def post(self, path: str, **arguments: Any) -> requests.Response:
        with self.http() as http:
            return http.post(self.url + path, timeout=30, **arguments)

    def get(self, path: str, **arguments: Any) -> requests.Response:
        with self.http() as http:
            return http.get(self.url + path, timeout=30, **arguments)


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
