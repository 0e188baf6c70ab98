"""Fixtures of the doctor's tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.core.cache import cache
from django.utils import timezone

from convai_sandbox.process import Sandbox
from convai_tokens.doctor import network, trial
from convai_tokens.lifecycle.sealing import seal
from convai_tokens.lifecycle.sweep import SEEN_KEY
from convai_tokens.models import ConvaiToken, LearnerSession

from .findings import PREFIX, MakeToken


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(trial, "LONGEST_PAUSE", 0.0)


@pytest.fixture
def shared_cache(settings: Any, tmp_path: Any) -> None:
    """A cache that is not one process's, swept a moment ago."""
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    cache.set(SEEN_KEY, timezone.now(), timeout=None)


@pytest.fixture(scope="module")
def https_sandbox() -> Iterator[Sandbox]:
    with Sandbox(https=True) as sandbox:
        yield sandbox


@pytest.fixture
def trusted(https_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox with HTTPS, its certificate in the place of certifi's bundle."""
    https_sandbox.reset()
    for module in (network, requests.adapters):
        monkeypatch.setattr(module, "DEFAULT_CA_BUNDLE_PATH", https_sandbox.certificate)
    return https_sandbox


@pytest.fixture
def token_row(db: None) -> MakeToken:
    """Make a token row, sealed unless told otherwise, in a session of its own."""

    def make(value: str = PREFIX, **fields: Any) -> ConvaiToken:
        token = ConvaiToken.objects.create(
            session=LearnerSession.objects.create(username="learner", stack="knox"),
            **{"expires_at": timezone.now() + timedelta(minutes=30), **fields},
        )
        if value:
            ConvaiToken.objects.filter(pk=token.pk).update(sealed=seal(value, token.pk))
        return token

    return make
