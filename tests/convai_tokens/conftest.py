"""Fixtures of several folders: the task engines; an installation as its operators have it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import django
import pytest
from django.contrib import admin
from django.db import connection

from convai_tokens.doctor import trial
from convai_tokens.lifecycle.processes import note_pass
from convai_tokens.lifecycle.sealing import seal
from convai_tokens.models import ConvaiToken
from convai_tokens.models.moments import utc_now
from convai_tokens.secret import Secret
from tests.builders import make_session
from tests.convai_tokens.dispatch.engines import unavailable
from tests.convai_tokens.doctor.findings import PREFIX, MakeToken
from tests.waiting import dispatcher_is_done, eventually


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
    eventually(dispatcher_is_done)
    if DBTaskResult._meta.db_table in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.delete_model(DBTaskResult)
    if admin.site.is_registered(DBTaskResult):
        admin.site.unregister(DBTaskResult)


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
    eventually(dispatcher_is_done)
    for app in apps:
        app.close()


@pytest.fixture
def without_module(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let imports of these modules fail as if they weren't installed."""

    def hide(*names: str) -> None:
        for name in ("dispatch.celery_tasks", "dispatch.django_tasks", "tasks"):
            monkeypatch.delitem(sys.modules, f"convai_tokens.{name}", raising=False)
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor's trial try again at once."""
    monkeypatch.setattr(trial, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(trial, "LONGEST_PAUSE", 0.0)


@pytest.fixture
def shared_cache(settings: Any, tmp_path: Any) -> None:
    """A cache that is not one process's."""
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}


@pytest.fixture
def swept(db: None) -> None:
    """A sweep that came to its end a moment ago."""
    note_pass(0)


@pytest.fixture
def token_row(db: None) -> MakeToken:
    """Make a token row, sealed unless told otherwise, in a session of its own."""

    def make(value: str = PREFIX, **fields: Any) -> ConvaiToken:
        token = ConvaiToken.objects.create(
            session=make_session(None),
            **{"expires_at": utc_now() + timedelta(minutes=30), **fields},
        )
        if value:
            ConvaiToken.objects.filter(pk=token.pk).update(
                sealed=seal(Secret(value), token.pk, token.session_id)
            )
        return token

    return make
