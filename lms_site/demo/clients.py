"""The clients of the story: learners, by bearer or by cookie, and a browser in the admin."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from .processes import direct_http
from .screen import Deviation, Screen, shortened

TIMEOUT = 30  # seconds; far above all that the site may take


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, and the seconds until it was there."""

    status: int
    data: dict[str, Any]
    text: str
    seconds: float


@dataclass(frozen=True)
class Account:
    """A user of the throw-away site."""

    username: str
    password: str


class Client:
    """Makes calls over one HTTP session, and shows each."""

    def __init__(self, screen: Screen, name: str, base_url: str) -> None:
        self.screen = screen
        self.name = name
        self.base_url = base_url
        self.http = direct_http()

    def call(
        self, method: str, path: str, *, expect: int, about: str = "", **arguments: Any
    ) -> Answer:
        """Make one call, show it, and return its answer.

        ``about`` is shown beside it where the answer says nothing; ``arguments`` go to requests.
        """
        started = time.perf_counter()
        response = self.http.request(
            method, self.base_url + path, timeout=TIMEOUT, allow_redirects=False, **arguments
        )
        seconds = time.perf_counter() - started
        try:
            body = response.json()
        except ValueError:
            body = None
        data = body if isinstance(body, dict) else {}
        what = f"{method:<5}{path}"
        self.screen.call(
            self.name, what, response.status_code, expect, seconds, note(data) or about
        )
        return Answer(response.status_code, data, response.text, seconds)


def note(data: dict[str, Any]) -> str:
    """Return what matters in an answer, on part of a line."""
    block = data.get("convai", data)
    if token := block.get("apiAuthToken"):
        return f"token {shortened(token)}"
    if error := block.get("error"):
        return str(error.get("code") if isinstance(error, dict) else error)
    return ""


def token_of(block: dict[str, Any]) -> str:
    """Return the token in a login block; raise ``Deviation`` if there is none."""
    token = block.get("apiAuthToken")
    if not isinstance(token, str) or not token:
        message = (block.get("error") or {}).get("message", "the block is missing")
        raise Deviation(f"No Convai token came: {message}")
    return token


class Learner(Client, ABC):
    """A learner's client; how it logs in is its subclass's business."""

    kind = ""
    prefix = ""

    def __init__(self, screen: Screen, account: Account, base_url: str) -> None:
        super().__init__(screen, account.username, base_url)
        self.account = account

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """Return what each call has to carry."""

    def send(self, path: str, *, expect: int, **arguments: Any) -> Answer:
        """Post to the LMS as this learner."""
        return self.call("POST", path, expect=expect, headers=self.headers(), **arguments)

    def log_in(self, device: str = "") -> Answer:
        """Log in with name and password; return the whole answer."""
        body = {"username": self.account.username, "password": self.account.password}
        if device:
            body["device"] = device
        return self.send(f"{self.prefix}/login/", expect=200, json=body)

    def extend(self) -> Answer:
        """Ask for a new hour on the Convai token."""
        return self.send("/convai/token/extend/", expect=200)

    def log_out(self) -> Answer:
        """Log out of the LMS."""
        return self.send(f"{self.prefix}/logout/", expect=204)


class BearerLearner(Learner):
    """Keeps the bearer token of its login, and sends it along."""

    kind = "a bearer token"
    prefix = "/api/auth"

    def __init__(self, screen: Screen, account: Account, base_url: str) -> None:
        super().__init__(screen, account, base_url)
        self._bearer = ""

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._bearer}"} if self._bearer else {}

    def log_in(self, device: str = "") -> Answer:
        answer = super().log_in(device)
        self._bearer = str(answer.data.get("token", ""))
        return answer


class CookieLearner(Learner):
    """Keeps cookies as a browser does, and answers for CSRF."""

    kind = "a session cookie"
    prefix = "/api/session"

    def headers(self) -> dict[str, str]:
        return {"X-CSRFToken": self.http.cookies.get("csrftoken") or ""}

    def log_in(self, device: str = "") -> Answer:
        if "csrftoken" not in self.http.cookies:
            self.call("GET", f"{self.prefix}/csrf/", expect=200)
        return super().log_in(device)


class Kiosk(CookieLearner):
    """One browser, used by one learner after the other."""

    def hand_over(self, account: Account) -> None:
        """Let the next learner sit down; cookies stay, as nobody has logged out."""
        self.account, self.name = account, account.username
