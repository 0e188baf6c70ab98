"""One fixture for each task engine, and one that is each of them in turn."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import django
import pytest
from django.contrib import admin
from django.db import connection

from convai_tokens.dispatch import threads

from .engines import (
    Engine,
    broker_url,
    celery_queue,
    django_queue,
    eventually,
    unavailable,
)


@pytest.fixture(autouse=True)
def _no_work_left_behind() -> Iterator[None]:
    """What one test left to the dispatcher's threads must not reach the next one's tables."""
    yield
    eventually(lambda: threads._queue.unfinished_tasks == 0)


@pytest.fixture
def task_framework() -> None:
    """Skip where Django has no tasks framework and its backport isn't installed."""
    if django.VERSION < (6, 0) and not find_spec("django_tasks"):
        unavailable("django-tasks isn't installed: see requirements-engines.txt")


@pytest.fixture
def task_backend(task_framework: None, settings: Any) -> Callable[[str], None]:
    """Choose a backend of Django's tasks framework by the name of its class."""
    root = "django.tasks" if find_spec("django.tasks") else "django_tasks"
    module = {"ImmediateBackend": "immediate", "DummyBackend": "dummy"}

    def choose(name: str, **options: Any) -> None:
        path = f"{root}.backends.{module[name]}.{name}"
        settings.TASKS = {"default": {"BACKEND": path, **options}}

    return choose


@pytest.fixture
def task_store(
    task_framework: None, convai: Any, settings: Any, transactional_db: None
) -> Iterator[Any]:
    """The table of ``django-tasks-db`` in the suite's database, as the store of the tasks."""
    if not find_spec("django_tasks_db"):
        unavailable("django-tasks-db isn't installed: see requirements-engines.txt")
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_tasks_db"]
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    from django_tasks_db.models import DBTaskResult

    with connection.schema_editor() as editor:
        editor.create_model(DBTaskResult)
    yield DBTaskResult
    eventually(lambda: threads._queue.unfinished_tasks == 0)
    if DBTaskResult._meta.db_table in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.delete_model(DBTaskResult)
    if admin.site.is_registered(DBTaskResult):
        admin.site.unregister(DBTaskResult)


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
        "DJANGO_SETTINGS_MODULE": "tests.dispatch.worker_settings",
        "SUITE_DATABASE": str(connection.settings_dict["NAME"]),
        "SUITE_CONVAI": convai.url,
        **more,
    }


@pytest.fixture
def celery_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Make the Celery app of this process, with a queue that no other run of the suite has."""
    if not find_spec("celery"):
        unavailable("Celery isn't installed: see requirements-engines.txt")
    from celery import Celery, _state

    queue = f"convai-suite-{uuid.uuid4().hex}"
    apps: list[Any] = []

    def make(url: str | None, **conf: Any) -> Any:
        app = Celery("lms", set_as_current=False)
        app.conf.update(broker_url=url, task_default_queue=queue, **conf)
        # The app of all threads; a project's first app becomes it by itself.
        monkeypatch.setattr(_state, "default_app", app)
        apps.append(app)
        return app

    yield make
    eventually(lambda: threads._queue.unfinished_tasks == 0)
    for app in apps:
        app.close()


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
            worker=["-m", "celery", "-A", "tests.dispatch.worker_app", *arguments, *quick],
            done=lambda output: "succeeded in" in output,
            environment=environment(convai, SUITE_BROKER=url, SUITE_QUEUE=queue),
        )

    yield make
    eventually(lambda: threads._queue.unfinished_tasks == 0)
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


@pytest.fixture
def without_module(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let imports of these modules fail as if they weren't installed."""

    def hide(*names: str) -> None:
        for name in ("dispatch.celery_tasks", "dispatch.django_tasks", "tasks"):
            monkeypatch.delitem(sys.modules, f"convai_tokens.{name}", raising=False)
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)

    return hide
