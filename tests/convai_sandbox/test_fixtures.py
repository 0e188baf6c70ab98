"""The pytest fixtures."""

from __future__ import annotations

from typing import Any

import pytest

from convai_sandbox.process import Sandbox
from convai_sandbox.switches import Switches

from .calls import generate


def test_the_fixture_starts_a_stopped_sandbox_again(
    convai_sandbox_process: Sandbox, request: pytest.FixtureRequest
) -> None:
    convai_sandbox_process.reset()
    generate(convai_sandbox_process)
    convai_sandbox_process.stop()

    sandbox: Sandbox = request.getfixturevalue("convai_sandbox")

    assert sandbox.ledger()["tokens"] == []


def test_every_test_finds_the_sandbox_as_new(
    convai_sandbox_process: Sandbox, request: pytest.FixtureRequest
) -> None:
    if not convai_sandbox_process.running:
        convai_sandbox_process.start()
    convai_sandbox_process.reset()  # whatever the test before this one has switched on
    convai_sandbox_process.set(ttl=3, hang=True, fault_paths=["revoke"])
    generate(convai_sandbox_process)

    sandbox: Sandbox = request.getfixturevalue("convai_sandbox")

    assert sandbox is convai_sandbox_process
    ledger: Any = sandbox.ledger()
    assert ledger == {
        "summary": {
            **dict.fromkeys(["generated", "live", "expired", "revoked"], 0),
            "calls": {},
            "answers": {},
        },
        "tokens": [],
    }
    assert Switches.of(sandbox.switches()) == Switches()
