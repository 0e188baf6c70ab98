"""The daily round leaves out what starts a process, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = """
import os, subprocess, sys
import pytest
from convai_sandbox.process import Sandbox

@pytest.fixture(scope="session")
def server():
    with Sandbox() as sandbox:
        yield sandbox

def test_by_itself(): assert 1 + 1 == 2
def test_a_command(): subprocess.run([sys.executable, "--version"], check=True)
def test_a_fork():
    if not os.fork():
        os._exit(0)
def test_a_server(server): assert server.running
def test_the_same_server(server): assert server.running
"""


def outcome(directory: Path, *arguments: str) -> str:
    """Return pytest's last line about the tests above."""
    (directory / "test_it.py").write_text(TESTS)
    (directory / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    plugin = ["-p", "tests.no_processes", "-p", "no:django", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout.strip().splitlines()[-1]


def test_without_processes_only_the_tests_that_start_one_are_skipped(tmp_path: Path) -> None:
    assert outcome(tmp_path, "--no-processes").startswith("1 passed, 4 skipped")


def test_all_tests_run_unless_the_daily_round_is_asked_for(tmp_path: Path) -> None:
    assert outcome(tmp_path).startswith("5 passed")
