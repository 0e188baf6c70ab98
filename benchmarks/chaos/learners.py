"""The learners of the chaos harness, and their clients."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from lms_site.demo.processes import direct_http

PASSWORD = "a-password-of-the-harness"


class Learner:
    """A learner's client, by bearer token or by cookie, that keeps trying as a person would."""

    def __init__(self, url: str, name: str, *, bearer: bool) -> None:
        self.name = name
        self._root = url + ("/api/auth" if bearer else "/api/session")
        self._bearer = bearer
        self._http = direct_http()

    def log_in(self, *, timeout: float = 30) -> dict[str, Any]:
        """Log in; return the answer's ``convai`` block. Raises ``requests.RequestException``."""
        headers = {} if self._bearer else self._csrf(timeout)
        response = self._http.post(
            f"{self._root}/login/",
            json={"username": self.name, "password": PASSWORD},
            headers=headers,
            timeout=timeout,
        )
        response.raise_for_status()
        data: dict[str, Any] = response.json()
        if self._bearer:
            self._http.headers["Authorization"] = f"Bearer {data['token']}"
        block: dict[str, Any] = data["convai"]
        return block

    def log_out(self, deadline: float) -> bool:
        """Log out, again and again until the site confirms it; return False at the deadline.

        By bearer, 401 confirms it too: an earlier try was carried out, its answer lost.
        """
        done = (204, 401) if self._bearer else (204,)
        while time.monotonic() < deadline:
            try:
                headers = {} if self._bearer else self._csrf(10)
                answer = self._http.post(f"{self._root}/logout/", headers=headers, timeout=10)
                if answer.status_code in done:
                    self._http.close()
                    return True
            except requests.RequestException:
                pass
            time.sleep(0.1)
        return False

    def _csrf(self, timeout: float) -> Mapping[str, str]:
        if "csrftoken" not in self._http.cookies:
            self._http.get(f"{self._root}/csrf/", timeout=timeout).raise_for_status()
        return {"X-CSRFToken": self._http.cookies["csrftoken"]}


def make_users(number: int) -> list[str]:
    """Make learners who can log in; return their names."""
    password = make_password(PASSWORD)
    names = [f"learner-{position}" for position in range(number)]
    User.objects.bulk_create([User(username=name, password=password) for name in names])
    return names
