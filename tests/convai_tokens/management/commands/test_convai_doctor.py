"""``convai_doctor``: what it shows, its document, exit status and stop signals."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from convai_sandbox.process import Sandbox
from convai_tokens.convai.answers import PATHS, Verb
from convai_tokens.convai.transport import Transport
from convai_tokens.models import ConvaiToken, LearnerSession, TokenEvent
from tests.convai_tokens.doctor.findings import (
    CALLS,
    KEY,
    NAMES,
    PREFIX,
    MakeToken,
    ago,
    make_owed,
)

pytestmark = pytest.mark.usefixtures("no_pauses")


def run_doctor(*options: str) -> tuple[int, str]:
    """Run the command in this process; return its exit status and what it wrote."""
    out = io.StringIO()
    code = 0
    try:
        call_command("convai_doctor", *options, stdout=out, stderr=out, no_color=True)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, out.getvalue()


def document(*options: str) -> dict[str, Any]:
    code, text = run_doctor("--json", *options)
    found: dict[str, Any] = json.loads(text)
    assert found["exit_status"] == code
    return found


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["status"] for step in found["steps"]}


def test_promise_8_the_doctor_calls_convai_before_it_opens_a_transaction_or_reads_a_row(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, int]] = []
    real = Transport.exchange

    def spy(self: Any, *args: Any) -> Any:
        seen.append((connections["default"].in_atomic_block, len(queries)))
        return real(self, *args)

    monkeypatch.setattr(Transport, "exchange", spy)
    with CaptureQueriesContext(connections["default"]) as queries:
        run_doctor()

    assert seen == [(False, 0)] * 3
    assert len(queries) > 0


@pytest.mark.usefixtures("shared_cache", "swept")
def test_all_is_well_and_the_exit_status_is_0(convai: Sandbox) -> None:
    code, text = run_doctor()

    assert code == 0
    lines = text.splitlines()
    assert re.fullmatch(r"✓ api_key {7,}\d+ ms  Present \(never shown\)\.", lines[0])
    assert lines[-1] == "✓ All is well: 17 ok, 2 skipped."
    assert [line.split()[1] for line in lines if line[:1] in "✓!✗-" and line][:-1] == NAMES


@pytest.mark.usefixtures("swept")
def test_warnings_end_with_exit_status_1(convai: Sandbox) -> None:
    code, text = run_doctor()

    assert code == 1
    assert "\n! cache " in text
    assert "\n" + " " * 29 + "Cause: Each process" in text
    assert text.splitlines()[-1].startswith("! It works, but needs attention: 16 ok, 1 warning,")


def test_a_failure_ends_with_exit_status_2(convai: Sandbox) -> None:
    convai.set(accepted_keys=["another"])

    code, text = run_doctor()

    assert code == 2
    assert "\n✗ generate " in text
    assert "Fix: Copy the key anew" in text
    assert text.splitlines()[-1].startswith("✗ It needs mending: ")


def test_little_is_shown_with_verbosity_0(convai: Sandbox) -> None:
    _, text = run_doctor("--verbosity=0")

    assert text.startswith("! cache ")
    assert "✓" not in text


@pytest.mark.usefixtures("shared_cache", "swept")
def test_the_document_has_every_step_in_its_shape(convai: Sandbox) -> None:
    found = document()

    assert list(found) == ["verdict", "exit_status", "at", "version", "steps"]
    assert (found["verdict"], found["exit_status"]) == ("ok", 0)
    assert [step["name"] for step in found["steps"]] == NAMES
    for step in found["steps"]:
        assert set(step) == {"name", "status", "detail", "cause", "fix", "milliseconds"}
        assert step["status"] in ("ok", "warning", "failed", "skipped")
        assert step["detail"]


def test_offline_calls_nobody_and_takes_the_other_steps(convai: Sandbox) -> None:
    found = document("--offline")

    assert [step["name"] for step in found["steps"]] == NAMES
    assert {statuses(found)[name] for name in CALLS} == {"skipped"}
    assert statuses(found)["migrations"] == "ok"
    assert convai.summary()["calls"] == {}


def test_the_document_of_a_failure_says_so(convai: Sandbox) -> None:
    convai.set(accepted_keys=["another"])

    found = document()

    assert (found["verdict"], found["exit_status"]) == ("failed", 2)
    assert statuses(found)["generate"] == "failed"


def test_the_doctor_leaves_no_rows_and_no_token(convai: Sandbox, learner: Any) -> None:
    run_doctor()

    models = (LearnerSession, ConvaiToken, TokenEvent)
    assert [model._default_manager.count() for model in models] == [0, 0, 0]
    assert convai.live() == []


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"faults": {"400": 1}, "fault_paths": ["extend"]},
        {"faults": {"503": 1}, "fault_paths": ["revoke"]},
        {"accepted_keys": ["another"]},
        {"redirect": 307},
    ],
)
@pytest.mark.parametrize("form", ["--json", "--no-color"])
def test_no_key_and_no_token_is_ever_shown(
    form: str,
    switches: dict[str, Any],
    convai: Sandbox,
    token_row: MakeToken,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_owed(token_row, owed_since=ago(hours=14))
    convai.set(token_prefix=PREFIX, echo_secrets=True, **switches)

    with caplog.at_level(logging.DEBUG):
        _, text = run_doctor(form, "--verbosity=3", "--traceback")

    assert "extend" in text
    assert KEY not in text + caplog.text
    assert PREFIX not in text + caplog.text


def test_log_lines_keep_out_of_the_document(
    convai: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = Transport.exchange

    def tell(self: Any, *args: Any) -> Any:
        logging.getLogger("a.library").debug("a line")
        return exchange(self, *args)

    monkeypatch.setattr(Transport, "exchange", tell)
    handler = logging.StreamHandler(sys.stdout)
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        with pytest.raises(SystemExit):
            call_command("convai_doctor", "--json")
        assert handler.stream is sys.stdout
    finally:
        root.setLevel(level)
        root.removeHandler(handler)

    out, err = capsys.readouterr()
    assert json.loads(out)["verdict"] == "warning"
    assert "a line" in err


def test_a_terminal_without_utf8_gets_plain_marks(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="latin-1")

    with pytest.raises(SystemExit):
        call_command("convai_doctor", "--offline", stdout=out, no_color=True)
    out.flush()

    assert raw.getvalue().startswith(b"+ api_key ")


@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_a_stop_signal_waits_for_the_step_and_the_token_is_revoked(
    verb: Verb, convai: Sandbox
) -> None:
    convai.set(latency=1.5, fault_paths=[verb])

    process = _start_doctor(convai)
    _await_call(convai, verb)
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=30)

    assert process.returncode == 2
    found = json.loads(text)
    assert found["steps"][-1]["name"] == "doctor"
    assert statuses(found)["revoke"] == "ok"
    assert (convai.summary()["revoked"], convai.live()) == (1, [])


def test_a_second_signal_is_obeyed_at_once(convai: Sandbox) -> None:
    convai.set(hang=True, fault_paths=["extend"])

    process = _start_doctor(convai)
    _await_call(convai, "extend")
    for number in (signal.SIGTERM, signal.SIGINT):  # two of a kind could become one
        process.send_signal(number)
    text, _ = process.communicate(timeout=30)

    assert statuses(json.loads(text)) == {
        **dict.fromkeys(
            ["api_key", "base_url", "system_checks", "middleware", "login_stacks"], "ok"
        ),
        "network": "ok",
        "tls": "skipped",
        "clock": "ok",
        "generate": "ok",
        "revoke": "ok",
        "doctor": "failed",
    }
    assert convai.live() == []


def test_a_second_signal_during_the_revocation_leaves_word_of_the_token(convai: Sandbox) -> None:
    convai.set(hang=True, fault_paths=["revoke"])

    process = _start_doctor(convai)
    _await_call(convai, "revoke")
    for number in (signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
    text, _ = process.communicate(timeout=30)

    revoke, doctor = json.loads(text)["steps"][-2:]
    assert (revoke["name"], revoke["status"], doctor["name"]) == ("revoke", "failed", "doctor")
    assert "was NOT revoked" in revoke["detail"]
    assert revoke["milliseconds"] is None


def _start_doctor(sandbox: Sandbox) -> subprocess.Popen[str]:
    program = (
        "import django\nfrom django.conf import settings\n"
        f"settings.CONVAI_TOKENS = {{**settings.CONVAI_TOKENS, 'BASE_URL': {sandbox.url!r}}}\n"
        "django.setup()\nfrom django.core.management import call_command\n"
        "call_command('convai_doctor', json=True)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )


def _await_call(sandbox: Sandbox, verb: Verb) -> None:
    until = time.monotonic() + 20
    while PATHS[verb] not in sandbox.summary()["calls"]:
        assert time.monotonic() < until
        time.sleep(0.05)
