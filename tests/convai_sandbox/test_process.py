"""The sandbox as a process: starting, stopping, its command line, HTTPS."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from convai_sandbox import __main__, cli
from convai_sandbox.process import Sandbox, SandboxError
from convai_sandbox.switches import SwitchError

from .calls import call, generate, wait_until

ROOT = Path(__file__).parents[2]
MODULE = [sys.executable, "-m", "convai_sandbox"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the sandbox's module to its end."""
    return subprocess.run(
        [*MODULE, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_a_sandbox_runs_in_a_process_of_its_own_and_ends() -> None:
    with Sandbox() as sandbox:
        pid = sandbox.pid
        assert pid != os.getpid()
        assert sandbox.url == f"http://127.0.0.1:{sandbox.port}"
        assert sandbox.running

    assert not sandbox.running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sandbox.port))


def test_convai_comes_back_on_the_same_port_with_the_same_tokens() -> None:
    with Sandbox(ttl=500) as sandbox:
        url, token, revoked = sandbox.url, generate(sandbox), generate(sandbox)
        call(sandbox, "revoke", revoked)
        sandbox.set(ttl=3)
        shown = sandbox.ledger()

        sandbox.stop()
        sandbox.stop()
        with pytest.raises(SandboxError, match="does not answer"):
            sandbox.live()
        sandbox.start()

        assert sandbox.url == url
        assert sandbox.ledger() == shown
        assert sandbox.connect(token) == 200
        assert sandbox.switches()["ttl"] == 500


def test_a_sandbox_can_forget_when_it_is_stopped() -> None:
    with Sandbox(keep=False) as sandbox:
        generate(sandbox)
        sandbox.stop()
        sandbox.start()

        assert sandbox.ledger()["tokens"] == []


def test_a_crash_loses_the_ledger_and_the_port_stays() -> None:
    with Sandbox() as sandbox:
        port = sandbox.port
        generate(sandbox)
        sandbox.kill()
        assert not sandbox.running
        with pytest.raises(SandboxError, match="not running"):
            _ = sandbox.pid
        sandbox.start()

        assert (sandbox.port, sandbox.live()) == (port, [])


def test_a_process_that_ended_by_itself_can_be_started_again() -> None:
    with Sandbox() as sandbox:
        os.kill(sandbox.pid, signal.SIGKILL)
        assert sandbox._process is not None
        sandbox._process.wait()

        sandbox.start()

        assert sandbox.live() == []


def test_every_token_a_client_was_told_of_is_kept_when_stopped_under_load() -> None:
    told: list[str] = []

    def login() -> None:
        while True:
            try:
                told.append(generate(sandbox))
            except OSError:
                return

    with Sandbox() as sandbox:
        threads = [threading.Thread(target=login) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(told) >= 50)
        sandbox.stop()
        for thread in threads:
            thread.join()
        sandbox.start()

        assert set(told) <= set(sandbox.live())


def test_the_fixture_starts_a_stopped_sandbox_again(
    convai_sandbox_process: Sandbox, request: pytest.FixtureRequest
) -> None:
    convai_sandbox_process.reset()
    generate(convai_sandbox_process)
    convai_sandbox_process.stop()

    sandbox: Sandbox = request.getfixturevalue("convai_sandbox")

    assert sandbox.ledger()["tokens"] == []


def test_a_running_sandbox_is_not_started_twice() -> None:
    with Sandbox() as sandbox:
        with pytest.raises(SandboxError, match="running already"):
            sandbox.start()
        with sandbox as same:
            assert same is sandbox


def test_a_taken_port_is_told(convai_sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match=rf"port {convai_sandbox.port} can't be had"):
        Sandbox(port=convai_sandbox.port).start()


def test_a_sandbox_that_takes_too_long_to_start_is_given_up() -> None:
    sandbox = Sandbox(start_timeout=0.0)

    with pytest.raises(SandboxError, match="did not start"):
        sandbox.start()

    assert not sandbox.running


def test_a_wrong_switch_is_told_before_anything_starts() -> None:
    with pytest.raises(SwitchError, match="no switch 'latecny'"):
        Sandbox(latecny=3)


def test_what_the_sandbox_had_to_complain_about_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "nonsense::::::")

    with Sandbox():
        pass

    assert "nonsense" in capsys.readouterr().err


def test_https_is_served_with_a_certificate_that_can_be_trusted() -> None:
    with Sandbox(https=True) as sandbox:
        assert sandbox.url.startswith("https://127.0.0.1:")
        assert sandbox.certificate is not None
        certificate = Path(sandbox.certificate)
        trusted = ssl.create_default_context(cafile=certificate)
        health = f"https://localhost:{sandbox.port}/health"
        with urllib.request.urlopen(health, context=trusted) as response:
            assert response.status == 200
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(health)
        # Whoever stalls the handshake, or talks no TLS, must not stop the others.
        with socket.create_connection(("127.0.0.1", sandbox.port)) as silent:
            assert sandbox.live() == []
            silent.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sandbox.connect("unknown") == 401

    assert not certificate.exists()
    assert not certificate.parent.exists()


@pytest.mark.parametrize("fault", ["reset", "drop", "hang"])
def test_faults_play_over_https(fault: str) -> None:
    with Sandbox(https=True, faults={fault: 1.0}) as sandbox:
        headers = {"CONVAI-API-KEY": "k"}
        outcome: list[BaseException] = []

        def attempt() -> None:
            try:
                sandbox.call("POST", "/user/connect", b"{}", headers)
            except OSError as error:
                outcome.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        if fault == "hang":
            wait_until(lambda: sandbox.summary()["answers"])
            sandbox.set(faults={})
        thread.join(10)

        # Some versions of Python's ssl report the reset as an end without an answer.
        assert isinstance(outcome[0], ConnectionResetError)
        assert len(sandbox.live()) == (1 if fault == "drop" else 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*MODULE, "--log"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix(cli.READY).strip()
        headers = {"CONVAI-API-KEY": "a-key-to-look-for"}
        urllib.request.urlopen(
            urllib.request.Request(f"{url}/user/connect", b"{}", headers, method="POST")
        ).close()
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)

    assert (process.returncode, rest) == (0, "")
    assert errors == "POST /user/connect 200\n"


def test_a_sandbox_ends_with_its_parent() -> None:
    with subprocess.Popen(
        [*MODULE, "--until-eof"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.stdin.close()

        assert ready.startswith(b"sandbox ready http://127.0.0.1:")
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "high"], "'high' is not a port"),
        (["--port", "65536"], "'65536' is not a port"),
        (["--latency", "fast"], "latency must be seconds up to 3600"),
        (["--faults", "999=1"], "there is no fault '999'"),
        (["--faults", "503=0.9,hang=0.9"], "sum to 1"),
        (["--redirect", "300"], "redirect must be one of"),
        (["--hang=yes"], "ignored explicit argument"),
        (["--no-such-switch"], "unrecognized arguments"),
        (["--ttl", "-5"], "ttl must be a number from 0"),
        (["--switches", "[]"], "--switches must be a JSON object"),
        (["--ledger", "pyproject.toml"], "--ledger pyproject.toml: not a ledger"),
        (["--ledger", "."], "--ledger .: "),
    ],
)
def test_what_is_wrong_on_the_command_line_is_told_with_status_2(
    arguments: list[str], said: str
) -> None:
    ended = run(*arguments)

    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


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


def test_the_management_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
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


def test_the_management_command_refuses_with_status_2() -> None:
    with pytest.raises(CommandError, match="ttl must be") as refused:
        call_command("convai_sandbox", "--ttl", "soon")

    assert refused.value.returncode == 2
