"""The demo, as `make demo` runs it: it tells the truth, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def demo(directory: Path, *arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demo with ``directory`` for its throw-away files, and nothing set for Convai."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("CONVAI_")
    }
    command = [sys.executable, "-W", "error", "-m", "lms_site.demo", *arguments]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment, "TMPDIR": str(directory), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return what the demo has shown up to a line with this text, or to its end."""
    assert process.stdout is not None
    shown = ""
    for line in process.stdout:
        shown += line
        if text in line:
            break
    return shown


def left_behind(directory: Path) -> list[str]:
    """Return the processes that still carry the directory in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in environment:
            found.append(command.replace(b"\0", b" ").decode())
    return found


def test_the_demo_goes_as_told_serves_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        shown = read_until(process, "Ctrl-C ends it all")
        assert "All of it went as told." in shown, shown
        assert len(list(tmp_path.glob("convai-demo-*/lms.sqlite3"))) == 1
        assert len(left_behind(tmp_path)) > 3  # the demo, gunicorn, the sandbox, the sweep
        process.send_signal(signal.SIGINT)
        shown += process.communicate(timeout=60)[0]

    assert process.returncode == 0, shown
    assert "✗" not in shown
    assert "Traceback" not in shown
    assert re.findall(r"^\d\. ", shown, re.MULTILINE) == ["1. ", "2. ", "3. ", "4. ", "5. "]
    lines = [line for line in shown.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 100
    assert re.search(r"eyJ[\w.-]{10}", shown) is None  # no token is shown in full
    assert list(tmp_path.iterdir()) == []
    assert left_behind(tmp_path) == []


def test_a_demo_that_goes_wrong_says_so_in_its_exit_status(tmp_path: Path) -> None:
    nobody = {"CONVAI_API_KEY": "CANARY-KEY", "CONVAI_BASE_URL": "http://127.0.0.1:9"}
    with demo(tmp_path, "--once", **nobody) as process:
        shown = process.communicate(timeout=120)[0]

    assert process.returncode == 1, shown
    assert "✗ No Convai token came" in shown
    assert "went otherwise than told" in shown
    assert "Traceback" not in shown
    assert "CANARY-KEY" not in shown
    assert list(tmp_path.iterdir()) == []
    assert left_behind(tmp_path) == []
