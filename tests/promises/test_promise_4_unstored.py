"""Promise 4: a token whose value could not be stored is revoked at once by whoever holds it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import DataError, InterfaceError, OperationalError

from convai_tokens.lifecycle import storing


def wait_for_revocation() -> None:
    for thread in threading.enumerate():
        if thread.name == "convai-revoke-unstored":
            thread.join(30)


@pytest.mark.parametrize(
    "failure",
    [
        OperationalError("server closed the connection"),
        InterfaceError("connection already closed"),
        DataError("value too long"),
        RuntimeError("a bug"),
    ],
    ids=repr,
)
def test_promise_4_a_value_that_cannot_be_stored_is_revoked_at_once(
    convai: Any,
    learner: Any,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: Exception,
) -> None:
    def refuse(*args: Any) -> None:
        raise failure

    monkeypatch.setattr(storing, "_store_once", refuse)

    block = log_in().json()["convai"]

    wait_for_revocation()
    assert block["error"]["code"] == "convai_error"
    assert (convai.summary()["generated"], convai.live()) == (1, [])
    assert "could not be stored, and was revoked at once" in caplog.text


def test_promise_4_a_value_that_can_be_neither_stored_nor_revoked_is_said_so(
    convai: Any,
    learner: Any,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*args: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(storing, "_store_once", refuse)
    convai.set(faults={"503": 1}, fault_paths=["revoke"], token_prefix="CANARYTOKEN")

    log_in()

    wait_for_revocation()
    assert len(convai.live()) == 1
    assert "could be neither stored nor revoked" in caplog.text
    assert "CANARYTOKEN" not in caplog.text


def test_promise_4_the_learner_does_not_wait_for_that_revocation(
    convai: Any, learner: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(storing, "_store_once", refuse)
    convai.set(hang=True, fault_paths=["revoke"])

    log_in()

    revoking = [it for it in threading.enumerate() if it.name == "convai-revoke-unstored"]
    assert len(revoking) == 1  # still at it, when the login was answered long ago
    convai.set(hang=False)
    wait_for_revocation()
    deadline = time.monotonic() + 10
    while revoking[0].is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not revoking[0].is_alive()
