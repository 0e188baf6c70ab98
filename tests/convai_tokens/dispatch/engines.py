"""The task engines as the tests see them: what waits in one, and its real worker process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

from convai_tokens.lifecycle.sweep import sweep

ROOT = Path(__file__).resolve().parents[3]
BROKERS = {
    "redis": ("127.0.0.1", 6379, "redis://127.0.0.1:6379/0"),
    "rabbitmq": ("127.0.0.1", 5672, "amqp://guest:guest@127.0.0.1:5672//"),
}


@dataclass(frozen=True)
class Engine:
    """A task engine without a worker.

    ``waiting`` tells the texts of the messages in it, ``done`` tells from a worker's output
    whether it has run a task to its end.
    """

    dispatcher: str
    waiting: Callable[[], list[str]]
    worker: list[str]
    done: Callable[[str], bool]
    environment: dict[str, str]


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def broker_url(name: str) -> str:
    """Return the URL of a broker that listens."""
    host, port, url = BROKERS[name]
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        unavailable(f"There is no {name} on port {port}: {error}")
    return url


def sweep_revokes(convai: Any) -> bool:
    """Sweep; tell whether that revoked the one token that was owed, and none lives at Convai."""
    return sweep(workers=1).revoked == 1 and convai.live() == []


@contextmanager
def running_worker(engine: Engine, log: Path) -> Iterator[Callable[[], str]]:
    """Run the engine's worker; yield what reads its output. Ends the process, and no other."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *engine.worker],
            cwd=ROOT,
            env={**os.environ, **engine.environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield log.read_text
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)


@contextmanager
def silent_server() -> Iterator[int]:
    """Listen, and never answer: connections are taken by the kernel's backlog; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def django_queue(model: Any) -> Callable[[], list[str]]:
    """Return what reads the messages of ``django-tasks-db`` that wait for a worker."""

    def waiting() -> list[str]:
        return [str(row.args_kwargs) for row in model.objects.filter(status="READY")]

    return waiting


def celery_queue(app: Any, name: str) -> Callable[[], list[str]]:
    """Return what reads the messages of one queue of a broker, and leaves them in it."""

    def waiting() -> list[str]:
        with app.connection_for_read() as connection:
            queue = app.amqp.queues[name](connection.channel())
            messages = list(iter(partial(queue.get, accept=["json"]), None))
            for message in messages:
                message.requeue()
            return [str((message.payload, message.headers)) for message in messages]

    return waiting
