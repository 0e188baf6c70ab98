"""``convai_sandbox``: the stand-in for Convai, started from a Django project."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from convai_sandbox import cli


class Lines:
    """Takes a command's output, and stops what waits once the ready line is there."""

    def __init__(self, on_ready: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self._on_ready = on_ready

    def write(self, text: str) -> None:
        self.lines.append(text)
        if text.startswith(cli.READY):
            self._on_ready(text.removeprefix(cli.READY).strip())

    def flush(self) -> None:
        pass


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    answers: list[Any] = []

    def stop(url: str) -> None:
        with urllib.request.urlopen(f"{url}/switches") as response:
            answers.append(json.load(response))
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    ledger = tmp_path / "ledger.json"
    output = Lines(stop)
    call_command("convai_sandbox", latency="0.1", ttl=60, https=False, ledger=ledger, stdout=output)

    assert answers[0]["latency"] == [0.1, 0.1]
    assert answers[0]["ttl"] == 60
    assert json.loads(ledger.read_text())["tokens"] == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_command_refuses_with_status_2() -> None:
    with pytest.raises(CommandError, match="ttl must be") as refused:
        call_command("convai_sandbox", "--ttl", "soon")

    assert refused.value.returncode == 2
