"""The system check of the task engine: nobody is called, and no engine imported but the chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage

from convai_tokens import dispatch
from convai_tokens.checks.engines import check_task_engine

ConvaiSettings = Callable[..., None]


WithoutModule = Callable[..., None]


def found() -> list[CheckMessage]:
    messages = check_task_engine(None)
    assert all(message.hint for message in messages)
    return messages


def ids() -> list[str]:
    return [str(message.id).removeprefix("convai_tokens.") for message in found()]


@pytest.mark.parametrize("name", ["thread", "inline"])
def test_a_dispatcher_of_this_process_needs_no_engine(
    convai_settings: ConvaiSettings, without_module: WithoutModule, name: str
) -> None:
    without_module("celery", "django.tasks", "django_tasks")
    convai_settings(DISPATCHER=f"convai_tokens.dispatch.{name}")

    assert ids() == []


@pytest.mark.parametrize("dispatcher", ["no.such.thing", lambda token_ids: None])
def test_a_dispatcher_of_the_projects_own_is_its_own_affair(
    convai_settings: ConvaiSettings, dispatcher: Any
) -> None:
    convai_settings(DISPATCHER=dispatcher)

    assert ids() == []


@pytest.mark.parametrize(
    ("dispatcher", "package"),
    [
        ("convai_tokens.dispatch.django_task", "django-tasks"),
        (dispatch.django_task, "django-tasks"),
        ("convai_tokens.dispatch.celery", "celery"),
        (dispatch.celery, "celery"),
    ],
)
def test_e012_an_engine_that_is_not_installed(
    convai_settings: ConvaiSettings, without_module: WithoutModule, dispatcher: Any, package: str
) -> None:
    without_module("celery", "django.tasks", "django_tasks")
    convai_settings(DISPATCHER=dispatcher)

    [message] = found()

    assert message.id == "convai_tokens.E012"
    assert package in str(message.hint)


def test_e012_a_task_backend_without_the_queue(
    convai_settings: ConvaiSettings,
    without_module: WithoutModule,
    task_backend: Callable[..., None],
) -> None:
    without_module()  # the queue is looked at when the task's module is imported
    task_backend("ImmediateBackend", QUEUES=["another"])
    convai_settings(DISPATCHER="convai_tokens.dispatch.django_task")

    [message] = found()

    assert message.id == "convai_tokens.E012"
    assert "'default'" in str(message.hint)


def test_e012_a_celery_app_whose_configuration_fails(
    convai_settings: ConvaiSettings, celery_app: Callable[..., Any]
) -> None:
    celery_app(None).config_from_object("no.such.module")
    convai_settings(DISPATCHER="convai_tokens.dispatch.celery")

    [message] = found()

    assert message.id == "convai_tokens.E012"
    assert "configuration" in str(message.hint)


@pytest.mark.parametrize("backend", ["ImmediateBackend", "DummyBackend"])
def test_w013_a_task_backend_without_a_worker(
    convai_settings: ConvaiSettings, task_backend: Callable[..., None], backend: str
) -> None:
    task_backend(backend)
    convai_settings(DISPATCHER="convai_tokens.dispatch.django_task")

    [message] = found()

    assert message.id == "convai_tokens.W013"
    assert backend in message.msg


def test_w013_a_process_without_a_celery_app(
    convai_settings: ConvaiSettings, celery_app: Callable[..., Any]
) -> None:
    celery_app(None)
    convai_settings(DISPATCHER="convai_tokens.dispatch.celery")

    assert ids() == ["W013"]


@pytest.mark.parametrize(
    "conf", [{"broker_write_url": "redis://127.0.0.1:1/0"}, {"task_always_eager": True}], ids=str
)
def test_a_celery_app_that_knows_where_its_tasks_go_is_fine(
    convai_settings: ConvaiSettings, celery_app: Callable[..., Any], conf: dict[str, Any]
) -> None:
    celery_app(None, **conf)
    convai_settings(DISPATCHER="convai_tokens.dispatch.celery")

    assert ids() == []


def test_a_database_as_the_store_of_tasks_is_fine(
    convai_settings: ConvaiSettings, task_store: Any
) -> None:
    convai_settings(DISPATCHER="convai_tokens.dispatch.django_task")

    assert ids() == []
