"""What the Makefile says to a machine that it can't work on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[1] / "Makefile"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def make_environment(directory: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Let make build a virtual environment with this Python, in a path with a space."""
    place = directory / "a place"
    place.mkdir()
    shutil.copy(MAKEFILE, place)
    command = ["make", f"PYTHON={python}", ".venv/.made"]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


def a_python(directory: Path, word: str) -> str:
    """Return a stand-in for Python that fails when its arguments have this word in them."""
    script = directory / "python"
    script.write_text(f'#!/bin/sh\ncase "$*" in *{word}*) exit 1;; *) echo Python 3.9.2;; esac\n')
    script.chmod(0o755)
    return str(script)


def test_a_missing_python_is_told(tmp_path: Path) -> None:
    done = make_environment(tmp_path, "no-such-python")

    assert done.returncode != 0
    assert "There is no no-such-python here." in done.stdout


def test_an_old_python_is_told_with_its_version(tmp_path: Path) -> None:
    done = make_environment(tmp_path, a_python(tmp_path, "version_info"))

    assert done.returncode != 0
    assert "is Python 3.9.2; Python 3.11 or newer is needed." in done.stdout


def test_a_python_without_venv_is_told_with_the_next_step(tmp_path: Path) -> None:
    done = make_environment(tmp_path, a_python(tmp_path, "ensurepip"))

    assert done.returncode != 0
    assert "apt install python3-venv" in done.stdout
