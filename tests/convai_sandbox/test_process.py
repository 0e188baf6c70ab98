"""The sandbox as a process that tests start, stop and talk to."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

from convai_sandbox.process import Sandbox, SandboxError
from convai_sandbox.switches import SwitchError

from .calls import call, generate, wait_until


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
