"""Fixtures of the doctor's tests."""

from __future__ import annotations

from collections.abc import Iterator

import certifi
import pytest

from convai_sandbox.process import Sandbox


@pytest.fixture(autouse=True)
def _no_pauses(no_pauses: None) -> None:
    """For all of the doctor's tests."""


@pytest.fixture(scope="module")
def https_sandbox() -> Iterator[Sandbox]:
    with Sandbox(https=True) as sandbox:
        yield sandbox


@pytest.fixture
def trusted(https_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox with HTTPS, its certificate in the place of certifi's bundle."""
    https_sandbox.reset()
    monkeypatch.setattr(certifi, "where", lambda: https_sandbox.certificate)
    return https_sandbox
