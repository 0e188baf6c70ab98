"""The module in which Celery's autodiscovery looks for tasks."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import pytest


def test_the_module_of_tasks_is_importable_without_celery(
    without_module: Callable[..., None],
) -> None:
    without_module("celery")

    import convai_tokens.tasks as tasks

    assert not hasattr(tasks, "celery_tasks")


@pytest.mark.skipif(not find_spec("celery"), reason="Celery isn't installed")
def test_the_module_of_tasks_brings_in_celerys_where_it_is_installed(
    without_module: Callable[..., None],
) -> None:
    without_module()  # as in a process that hasn't imported it yet

    import convai_tokens.tasks as tasks

    assert vars(tasks)["celery_tasks"].__name__ == "convai_tokens.dispatch.celery_tasks"
