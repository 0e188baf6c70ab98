"""One fixture for each task engine, and one that is each of them in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from django.db import connection

from tests.convai_tokens.dispatch.engines import (
    Engine,
    broker_url,
    celery_queue,
    django_queue,
    unavailable,
)
from tests.waiting import dispatcher_is_done, eventually


@pytest.fixture(autouse=True)
def _no_work_left_behind() -> Iterator[None]:
    """What one test left to the dispatcher's threads must not reach the next one's tables."""
    yield
    eventually(dispatcher_is_done)


@pytest.fixture
def django_task_engine(task_store: Any, convai: Any) -> Engine:
    worker = ["manage.py", "db_worker", "--interval", "0.1", "--no-startup-delay", "--no-reload"]
    return Engine(
        dispatcher="convai_tokens.dispatch.django_task",
        waiting=django_queue(task_store),
        worker=worker,
        done=lambda output: task_store.objects.filter(status="SUCCESSFUL").exists(),
        environment=environment(convai),
    )


def environment(convai: Any, **more: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.convai_tokens.dispatch.worker_settings",
        "SUITE_DATABASE": str(connection.settings_dict["NAME"]),
        "SUITE_CONVAI": convai.url,
        **more,
    }


@pytest.fixture
def celery_engine(celery_app: Callable[..., Any], convai: Any) -> Iterator[Callable[[str], Engine]]:
    made: list[Any] = []

    def make(broker: str) -> Engine:
        if broker == "redis" and not find_spec("redis"):
            unavailable("redis isn't installed: see requirements-engines.txt")
        url = broker_url(broker)
        app = celery_app(url)
        queue = app.conf.task_default_queue
        made.append(app)
        with app.connection_for_write() as broker_connection:
            app.amqp.queues[queue](broker_connection.channel()).declare()
        arguments = ["worker", "--concurrency=1", "--hostname", f"{queue}@suite"]
        quick = ["--without-gossip", "--without-mingle", "--loglevel=INFO"]
        return Engine(
            dispatcher="convai_tokens.dispatch.celery",
            waiting=celery_queue(app, queue),
            worker=[
                "-m",
                "celery",
                "-A",
                "tests.convai_tokens.dispatch.worker_app",
                *arguments,
                *quick,
            ],
            done=lambda output: "succeeded in" in output,
            environment=environment(convai, SUITE_BROKER=url, SUITE_QUEUE=queue),
        )

    yield make
    eventually(dispatcher_is_done)
    for app in made:
        queue = app.conf.task_default_queue
        with app.connection_for_write() as broker_connection:
            channel = broker_connection.channel()
            bound = app.amqp.queues[queue](channel)
            bound.declare()  # Redis deletes only what this connection has declared
            bound.delete()
            channel.exchange_delete(queue)


@pytest.fixture(params=["django_task", "celery-redis", "celery-rabbitmq"])
def engine(request: pytest.FixtureRequest, convai_settings: Callable[..., None]) -> Engine:
    """Each engine in turn, chosen as this process's dispatcher; no worker runs."""
    name, _, broker = request.param.partition("-")
    found = request.getfixturevalue(f"{name}_engine")
    chosen: Engine = found(broker) if broker else found
    convai_settings(DISPATCHER=chosen.dispatcher)
    return chosen
