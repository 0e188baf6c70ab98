"""An LMS with a crash reporter, in a process of its own, to which everything happens that can.

Run as ``python -m tests.reporters.site``; ``settings.py`` reads what it needs from the environment.
It prints the secrets that the learners were given, as one JSON document.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

REPORTER, PORT = os.environ["REPORTER"], os.environ["COLLECTOR_PORT"]
PASSWORD = "learner-password"
MOST = 60  # statements of one request, at least


def install() -> Callable[[], object]:
    """Set the reporter up, as far as the settings don't; return what flushes it."""
    if REPORTER == "sentry":
        import sentry_sdk
        from sentry_sdk.integrations.logging import LoggingIntegration
        from sentry_sdk.scrubber import EventScrubber

        sentry_sdk.init(
            dsn=f"http://key@127.0.0.1:{PORT}/1",
            send_default_pii=True,
            attach_stacktrace=True,
            max_request_body_size="always",
            max_value_length=10_000,
            event_scrubber=EventScrubber(denylist=[], pii_denylist=[]),
            integrations=[LoggingIntegration(event_level=logging.WARNING)],
        )
        return lambda: sentry_sdk.flush(10)
    if REPORTER == "elastic":

        def flush() -> None:
            from elasticapm.contrib.django.client import get_client

            get_client()._transport.flush()  # type: ignore[no-untyped-call]

        return flush
    return lambda: None


@contextmanager
def failing_from(number: int) -> Iterator[list[int]]:
    """Let the database fail from the n-th statement on; yields how many there were."""
    from django.db import OperationalError, connection

    seen = [0]

    def wrapper(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        seen[0] += 1
        if seen[0] >= number:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield seen


class Learner:
    """A browser, or a bearer's client, of the learner."""

    def __init__(self) -> None:
        from django.test import Client

        self.client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        self.secrets: set[str] = set()

    def log_in(self, path: str = "/login/json/") -> Any:
        body = {"username": "learner", "password": PASSWORD}
        answer = self.client.post(path, body, content_type="application/json")
        with suppress(ValueError, KeyError):
            keyword = "Bearer" if "authtoken" in path else "Token"
            self.headers = {"Authorization": f"{keyword} {answer.json()['token']}"}
            self.secrets.add(answer.json()["token"])
        self._note_session()
        return answer

    def call(self, method: str, path: str) -> Any:
        answer = self.client.generic(method, path, headers=self.headers)
        self._note_session()
        return answer

    def _note_session(self) -> None:
        if "sessionid" in self.client.cookies and self.client.cookies["sessionid"].value:
            self.secrets.add(self.client.cookies["sessionid"].value)


STEPS: dict[str, Callable[[Learner], Any]] = {
    "login": lambda it: it.log_in(),
    "knox login": lambda it: it.log_in("/login/knox/"),
    "authtoken login": lambda it: it.log_in("/login/authtoken/"),
    "token": lambda it: it.call("POST", "/convai/token/"),
    "extend": lambda it: it.call("POST", "/convai/token/extend/"),
    "delete": lambda it: it.call("DELETE", "/convai/token/"),
    "logout": lambda it: it.call("POST", "/logout/json/"),
    "knox logout": lambda it: it.call("POST", "/logout/knox/"),
    "authtoken logout": lambda it: it.call("POST", "/logout/authtoken/"),
}
BEFORE = {
    "knox logout": "/login/knox/",
    "authtoken logout": "/login/authtoken/",
    "token": "/login/knox/",
}


def play(sandbox: Any, flush: Callable[[], object]) -> set[str]:
    """Let it all happen; return the learners' secrets."""
    secrets: set[str] = set()

    def learner(before: str = "") -> Learner:
        from convai_tokens.convai.client import forget_client

        forget_client()
        fresh = Learner()
        if before:
            fresh.log_in(before)
        return fresh

    def done(one: Learner) -> None:
        secrets.update(one.secrets)
        flush()

    learner().call("GET", "/crash/")
    the_database_fails(learner, done)
    convai_fails(learner, done, sandbox)
    the_lms_fails(learner, done)
    the_sweep_fails(learner, done, sandbox)
    return secrets


Start = Callable[..., Learner]
Done = Callable[[Learner], None]


def the_database_fails(learner: Start, done: Done) -> None:
    """From the n-th statement of a request on, for each n or every other."""
    for name, step in STEPS.items():
        for number in range(1, MOST, 1 if name in ("login", "token") else 2):
            one = learner("" if "login" in name else BEFORE.get(name, "/login/json/"))
            with failing_from(number) as seen:
                step(one)
            done(one)
            if seen[0] < number:
                break


def convai_fails(learner: Start, done: Done, sandbox: Any) -> None:
    """And repeats what it was sent."""
    from convai_tokens.lifecycle.sweep import sweep

    days: list[dict[str, Any]] = [
        {"faults": {"500": 1}, "echo_secrets": True},
        {"faults": {"401": 1}, "echo_secrets": True},
        {"malformed": "empty_token"},
        {"expiration_format": "nonsense"},
        {"clock_offset": 10**8},
        {"hang": True},
        {"drop": True},
        {"same_token": True},
    ]
    for day in days:
        sandbox(**day)
        one = learner()
        one.log_in()
        one.call("POST", "/convai/token/")
        one.call("POST", "/convai/token/extend/")
        one.call("POST", "/logout/json/")
        sweep(workers=1)
        done(one)
        sandbox()


def the_lms_fails(learner: Start, done: Done) -> None:
    """Its hooks, its settings, and a view's answer."""
    from django.conf import settings
    from django.test.utils import override_settings

    def broken(*args: object) -> Any:
        raise ValueError("a hook of the LMS's")

    given: dict[str, Any] = settings.CONVAI_TOKENS
    for changes in (
        {"PAYLOAD": broken},
        {"END_USER": broken},
        {"ISSUE_IF": broken},
        {"ENCRYPTION_KEYS": given["ENCRYPTION_KEYS"][0]},
        {"API_KEY": given["API_KEY"] + "\r\nX: y"},
        {"API_KEY": lambda: given["NO_SUCH_KEY"]},
        {"PROXY": f"http://lms:{given['API_KEY']}@proxy.invalid:1"},
    ):
        one = learner("/login/json/")
        with override_settings(CONVAI_TOKENS={**given, **changes}):
            one.log_in()
            one.log_in("/login/drf/")
            one.call("POST", "/convai/token/")
        done(one)
    one = learner()
    one.log_in("/login/unrenderable/")
    done(one)


def the_sweep_fails(learner: Start, done: Done, sandbox: Any) -> None:
    """As the database does, at many of its statements."""
    from convai_tokens.convai.client import forget_client
    from convai_tokens.lifecycle.sweep import sweep

    for number in range(1, 30, 3):
        one = learner("/login/json/")
        sandbox(faults={"503": 1}, fault_paths=["revoke"])
        one.call("POST", "/logout/json/")
        sandbox()
        forget_client()
        with failing_from(number):
            sweep(workers=1)
        done(one)


def main() -> None:
    from convai_sandbox.process import Sandbox

    with Sandbox(token_prefix="CANARYTOKEN") as convai:
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.reporters.settings"
        os.environ["SANDBOX_URL"] = convai.url
        flush = install()
        import django

        django.setup()
        from django.contrib.auth import get_user_model
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        get_user_model().objects.create_user("learner", password=PASSWORD)

        def sandbox(**switches: Any) -> None:
            convai.call("DELETE", "/switches")
            convai.set(token_prefix="CANARYTOKEN", **switches)

        secrets = play(sandbox, flush)
        flush()
    json.dump(sorted(secrets), sys.stdout)


if __name__ == "__main__":
    main()
