"""What the command line takes, refuses and prints, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request

import pytest
from django.core.management import CommandError, call_command

from convai_sandbox import cli
from convai_sandbox.cli import UsageError, switches_of

from .calls import MODULE, ROOT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the sandbox's module to its end."""
    return subprocess.run(
        [*MODULE, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_single_options_win_over_the_json_of_all() -> None:
    switches = switches_of({"switches": '{"ttl": 5, "seed": 3}', "ttl": "9"})

    assert (switches.ttl, switches.seed) == (9.0, 3)


@pytest.mark.parametrize("text", ["[]", "{", "3"])
def test_the_json_of_all_switches_must_be_an_object(text: str) -> None:
    with pytest.raises(UsageError, match="JSON object"):
        switches_of({"switches": text})


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


def test_https_without_its_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "convai_sandbox.certificate", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography", None)

    with pytest.raises(CommandError, match="pip install cryptography") as refused:
        call_command("convai_sandbox", "--https")

    assert refused.value.returncode == 2
