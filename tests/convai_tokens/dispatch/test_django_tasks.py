"""Django's tasks framework as the dispatcher's engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from convai_tokens.lifecycle.revocation import attempt
from convai_tokens.models import ConvaiToken, TokenStatus
from tests.convai_tokens.dispatch.engines import Engine, sweep_revokes
from tests.waiting import dispatcher_is_done, eventually


def test_a_backend_that_runs_tasks_at_once_does_so_outside_of_the_request(
    convai: Any,
    task_backend: Callable[..., None],
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from convai_tokens.dispatch import django_tasks

    called_in: list[threading.Thread] = []

    def noted(token_ids: list[int]) -> list[str]:
        called_in.append(threading.current_thread())
        return attempt(token_ids)

    monkeypatch.setattr(django_tasks, "attempt", noted)
    task_backend("ImmediateBackend")
    convai_settings(DISPATCHER="convai_tokens.dispatch.django_task")
    log_in()

    assert client.post("/logout/json/").status_code == 204

    eventually(dispatcher_is_done)
    assert len(called_in) == 1
    assert threading.main_thread() not in called_in
    assert ConvaiToken.objects.get().status == TokenStatus.REVOKED
    assert convai.live() == []


def test_a_store_of_tasks_that_is_away_fails_no_logout_and_the_sweep_revokes(
    convai: Any,
    django_task_engine: Engine,
    task_store: Any,
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    convai_settings(DISPATCHER=django_task_engine.dispatcher)
    log_in()
    with connection.schema_editor() as editor:
        editor.delete_model(task_store)

    assert client.post("/logout/json/").status_code == 204

    eventually(dispatcher_is_done)
    assert "could not be handed to the task engine" in caplog.text
    assert sweep_revokes(convai)
