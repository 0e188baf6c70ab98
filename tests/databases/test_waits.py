"""A long transaction of the LMS's holds rows: whoever logs in or out doesn't wait for its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from convai_tokens.models import EndReason, LearnerSession
from tests.waiting import eventually

pytestmark = pytest.mark.concurrency


@pytest.fixture(autouse=True)
def locks_of_rows() -> None:
    if not connection.features.has_select_for_update_nowait:
        pytest.skip("needs locks of rows: set DATABASE_URL to PostgreSQL or MariaDB")


@contextmanager
def held() -> Iterator[threading.Event]:
    """Hold the rows of all learner sessions in another connection, until the event is set."""
    holds, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(LearnerSession.objects.select_for_update())
            holds.set()
            release.wait(30)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(30)
    try:
        yield release
    finally:
        release.set()
        thread.join()


@pytest.fixture
def soon(convai_settings: Callable[..., None]) -> None:
    convai_settings(LOGIN_BUDGET=0.3, ONE_SESSION_PER_DEVICE=True)


@pytest.mark.parametrize("elsewhere", [{}, {"device": "headset-2"}])
def test_one_more_login_over_a_session_has_its_block(
    convai: Any, learner: Any, soon: None, log_in: Any, elsewhere: dict[str, str]
) -> None:
    assert log_in().json()["convai"]["apiAuthToken"]

    with held():
        login = log_in(**elsewhere)
        assert login.status_code == 200
        assert login.json()["convai"]["error"]["code"] == "convai_busy"

    assert log_in().json()["convai"]["apiAuthToken"]


def test_the_token_endpoint_says_that_it_is_busy(
    convai: Any, learner: Any, soon: None, client: Client, log_in: Any
) -> None:
    log_in()

    with held():
        answer = client.post("/convai/token/")

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "convai_busy"


def test_the_next_at_a_kiosk_gets_a_token_and_the_last_ones_session_ends_later(
    convai: Any, learner: Any, make_user: Any, soon: None, log_in: Any
) -> None:
    make_user("second-learner")
    log_in(device="kiosk", client=Client())
    first = LearnerSession.objects.get()

    with held():
        login = log_in(device="kiosk", client=Client(), username="second-learner")
        assert login.json()["convai"]["apiAuthToken"] in convai.live()

    def has_ended() -> bool:
        first.refresh_from_db()
        return first.end_reason == EndReason.REPLACED

    eventually(has_ended)
    eventually(lambda: convai.live() == [login.json()["convai"]["apiAuthToken"]])


@pytest.mark.parametrize("stack", ["json", "knox", "authtoken"])
def test_a_logout_is_answered_and_the_session_ends_later(
    convai: Any, learner: Any, soon: None, client: Client, log_in: Any, stack: str, bearer: Any
) -> None:
    login = log_in(f"/login/{stack}/")
    assert login.json()["convai"]["apiAuthToken"] in convai.live()

    headers = bearer(login)
    if stack == "authtoken":
        headers = {"Authorization": f"Bearer {login.json()['token']}"}

    with held():
        out = client.post(f"/logout/{stack}/", headers=headers)
        assert out.status_code in (200, 204)

    eventually(lambda: LearnerSession.objects.get().has_ended)
    eventually(lambda: convai.live() == [])
