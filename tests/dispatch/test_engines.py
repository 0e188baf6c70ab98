"""The engines with their real stores, brokers and worker processes; the sandbox's ledger judges."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from convai_tokens.dispatch import threads
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, TokenEvent, TokenStatus

from .engines import Engine, eventually, running_worker, silent_server


def handed_over() -> bool:
    """Tell whether the dispatcher's threads are done."""
    return threads._queue.unfinished_tasks == 0


def revoke_counts(convai: Any) -> list[int]:
    return [token["revoke_count"] for token in convai.ledger()["tokens"]]


def sweep_pays(convai: Any) -> bool:
    return sweep(workers=1).revoked == 1 and convai.live() == []


def test_the_worker_revokes_the_token_of_a_learner_who_logged_out(
    convai: Any, engine: Engine, learner: Any, client: Client, log_in: Any, tmp_path: Path
) -> None:
    value = log_in().json()["convai"]["apiAuthToken"]

    logout = client.post("/logout/json/")

    assert logout.status_code == 204
    eventually(handed_over)
    assert len(engine.waiting()) == 1
    assert convai.live() == [value]  # this process has revoked nothing itself
    with running_worker(engine, tmp_path / "worker.log") as output:
        revoked = ConvaiToken.objects.filter(status=TokenStatus.REVOKED)
        eventually(revoked.exists, why=output)
    assert convai.live() == []
    assert revoke_counts(convai) == [1]
    assert TokenEvent.objects.filter(kind="revoked").count() == 1


def test_a_worker_that_is_there_takes_each_message_as_it_comes(
    convai: Any, engine: Engine, learner: Any, log_in: Any, tmp_path: Path
) -> None:
    with running_worker(engine, tmp_path / "worker.log") as output:
        for number in range(3):
            learner_client = Client()
            log_in(client=learner_client)
            learner_client.post("/logout/json/")
            revoked = ConvaiToken.objects.filter(status=TokenStatus.REVOKED)
            eventually(lambda done=number + 1, rows=revoked: rows.count() == done, why=output)
    assert convai.live() == []
    assert revoke_counts(convai) == [1, 1, 1]


def test_a_message_carries_the_ids_and_nothing_else_of_a_token(
    convai: Any, engine: Engine, learner: Any, client: Client, log_in: Any
) -> None:
    value = log_in().json()["convai"]["apiAuthToken"]
    token = ConvaiToken.objects.get()

    client.post("/logout/json/")

    eventually(handed_over)
    [message] = engine.waiting()
    assert f"[{token.pk}]" in message
    for secret in (value, token.sealed, token.fingerprint, str(token.session_id), "CANARY"):
        assert secret not in message


def test_without_a_worker_the_sweep_pays_and_a_late_worker_finds_nothing_to_do(
    convai: Any, engine: Engine, learner: Any, client: Client, log_in: Any, tmp_path: Path
) -> None:
    log_in()

    assert client.post("/logout/json/").status_code == 204
    eventually(handed_over)
    assert sweep_pays(convai)

    with running_worker(engine, tmp_path / "worker.log") as output:
        eventually(lambda: engine.done(output()), why=output)
    assert engine.waiting() == []
    assert revoke_counts(convai) == [1]


def test_what_a_worker_cannot_revoke_stays_owed_for_the_sweep(
    convai: Any, engine: Engine, learner: Any, client: Client, log_in: Any, tmp_path: Path
) -> None:
    log_in()
    convai.set(faults={"503": 1})
    client.post("/logout/json/")

    with running_worker(engine, tmp_path / "worker.log") as output:
        tried = ConvaiToken.objects.filter(status=TokenStatus.REVOKING, attempts=1)
        eventually(tried.exists, why=output)

    convai.set(faults={})
    ConvaiToken.objects.update(next_attempt_at="2000-01-01T00:00:00Z")
    assert sweep_pays(convai)


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


def test_a_store_of_tasks_that_is_away_fails_no_logout_and_the_sweep_pays(
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

    eventually(handed_over)
    assert "could not be handed to the task engine" in caplog.text
    assert sweep_pays(convai)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://guest:PASSWORD@127.0.0.1:1//"])
def test_a_broker_that_is_away_fails_no_logout_and_the_sweep_pays(
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
        eventually(handed_over)

    records = [
        record
        for record in caplog.records
        if record.name == "convai_tokens" and record.levelno >= logging.ERROR
    ]
    # Who met the broker was no learner's request.
    assert all(record.threadName.startswith("convai-revoke") for record in records)
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
def test_a_broker_that_hangs_holds_no_logout_up_and_the_sweep_pays(
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
        assert not handed_over()  # the broker was not waited for
        assert sweep_pays(convai)
    eventually(handed_over)  # the server has gone, and the thread is free again
