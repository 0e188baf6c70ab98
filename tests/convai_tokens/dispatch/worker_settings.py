"""Settings of a worker process that a test starts: the suite's, with the test's database."""

from __future__ import annotations

import os
from typing import Any

from tests.settings import *  # noqa: F403
from tests.settings import CONVAI_TOKENS, DATABASES, INSTALLED_APPS

DATABASES["default"]["NAME"] = os.environ["SUITE_DATABASE"]
CONVAI_TOKENS["BASE_URL"] = os.environ["SUITE_CONVAI"]
# Would a worker dispatch anything itself, it would show.
CONVAI_TOKENS["DISPATCHER"] = "tests.convai_tokens.dispatch.worker_settings.refuse"

if "SUITE_BROKER" in os.environ:
    CELERY_BROKER_URL = os.environ["SUITE_BROKER"]
    CELERY_TASK_DEFAULT_QUEUE = os.environ["SUITE_QUEUE"]
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
    CELERY_BEAT_SCHEDULE = {
        "convai-sweep": {
            "task": "convai_tokens.sweep",
            "schedule": 0.5,
            "options": {"expires": 60},
        },
    }
    CELERY_WORKER_HIJACK_ROOT_LOGGER = False
else:
    INSTALLED_APPS += ["django_tasks_db"]
    TASKS: dict[str, Any] = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}


def refuse(token_ids: list[int]) -> None:
    raise AssertionError("a worker hands nothing over")
