"""Fixtures of the whole suite."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client

from convai_tokens.convai.client import forget_client
from convai_tokens.lifecycle import issuing, retrying, sweep
from convai_tokens.lifecycle.ending import end_session, end_sessions
from convai_tokens.lifecycle.sweep import Step
from convai_tokens.logins import receivers
from convai_tokens.models import EndReason
from tests.builders import open_session
from tests.waiting import eventually

PASSWORD = "a-password-of-the-suite"
ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Let threads that serve a browser or revoke close their connections before the database goes.

    PostgreSQL drops no database that somebody is connected to.
    """
    yield
    with django_db_blocker.unblock():
        eventually(lambda: not others_are_connected())


def others_are_connected() -> bool:
    """Tell whether PostgreSQL knows of another connection to the suite's database."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return bool(cursor.fetchone()[0])


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """Throttles and cached sessions must not leak into the next test."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _new_client() -> Iterator[None]:
    """Each test has a client of its own: no open breaker, no connection that is still alive."""
    forget_client()
    yield
    forget_client()


@pytest.fixture(autouse=True)
def _one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests travel in time, and the database doesn't come along."""
    monkeypatch.setattr(sweep, "host_ahead", timedelta)


@pytest.fixture(autouse=True)
def _own_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test leaves refused is tried again for that test alone."""
    monkeypatch.setattr(retrying, "_waiting", queue.SimpleQueue())
    monkeypatch.setattr(retrying, "_thread", None)


@pytest.fixture
def make_user(db: None) -> Callable[..., Any]:
    def make(username: str = "learner", **fields: Any) -> Any:
        return get_user_model().objects.create_user(username, password=PASSWORD, **fields)

    return make


@pytest.fixture
def learner(make_user: Callable[..., Any]) -> Any:
    return make_user("learner", first_name="First", last_name="Learner")


@pytest.fixture
def convai_settings(settings: Any) -> Callable[..., None]:
    """Change some of the app's settings for one test."""

    def change(**changes: Any) -> None:
        settings.CONVAI_TOKENS = {**settings.CONVAI_TOKENS, **changes}

    return change


@pytest.fixture
def log_in(client: Client) -> Callable[..., Any]:
    """Post a learner's name and password to one of the login views; return the response."""

    def post(path: str = "/login/json/", username: str = "learner", **extra: Any) -> Any:
        using = extra.pop("client", client)
        body = {"username": username, "password": PASSWORD, **extra}
        form = {} if path == "/login/html/" else {"content_type": "application/json"}
        return using.post(path, body, **form)

    return post


@pytest.fixture(params=ENGINES)
def engine(request: Any, settings: Any, tmp_path: Path) -> str:
    """Run the test with each of Django's session engines, or with those it names (``indirect``)."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    receivers.connect()  # as a site with this engine does at its start
    engine: str = request.param
    return engine


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let the database refuse the first end of a session; return what was to end there."""
    refused: list[Any] = []

    def end(*args: Any, **kwargs: Any) -> int:
        if not refused:
            refused.append(args)
            raise OperationalError("Deadlock found when trying to get lock")
        return end_sessions(*args, **kwargs)

    # All ways to it: what ending.end_session() calls, and where it is imported by name.
    for module in (
        "lifecycle.ending",
        "lifecycle.ending_all",
        "logins.ends",
        "logins.expired",
        "contrib.knox",
    ):
        monkeypatch.setattr(f"convai_tokens.{module}.end_sessions", end)
    return refused


@pytest.fixture
def deadlocked_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database fails one step of the sweep."""

    def fail(stopped: Any) -> int:
        raise OperationalError("deadlock detected")

    steps = [Step(it.name, fail) if it.name == "expired" else it for it in sweep.STEPS]
    monkeypatch.setattr(sweep, "STEPS", steps)


@pytest.fixture
def convai(
    convai_sandbox: Any, convai_settings: Callable[..., None], transactional_db: None
) -> Any:
    """The sandbox, as this test's Convai. Transactions commit, so that dispatchers run."""
    convai_settings(BASE_URL=convai_sandbox.url)
    return convai_sandbox


@pytest.fixture
def make_owed_tokens(
    convai: Any, convai_settings: Callable[..., None], learner: Any
) -> Callable[[int], None]:
    """Generate tokens at Convai, each in a session of its own that has ended."""

    def make(count: int) -> None:
        convai_settings(DISPATCHER=lambda token_ids: None)
        for number in range(count):
            session = open_session(learner, str(number))
            issuing.generate(session)
            end_session(session.pk, EndReason.API)

    return make


@pytest.fixture
def bearer() -> Callable[[Any], dict[str, str]]:
    """Return the headers by which a learner is known after this login; a cookie needs none."""

    def headers(response: Any) -> dict[str, str]:
        token = response.json().get("token")
        return {"Authorization": f"Token {token}"} if token else {}

    return headers
