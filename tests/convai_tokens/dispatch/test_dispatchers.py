"""The dispatchers that ``DISPATCHER`` names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from convai_tokens import dispatch
from convai_tokens.lifecycle.sweep import sweep
from tests.waiting import dispatcher_is_done, eventually


@pytest.mark.parametrize(
    ("dispatcher", "sender"),
    [(dispatch.django_task, "_send_django_task"), (dispatch.celery, "_send_celery_task")],
)
def test_many_tokens_become_messages_that_a_lease_outlasts(
    dispatcher: Callable[[list[int]], None], sender: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[list[int]] = []
    monkeypatch.setattr(dispatch, sender, sent.append)

    dispatcher(list(range(10)))

    eventually(dispatcher_is_done)
    assert sorted(sent) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("name", ["django_task", "celery"])
def test_an_engine_that_is_not_installed_fails_no_logout(
    name: str,
    convai: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    without_module: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    without_module("celery", "django.tasks", "django_tasks")
    convai_settings(DISPATCHER=f"convai_tokens.dispatch.{name}")
    log_in()

    assert client.post("/logout/json/").status_code == 204

    eventually(dispatcher_is_done)
    assert "could not be handed to the task engine" in caplog.text
    assert "ModuleNotFoundError" in caplog.text
    assert sweep(workers=1).revoked == 1


def test_with_sqlite_in_memory_no_thread_locks_the_lms_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "leave_to_threads", lambda works: pytest.fail("a thread"))
    monkeypatch.setattr(dispatch, "is_in_memory", lambda: True)

    dispatch.thread([1, 2])


def test_a_database_in_a_file_or_on_a_server_is_not_in_memory(db: None) -> None:
    assert dispatch.is_in_memory() is False
