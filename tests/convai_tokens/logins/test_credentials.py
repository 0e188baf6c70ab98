"""Credentials, hashed; and whether they are still good."""

from __future__ import annotations

from typing import Any, cast

import pytest
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.core.cache import InvalidCacheKey

from convai_tokens.logins.credentials import (
    is_stored,
    password_has_changed,
)
from convai_tokens.models import LearnerSession


def test_a_key_that_the_cache_takes_none_of_is_not_stored(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Memcached has it; the tests' cache only warns."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"

    def exists(self: Any, key: str) -> bool:
        raise InvalidCacheKey

    monkeypatch.setattr(CacheStore, "exists", exists)

    assert not is_stored(CacheStore(), "a key")


def test_a_user_model_without_a_password_has_none_that_changes() -> None:
    assert not password_has_changed(cast(Any, LearnerSession()))
