"""The engines with their real stores, brokers and worker processes; the sandbox's ledger judges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from convai_tokens.models import ConvaiToken, TokenEvent, TokenStatus
from tests.convai_tokens.dispatch.engines import Engine, running_worker, sweep_revokes
from tests.waiting import dispatcher_is_done, eventually


def revoke_counts(convai: Any) -> list[int]:
    return [token["revoke_count"] for token in convai.ledger()["tokens"]]


def test_a_worker_revokes_what_has_waited_for_it_and_then_each_token_as_it_comes(
    convai: Any, engine: Engine, learner: Any, client: Client, log_in: Any, tmp_path: Path
) -> None:
    revoked = ConvaiToken.objects.filter(status=TokenStatus.REVOKED)

    def all_revoked(count: int) -> Callable[[], bool]:
        return lambda: revoked.count() == count

    value = log_in().json()["convai"]["apiAuthToken"]
    assert client.post("/logout/json/").status_code == 204
    eventually(dispatcher_is_done)
    assert len(engine.waiting()) == 1
    assert convai.live() == [value]  # this process has revoked nothing itself

    with running_worker(engine, tmp_path / "worker.log") as output:
        eventually(all_revoked(1), why=output)
        for count in (2, 3):
            log_in()
            assert client.post("/logout/json/").status_code == 204
            eventually(all_revoked(count), why=output)

    assert convai.live() == []
    assert engine.waiting() == []
    assert revoke_counts(convai) == [1, 1, 1]
    assert TokenEvent.objects.filter(kind="revoked").count() == 3


def test_a_message_carries_the_ids_and_nothing_else_of_a_token(
    convai: Any, engine: Engine, learner: Any, client: Client, log_in: Any
) -> None:
    value = log_in().json()["convai"]["apiAuthToken"]
    token = ConvaiToken.objects.get()

    client.post("/logout/json/")

    eventually(dispatcher_is_done)
    [message] = engine.waiting()
    assert f"[{token.pk}]" in message
    for secret in (value, token.sealed, token.fingerprint, str(token.session_id), "CANARY"):
        assert secret not in message


# What a worker does with a message that it has, it does whoever brought it.
one_broker = pytest.mark.parametrize("engine", ["django_task", "celery-redis"], indirect=True)


@one_broker
def test_without_a_worker_the_sweep_revokes_and_a_late_worker_finds_nothing_to_do(
    convai: Any, engine: Engine, learner: Any, client: Client, log_in: Any, tmp_path: Path
) -> None:
    log_in()

    assert client.post("/logout/json/").status_code == 204
    eventually(dispatcher_is_done)
    assert sweep_revokes(convai)

    with running_worker(engine, tmp_path / "worker.log") as output:
        eventually(lambda: engine.done(output()), why=output)
    assert engine.waiting() == []
    assert revoke_counts(convai) == [1]


@one_broker
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
    assert sweep_revokes(convai)
