"""The Celery app of a worker process, written as a project writes its own."""

from __future__ import annotations

from celery import Celery

app = Celery("lms")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
