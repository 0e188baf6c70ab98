"""The system check of the task engine that ``DISPATCHER`` may name; no network, no database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from .. import dispatch
from ..conf import app_settings

# Of Django's tasks framework: the first runs a task at once, the second never.
BACKENDS_WITHOUT_A_WORKER = ("ImmediateBackend", "DummyBackend")


def check_task_engine(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E012: the dispatcher's task engine can't be used. W013: no worker would get its tasks.

    Imports the engine that is chosen, and no other.
    """
    try:
        dispatcher = app_settings.DISPATCHER
    except ImproperlyConfigured:
        return []  # E006 tells
    if dispatcher is dispatch.django_task:
        return _django_task_problems()
    if dispatcher is dispatch.celery:
        return _celery_problems()
    return []


def _django_task_problems() -> list[CheckMessage]:
    try:
        from ..dispatch.django_tasks import revoke

        backend = type(revoke.get_backend()).__name__
    except ImportError as error:
        hint = _(
            "Django 6.0 has the tasks framework, Django 5.2 needs the package django-tasks; "
            "django-tasks-db has a worker."
        )
        return [_engine_error("django_task", error, hint)]
    except Exception as error:  # noqa: BLE001 - the backend is the project's choice
        hint = _("Let TASKS['default'] name a backend with a queue named 'default'.")
        return [_engine_error("django_task", error, hint)]
    if backend not in BACKENDS_WITHOUT_A_WORKER:
        return []
    return [
        Warning(
            _(
                "CONVAI_TOKENS['DISPATCHER'] hands revocations to Django's tasks, and "
                "%(backend)s in TASKS['default'] hands them to no worker."
            )
            % {"backend": backend},
            hint=_(
                "Use a backend with a worker, such as django_tasks_db.DatabaseBackend, or "
                "leave the DISPATCHER at its default."
            ),
            id="convai_tokens.W013",
        )
    ]


def _celery_problems() -> list[CheckMessage]:
    try:
        from ..dispatch.celery_tasks import revoke
    except ImportError as error:
        return [_engine_error("celery", error, _("Install celery, or choose another dispatcher."))]
    try:
        conf = revoke.app.conf
        has_broker = bool(conf.broker_url or conf.broker_write_url) or conf.task_always_eager
    except Exception as error:  # noqa: BLE001 - the configuration is the project's own code
        return [_engine_error("celery", error, _("Mend the configuration of the Celery app."))]
    if has_broker:
        return []
    return [
        Warning(
            _(
                "CONVAI_TOKENS['DISPATCHER'] hands revocations to Celery, and this process "
                "knows no Celery app with a broker."
            ),
            hint=_(
                "Import the project's Celery app in the __init__.py beside the settings, and "
                "set its broker_url."
            ),
            id="convai_tokens.W013",
        )
    ]


def _engine_error(dispatcher: str, error: Exception, hint: str) -> CheckMessage:
    return Error(
        _(
            "CONVAI_TOKENS['DISPATCHER'] is %(dispatcher)s, whose task engine can't be used: "
            "%(error)s"
        )
        % {"dispatcher": dispatcher, "error": error},
        hint=hint,
        id="convai_tokens.E012",
    )
