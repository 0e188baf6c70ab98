"""The sandbox as a program: its help, and that it needs Python alone."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest

from convai_sandbox import __main__, cli

from .calls import KEY, ROOT

# Without site-packages, the environment and the current folder: what Python brings, and no more.
ALONE = [
    *(sys.executable, "-I", "-S", "-c"),
    (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from convai_sandbox.__main__ import main; main()"
    ),
]


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


def test_it_serves_where_python_is_all_there_is() -> None:
    with subprocess.Popen(
        ALONE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix(cli.READY).strip()
        request = urllib.request.Request(f"{url}/user/connect", b"{}", {"CONVAI-API-KEY": KEY})
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
        process.terminate()
        rest, errors = process.communicate(timeout=20)

    assert answer.keys() == {"apiAuthToken", "expirationTime"}
    assert (process.returncode, rest, errors) == (0, "", "")


def test_where_python_is_all_there_is_nothing_else_is_found() -> None:
    ended = subprocess.run(
        [*ALONE[:-1], "import sys; sys.path.insert(0, '.'); import django"],
        capture_output=True,
        text=True,
    )

    assert "No module named 'django'" in ended.stderr


def test_https_says_which_package_it_needs() -> None:
    ended = subprocess.run([*ALONE, "--https"], capture_output=True, text=True, timeout=60)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "HTTPS needs a package that is not installed" in ended.stderr
    assert "python -m pip install cryptography" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_error_is_not_hidden_by_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["--ttl", "soon"])

    assert len(capsys.readouterr().err.splitlines()) <= 4
