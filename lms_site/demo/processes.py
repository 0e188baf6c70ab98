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
from types import TracebackType
from typing import Self

import requests

BASE_DIR = Path(__file__).resolve().parents[2]
START_TIMEOUT = 30  # seconds
STOP_TIMEOUT = 10  # seconds


class ProcessError(Exception):
    """A process of the demo doesn't come up, or didn't do what it was started for."""


class Child:
    """A Python process whose output goes to a file. Use as a context manager."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        log: Path,
        sockets: tuple[int, ...] = (),
    ) -> None:
        self._arguments = [sys.executable, *arguments]
        self._environment = environment
        self._log = log
        self._sockets = sockets
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                cwd=BASE_DIR,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self._sockets,
                # A Ctrl-C is for the demo, which then stops its children in order.
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            # The whole group, since gunicorn's workers outlive a master that is killed.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None


class Site(Child):
    """The LMS site under gunicorn, with two processes of four threads, on a free port."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        # Bound here and handed over, so that nobody can take the port in between.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        number = self._socket.fileno()
        gunicorn = f"-m gunicorn lms_site.wsgi --bind fd://{number} --workers 2 --threads 4"
        options = "--no-control-socket --access-logfile -"
        super().__init__(
            *gunicorn.split(),
            *options.split(),
            environment=environment,
            log=log,
            sockets=(number,),
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self._socket.close()
        try:
            self._wait_until_it_serves()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait_until_it_serves(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        with requests.Session() as http:
            http.trust_env = False
            while self.running and time.monotonic() < deadline:
                try:
                    if http.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                        return
                except requests.RequestException:
                    pass
                time.sleep(0.1)
        raise ProcessError("The site doesn't come up.")


def run(*arguments: str, environment: Mapping[str, str], stdin: str = "") -> str:
    """Run Python to its end; return the last line that it printed, or raise ``ProcessError``."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
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
