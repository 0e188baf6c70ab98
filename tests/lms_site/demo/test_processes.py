"""The demo's processes come up, say why when they don't, and leave nothing behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lms_site.demo import processes
from lms_site.demo.processes import Child, ProcessError, Site, direct_http, run
from lms_site.demo.throwaway import settings_for


def alive(pid: int) -> bool:
    """Tell whether there is a process with this id that hasn't ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(file: Path, text: str) -> str:
    """Return what the file holds once it has the text in it."""
    deadline = time.monotonic() + 30
    while text not in (content := file.read_text()):
        assert time.monotonic() < deadline, content
        time.sleep(0.02)
    return content


def test_a_child_is_stopped_by_its_id_and_its_output_is_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "import time; print('ready', flush=True); time.sleep(60)"

    with Child("-c", script, environment=os.environ, log=log) as child:
        wait_for(log, "ready")
        assert child.running
        assert alive(child.pid)

    assert not child.running
    assert not alive(child.pid)


def test_a_child_gets_one_sigterm_alone_so_that_it_can_finish(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "import signal, time\n"
        "def end(*_): print('asked', flush=True); time.sleep(0.3); raise SystemExit\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
    )

    with Child("-c", script, environment=os.environ, log=log) as child:
        wait_for(log, "ready")
        child.ask_to_stop()
        wait_for(log, "asked")
        child.ask_to_stop()

    assert log.read_text().split() == ["ready", "asked"]


def test_a_child_that_does_not_stop_is_killed_with_its_own_children(tmp_path: Path) -> None:
    class Stubborn(Child):
        stop_timeout = 0.2
        looked_at = False

        def before_it_is_killed(self) -> None:
            self.looked_at = alive(self.pid)

    log = tmp_path / "log"
    script = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "if child: print(child, 'end', flush=True)\n"
        "time.sleep(60)"
    )
    with Stubborn("-c", script, environment=os.environ, log=log) as child:
        grandchild = int(wait_for(log, "end\n").split()[0])
        assert alive(grandchild)

    assert child.looked_at
    assert not alive(child.pid)
    deadline = time.monotonic() + 10  # its new parent has to notice
    while alive(grandchild):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_that_was_not_started_has_no_id_and_nothing_to_stop(tmp_path: Path) -> None:
    child = Child("-c", "", environment=os.environ, log=tmp_path / "log")

    child.stop()

    assert not child.running
    with pytest.raises(ProcessError, match="hasn't been started"):
        _ = child.pid


def test_a_site_serves_on_loopback_until_it_is_stopped(tmp_path: Path) -> None:
    environment = settings_for(tmp_path / "none.sqlite3", "http://127.0.0.1:9", os.environ)

    with Site(environment, tmp_path / "log", workers=1, threads=1) as site, direct_http() as http:
        assert site.url == f"http://127.0.0.1:{site.port}"
        assert http.get(f"{site.url}/healthz", timeout=10).json() == {"status": "ok"}

    assert not alive(site.pid)
    assert "Listening at: http://127.0.0.1" in (tmp_path / "log").read_text()


def test_a_site_that_ends_at_its_start_says_why(tmp_path: Path) -> None:
    site = Site(os.environ, tmp_path / "log", application="no_such_module.wsgi", workers=1)

    with pytest.raises(ProcessError, match=r"The site doesn't come up: .*Worker failed to boot"):
        site.__enter__()

    assert not alive(site.pid)


def test_a_site_that_does_not_answer_in_time_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "START_TIMEOUT", 0)
    environment = settings_for(tmp_path / "none.sqlite3", "http://127.0.0.1:9", os.environ)
    site = Site(environment, tmp_path / "log", workers=1)

    with pytest.raises(ProcessError, match="The site doesn't come up"):
        site.__enter__()

    assert not alive(site.pid)


def test_a_client_for_loopback_takes_no_proxy_of_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    with direct_http() as http:
        found = http.merge_environment_settings("http://127.0.0.1/", {}, None, None, None)

    assert not found["proxies"]


def test_a_run_returns_the_last_line_and_takes_its_input() -> None:
    script = "import sys; print('first'); print(sys.stdin.read().upper())"

    assert run("-c", script, environment=os.environ, stdin="last") == "LAST"
    assert run("-c", "", environment=os.environ) == ""


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import sys; sys.exit('the reason')", "the reason"),
        ("import sys; sys.exit(3)", "it said nothing"),
    ],
)
def test_a_run_that_fails_raises_with_the_last_line_of_what_it_said(script: str, told: str) -> None:
    with pytest.raises(ProcessError, match=f"failed: {told}$"):
        run("-c", script, environment=os.environ)
