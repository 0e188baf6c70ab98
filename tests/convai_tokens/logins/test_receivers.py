"""The receivers of Django's signals: which they are connected to, and what they disturb."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.contrib.sessions.models import Session

from convai_tokens.logins.receivers import _session_model


def test_the_receivers_follow_the_engines_own_session_model() -> None:
    assert _session_model() is Session
    assert import_module("django.contrib.sessions.backends.cache")


def test_engines_without_rows_have_no_session_model(settings: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"

    assert _session_model() is None
