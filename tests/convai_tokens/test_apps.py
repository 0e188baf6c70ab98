"""What the app connects when Django starts, and what it leaves for later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import post_save, pre_delete

from convai_tokens.logins.bearer_stacks import bearer_credential

ROOT = Path(__file__).resolve().parents[2]
STARTED = """
import sys, django
django.setup()
assert "convai_tokens.logins.receivers" in sys.modules
print("views:", "rest_framework.views" in sys.modules)

from django.core.management import call_command
call_command("check")
import convai_tokens.lifecycle.sweep, convai_tokens.urls
engines = (
    "celery", "kombu", "django_tasks", "django_tasks_db",
    "convai_tokens.dispatch.celery_tasks", "convai_tokens.dispatch.django_tasks",
    "convai_tokens.tasks",
)
print("engines:", [name for name in engines if name in sys.modules])
"""


def test_neither_views_nor_task_engines_are_imported_before_they_are_needed() -> None:
    """Views bring in what ``REST_FRAMEWORK`` names, and freeze it before later apps are ready.

    Engines are imported where they are chosen, and need not be installed elsewhere.
    """
    started = subprocess.run(
        [sys.executable, "-c", STARTED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "views: False" in started.stdout, started.stderr
    assert "engines: []" in started.stdout, started.stderr


def test_an_installed_login_stack_is_known_and_another_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert bearer_credential("knox", "a digest").stack == "knox"
    connected: list[str] = []
    monkeypatch.setattr("convai_tokens.contrib.knox.connect", lambda: connected.append("knox"))
    monkeypatch.setattr(apps, "is_installed", lambda app: False)

    apps.get_app_config("convai_tokens").ready()

    assert connected == []


def test_an_app_that_is_made_ready_again_connects_nothing_twice() -> None:
    """Django does so where a test changes ``INSTALLED_APPS``."""
    signals = (user_logged_in, user_logged_out, post_save, pre_delete)
    before = [len(signal.receivers) for signal in signals]

    apps.get_app_config("convai_tokens").ready()

    assert [len(signal.receivers) for signal in signals] == before
