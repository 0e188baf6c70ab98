"""Where Celery's autodiscovery looks for tasks. Other engines look here too, without Celery."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("celery"):
    from .dispatch import celery_tasks  # noqa: F401
