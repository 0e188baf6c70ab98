"""What the dispatchers do in this process: messages, threads, and what is imported when."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from convai_tokens import dispatch
from convai_tokens.dispatch import threads
from convai_tokens.lifecycle.sweep import sweep
from convai_tokens.models import ConvaiToken, TokenStatus

from .engines import ROOT, eventually


def handed_over() -> bool:
    return threads._queue.unfinished_tasks == 0


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

    eventually(handed_over)
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

    eventually(handed_over)
    assert "could not be handed to the task engine" in caplog.text
    assert "ModuleNotFoundError" in caplog.text
    assert sweep(workers=1).revoked == 1


def test_no_engine_is_imported_unless_it_is_chosen() -> None:
    script = (
        "import sys, django; django.setup();"
        "from django.core.management import call_command; call_command('check');"
        "import convai_tokens.lifecycle.sweep, convai_tokens.urls;"
        "names = ('celery', 'kombu', 'django_tasks', 'django_tasks_db',"
        " 'convai_tokens.dispatch.celery_tasks', 'convai_tokens.dispatch.django_tasks',"
        " 'convai_tokens.tasks');"
        "print('imported:', [name for name in names if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "imported: []" in done.stdout, done.stderr


def test_the_module_of_tasks_is_importable_without_celery(
    without_module: Callable[..., None],
) -> None:
    without_module("celery")

    import convai_tokens.tasks as tasks

    assert not hasattr(tasks, "celery_tasks")


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
    attempt = django_tasks.attempt

    def noted(token_ids: list[int]) -> int:
        called_in.append(threading.current_thread())
        return attempt(token_ids)

    monkeypatch.setattr(django_tasks, "attempt", noted)
    task_backend("ImmediateBackend")
    convai_settings(DISPATCHER="convai_tokens.dispatch.django_task")
    log_in()

    assert client.post("/logout/json/").status_code == 204

    eventually(handed_over)
    assert len(called_in) == 1
    assert threading.main_thread() not in called_in
    assert ConvaiToken.objects.get().status == TokenStatus.REVOKED
    assert convai.live() == []


def test_after_a_failure_a_thread_drops_its_connections_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(threads, "THREADS", 1)
    threads.forget_threads()
    first_is_in, rest_is_queued = threading.Event(), threading.Event()
    done: list[str] = []

    really_close_all = connections.close_all

    def close_all() -> None:
        # Threads of an earlier test may be closing theirs.
        if threading.current_thread() in threads._threads:
            done.append("closed")
        really_close_all()

    def attempt(token_ids: list[int]) -> None:
        if token_ids == [1]:
            first_is_in.set()
            rest_is_queued.wait(30)
            raise ConnectionError("the database went away")
        done.append("tried")

    monkeypatch.setattr(dispatch, "attempt", attempt)
    monkeypatch.setattr(connections, "close_all", close_all)
    dispatch.thread([1])
    assert first_is_in.wait(30)
    dispatch.thread([2])  # so that the queue isn't empty when the first one fails
    rest_is_queued.set()
    eventually(handed_over)

    eventually(lambda: len(done) == 3)
    assert done == ["closed", "tried", "closed"]
    assert "Revoking tokens [1] failed here; the sweep will try again." in caplog.text
    assert "the database went away" in caplog.text  # with its traceback
