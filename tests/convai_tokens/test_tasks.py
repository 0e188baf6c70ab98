"""The module in which Celery's autodiscovery looks for tasks."""

from __future__ import annotations

from collections.abc import Callable


def test_the_module_of_tasks_is_importable_without_celery(
    without_module: Callable[..., None],
) -> None:
    without_module("celery")

    import convai_tokens.tasks as tasks

    assert not hasattr(tasks, "celery_tasks")
