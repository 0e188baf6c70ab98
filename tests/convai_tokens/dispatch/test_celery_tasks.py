"""Celery as the dispatcher's engine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, TokenStatus
from tests.convai_tokens.dispatch.engines import (
    Engine,
    running_worker,
    silent_server,
    sweep_revokes,
)
from tests.waiting import dispatcher_is_done, eventually


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://guest:PASSWORD@127.0.0.1:1//"])
def test_a_broker_that_is_away_fails_no_logout_and_the_sweep_revokes(
    convai: Any,
    celery_app: Callable[..., Any],
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    caplog: pytest.LogCaptureFixture,
    url: str,
) -> None:
    celery_app(url)
    convai_settings(DISPATCHER="convai_tokens.dispatch.celery")

    for _ in range(2):  # a second time, for Celery has hung on it: celery/celery#4383
        log_in()
        assert client.post("/logout/json/").status_code == 204
        eventually(dispatcher_is_done)

    records = [
        record
        for record in caplog.records
        if record.name == "convai_tokens" and record.levelno >= logging.ERROR
    ]
    # Who met the broker was no learner's request.
    assert all((record.threadName or "").startswith("convai-revoke") for record in records)
    told = [record.getMessage() for record in records]
    owed = list(ConvaiToken.objects.order_by("pk").values_list("pk", flat=True))
    assert len(told) == len(owed) == 2
    for text, token_id in zip(told, owed, strict=True):
        assert f"Tokens [{token_id}] could not be handed to the task engine" in text
        assert "the sweep will revoke them" in text
    assert "PASSWORD" not in caplog.text
    assert sweep(workers=1).revoked == 2
    assert convai.live() == []


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_hangs_holds_no_logout_up_and_the_sweep_revokes(
    convai: Any,
    celery_app: Callable[..., Any],
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    scheme: str,
) -> None:
    with silent_server() as port:
        celery_app(f"{scheme}://127.0.0.1:{port}")
        convai_settings(DISPATCHER="convai_tokens.dispatch.celery")
        log_in()

        logout = client.post("/logout/json/")

        assert logout.status_code == 204
        assert not dispatcher_is_done()  # the broker was not waited for
        assert sweep_revokes(convai)
    eventually(dispatcher_is_done)  # the server has gone, and the thread is free again


def test_celery_beat_can_run_the_sweep(
    convai: Any,
    celery_engine: Callable[[str], Engine],
    convai_settings: Callable[..., None],
    learner: Any,
    client: Client,
    log_in: Any,
    tmp_path: Path,
) -> None:
    convai_settings(DISPATCHER=lambda token_ids: None)
    log_in()
    client.post("/logout/json/")
    engine = celery_engine("redis")
    beat = ["--beat", "--schedule", str(tmp_path / "beat")]

    with running_worker(replace(engine, worker=engine.worker + beat), tmp_path / "log") as output:
        eventually(ConvaiToken.objects.filter(status=TokenStatus.REVOKED).exists, why=output)

    assert convai.live() == []


@pytest.mark.parametrize("name", ["revoke", "sweep"])
def test_the_tasks_revoke_what_is_owed_and_leave_no_result(
    name: str, convai: Any, celery_app: Callable[..., Any], make_owed_tokens: Callable[[int], None]
) -> None:
    celery_app(None)
    from convai_tokens.dispatch import celery_tasks

    make_owed_tokens(1)
    task = getattr(celery_tasks, name)

    task(*[[ConvaiToken.objects.get().pk]] * (name == "revoke"))

    assert convai.live() == []
    assert (task.name, task.ignore_result) == (f"convai_tokens.{name}", True)
