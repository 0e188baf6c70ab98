"""pytest fixtures: add ``pytest_plugins = ["convai_sandbox.fixtures"]`` to a conftest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .process import Sandbox


@pytest.fixture(scope="session")
def convai_sandbox_process() -> Iterator[Sandbox]:
    """One sandbox process for the whole run; tests take ``convai_sandbox``."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def convai_sandbox(convai_sandbox_process: Sandbox) -> Sandbox:
    """The sandbox as it is after its start: default switches, an empty ledger, running."""
    if not convai_sandbox_process.running:
        convai_sandbox_process.start()
    convai_sandbox_process.reset()
    return convai_sandbox_process
