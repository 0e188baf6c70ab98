"""The demo's child processes: each is stopped by its own process id, whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self

import requests

BASE_DIR = Path(__file__).resolve().parents[2]
START_TIMEOUT = 90  # seconds; other work may keep the cores busy


class ProcessError(Exception):
    """A process of the demo doesn't come up, or didn't do what it was started for."""


class Child:
    """A Python process whose output goes to a file. Use as a context manager."""

    stop_timeout = 10.0  # seconds until it is killed

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        log: Path,
        sockets: tuple[int, ...] = (),
        folder: Path = BASE_DIR,
    ) -> None:
        self._folder = folder
        self._arguments = [sys.executable, *arguments]
        self._environment = environment
        self._log = log
        self._sockets = sockets
        self._process: subprocess.Popen[bytes] | None = None
        self._asked_to_stop = False

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._start(stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()

    def _start(
        self, stdin: int, stdout: IO[bytes] | int, stderr: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start it with these streams; return the process."""
        self._process = subprocess.Popen(
            self._arguments,
            cwd=self._folder,
            env=self._environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=self._sockets,
            # A Ctrl-C is for its parent, which then stops its children in order.
            start_new_session=True,
        )
        return self._process

    @property
    def pid(self) -> int:
        """Its process id; raises ``ProcessError`` before the start."""
        if self._process is None:
            raise ProcessError("The process hasn't been started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def ask_to_stop(self) -> None:
        """Send SIGTERM, once: a second one would end a command that has nothing left to finish."""
        if self.running and not self._asked_to_stop:
            self._asked_to_stop = True
            os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> None:
        """Ask it to stop, and wait; kill it, with all that it started, if it doesn't."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            self.before_it_is_killed()
            # The whole group, since gunicorn's workers outlive a master that is killed.
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def before_it_is_killed(self) -> None:
        """Look at a process that didn't stop in time; here nobody does."""


class Site(Child):
    """The LMS site under gunicorn, on a free port of 127.0.0.1.

    ``application`` is what gunicorn serves, ``options`` are more of its options.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        application: str = "lms_site.wsgi",
        workers: int = 2,
        threads: int = 4,
        options: str = "--access-logfile -",
    ) -> None:
        # Bound here and handed over, so that nobody can take the port in between.
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        number = self._socket.fileno()
        gunicorn = f"-m gunicorn {application} --bind fd://{number} --no-control-socket"
        super().__init__(
            *f"{gunicorn} --workers {workers} --threads {threads} {options}".split(),
            environment=environment,
            log=log,
            sockets=(number,),
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self._socket.close()
        try:
            self.wait_until_it_serves()
        except BaseException:
            self.stop()
            raise
        return self

    def wait_until_it_serves(self) -> None:
        """Return once it answers; raise ``ProcessError`` if it ends, or doesn't in time."""
        deadline = time.monotonic() + START_TIMEOUT
        with direct_http() as http:
            while self.running and time.monotonic() < deadline:
                try:
                    if http.get(f"{self.url}/healthz", timeout=5).status_code == 200:
                        return
                except requests.RequestException:
                    pass
                time.sleep(0.02)
        said = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        raise ProcessError(f"The site doesn't come up: {said}")


def direct_http() -> requests.Session:
    """Return a client that takes no proxy of the environment's, which is no way to loopback."""
    http = requests.Session()
    http.trust_env = False
    return http


def run(
    *arguments: str, environment: Mapping[str, str], stdin: str = "", folder: Path = BASE_DIR
) -> str:
    """Run Python to its end; return the last line that it printed, or raise ``ProcessError``."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ProcessError(f"python {' '.join(arguments)} failed: {told}")
    return (done.stdout.strip().splitlines() or [""])[-1]
