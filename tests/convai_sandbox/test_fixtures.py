"""The pytest fixtures."""

from __future__ import annotations

import pytest

from convai_sandbox.process import Sandbox

from .calls import generate


def test_the_fixture_starts_a_stopped_sandbox_again(
    convai_sandbox_process: Sandbox, request: pytest.FixtureRequest
) -> None:
    convai_sandbox_process.reset()
    generate(convai_sandbox_process)
    convai_sandbox_process.stop()

    sandbox: Sandbox = request.getfixturevalue("convai_sandbox")

    assert sandbox.ledger()["tokens"] == []
