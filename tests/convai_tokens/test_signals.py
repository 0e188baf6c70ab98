"""The app's own signals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.dispatch import Signal
from django.test import Client

from convai_tokens import signals
from convai_tokens.convai.client import forget_client
from convai_tokens.models import ConvaiToken, LearnerSession

NAMES = ["token_generated", "token_extended", "token_revoked", "token_failed"]


@pytest.fixture
def heard() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Note everything that any of the signals sends."""
    seen: list[tuple[str, dict[str, Any]]] = []
    receivers = []
    for name in NAMES:

        def receiver(name: str = name, **sent: Any) -> None:
            seen.append((name, sent))

        signal: Signal = getattr(signals, name)
        signal.connect(receiver, weak=False)
        receivers.append((signal, receiver))
    yield seen
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def test_each_step_sends_its_signal_with_the_rows_as_they_are(
    convai: Any, learner: Any, client: Client, log_in: Any, heard: Any
) -> None:
    value = log_in().json()["convai"]["apiAuthToken"]
    client.post("/convai/token/extend/")
    client.post("/logout/json/")
    convai.set(faults={"503": 1})
    forget_client()
    log_in()

    assert [name for name, _ in heard] == [
        "token_generated",
        "token_extended",
        "token_revoked",
        "token_failed",
    ]
    for _, sent in heard:
        assert isinstance(sent["token"], ConvaiToken)
        assert isinstance(sent["session"], LearnerSession)
        assert value not in repr(vars(sent["token"]))
    assert [sent["token"].status for _, sent in heard] == [
        "active",
        "active",
        "revoked",
        "failed",
    ]
    assert heard[-1][1]["error"].code == "convai_unavailable"


def test_a_receiver_that_raises_disturbs_nobody(
    convai: Any, learner: Any, log_in: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**sent: Any) -> None:
        raise ValueError("not today")

    signals.token_generated.connect(broken)
    try:
        block = log_in().json()["convai"]
    finally:
        signals.token_generated.disconnect(broken)

    assert block["apiAuthToken"] in convai.live()
    assert "not today" in caplog.text


def test_a_token_that_convai_forgot_is_announced_as_revoked(
    convai: Any, learner: Any, client: Client, log_in: Any, heard: Any
) -> None:
    log_in()
    convai.reset()

    client.post("/convai/token/extend/")

    assert heard[-1][0] == "token_revoked"
    assert heard[-1][1]["token"].status == "gone"
