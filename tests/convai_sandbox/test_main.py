"""The sandbox as a program: its help, and that it needs Python alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from convai_sandbox import __main__

from .calls import ROOT


def test_help_shows_every_switch(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        __main__.main(["--help"])

    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--fault-paths" in said
    assert "--no-key-on-revoke" in said


def test_the_command_line_refuses_in_process_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        __main__.main(["--ttl", "soon"])

    assert ended.value.code == 2
    assert "ttl must be" in capsys.readouterr().err


def test_the_sandbox_needs_neither_django_nor_the_rest_of_the_app() -> None:
    code = (
        "import sys, convai_sandbox.__main__;"
        "print(*sorted(m for m in sys.modules if m.startswith(('django', 'convai', 'crypto'))))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert "convai_sandbox.server" in loaded
    assert not {name for name in loaded if not name.startswith("convai_sandbox")}
