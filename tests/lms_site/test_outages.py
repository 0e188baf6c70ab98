"""A bad day of Convai's, seen from outside: a real site under gunicorn, and then the sweep."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from convai_sandbox.process import Sandbox
from lms_site.demo.processes import Site, direct_http, run
from lms_site.demo.throwaway import ThrowAway
from tests.lms_site.lms import UNTHROTTLED

DAYS: list[dict[str, Any]] = [
    {},  # stopped
    {"hang": True},
    {"reset": True},
    {"drop": True},
    {"redirect": 307},
    {"malformed": "not_json"},
    {"faults": {"500": 0.4, "503": 0.3, "429": 0.3}},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Sandbox() as sandbox:
        yield sandbox, ThrowAway.make(tmp_path_factory.mktemp("outages"), sandbox.url)


def log_in(site: Site, account: Any, stack: str, http: requests.Session) -> requests.Response:
    if stack == "session":
        csrf = http.get(f"{site.url}/api/session/csrf/", timeout=30).json()["csrfToken"]
        http.headers["X-CSRFToken"] = csrf
    body = {"username": account.username, "password": account.password}
    response = http.post(f"{site.url}/api/{stack}/login/", json=body, timeout=30)
    if stack == "auth" and response.ok:
        http.headers["Authorization"] = f"Bearer {response.json()['token']}"
    if stack == "session" and response.ok:
        http.headers["X-CSRFToken"] = http.cookies["csrftoken"]
    return response


def make_everything_due(database: Path) -> None:
    """Let the waits between the tries go by, which would be seconds to minutes."""
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        connection.execute(
            "UPDATE convai_tokens_convaitoken SET next_attempt_at = '2000-01-01 00:00:00' "
            "WHERE status = 'revoking'"
        )


def count(database: Path, status: str) -> int:
    query = "SELECT COUNT(*) FROM convai_tokens_convaitoken WHERE status = ?"
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        return int(connection.execute(query, [status]).fetchone()[0])


@pytest.mark.parametrize("day", DAYS, ids=lambda day: str(day) if day else "stopped")
def test_logins_and_logouts_go_on_and_the_sweep_leaves_nothing_alive(made: Any, day: Any) -> None:
    sandbox, throw_away = made
    sandbox.reset()
    learner = throw_away.accounts["learner"]
    with (
        Site(throw_away.environment | UNTHROTTLED, throw_away.log) as site,
        direct_http() as by_bearer,
        direct_http() as by_cookie,
    ):
        sessions = [("auth", by_bearer), ("session", by_cookie)]
        for stack, http in sessions:
            login = log_in(site, learner, stack, http)
            assert login.json()["convai"]["apiAuthToken"] in sandbox.live()
        if day:
            sandbox.set(**day)
        else:
            sandbox.stop()

        logouts = [
            http.post(f"{site.url}/api/{stack}/logout/", timeout=30) for stack, http in sessions
        ]
        logins = []
        for stack in ("auth", "session", "auth", "session"):
            with direct_http() as another:
                logins.append(log_in(site, learner, stack, another))

        assert [logout.status_code for logout in logouts] == [204, 204]
        assert [login.status_code for login in logins] == [200] * 4
        for login in logins:
            block = login.json()["convai"]
            assert block["apiAuthToken"] is None
            assert block["error"]["code"].startswith("convai_")
            assert login.elapsed.total_seconds() < 15  # the budget is 3; the machine may be busy
    if day:
        assert sandbox.call("DELETE", "/switches")[0] == 200
    else:
        sandbox.start()

    make_everything_due(throw_away.database)
    output = run("manage.py", "convai_sweep", environment=throw_away.environment)

    assert "owed=0" in output
    # What Convai generated without telling is in nobody's hands, and each has its row.
    assert len(sandbox.live()) <= count(throw_away.database, "unknown")
    assert "drop" in day or sandbox.live() == []
