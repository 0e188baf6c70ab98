"""The sites under load: gunicorn in processes of its own, and the process that loads it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from lms_site.demo.processes import BASE_DIR, Child, ProcessError
from lms_site.demo.throwaway import settings_for

from .load_client import Load

PROCESSES = 2  # one for each core
START_TIMEOUT = 60  # seconds; other work may keep the cores busy


def environment_for(database_url: str) -> dict[str, str]:
    """Return the environment of a site; its ``CONVAI_BASE_URL`` is still to be set."""
    environment = settings_for(Path(os.devnull), "http://127.0.0.1", os.environ)
    return environment | {
        "DJANGO_SETTINGS_MODULE": "benchmarks.load_settings",
        "DATABASE_URL": database_url,
    }


class _Server(Child):
    """One gunicorn with one worker."""

    def __init__(self, environment: Mapping[str, str], log: Path, threads: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        number = self._socket.fileno()
        gunicorn = f"-m gunicorn lms_site.wsgi --bind fd://{number} --worker-class gthread"
        options = f"--workers 1 --threads {threads} --keep-alive 600 --graceful-timeout 5"
        super().__init__(
            *gunicorn.split(),
            *options.split(),
            "--no-control-socket",
            environment=environment,
            log=log,
            sockets=(number,),
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self._socket.close()
        return self


class LoadSite:
    """A site of ``PROCESSES`` gunicorn processes. Use as a context manager.

    Each listens on a port of its own and has a thread for each client that is connected to it, as
    behind a load balancer that counts connections: kept-alive connections to one port would be
    shared out by chance, anew in each slice, and that noise hides what is measured.
    """

    def __init__(self, name: str, environment: Mapping[str, str], log: Path, clients: int) -> None:
        self.name = name
        threads = -(-clients // PROCESSES)
        self._servers = [_Server(environment, log, threads) for _ in range(PROCESSES)]
        self._log = log
        self._stack = ExitStack()

    @property
    def ports(self) -> list[int]:
        """Where its processes listen."""
        return [server.port for server in self._servers]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in self._servers:
                stack.enter_context(server)
            for server in self._servers:
                self._wait_until_it_serves(server)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _wait_until_it_serves(self, server: _Server) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        with requests.Session() as http:
            http.trust_env = False
            while server.running and time.monotonic() < deadline:
                try:
                    url = f"http://127.0.0.1:{server.port}/healthz"
                    if http.get(url, timeout=5).status_code == 200:
                        return
                except requests.RequestException:
                    pass
                time.sleep(0.1)
        said = self._log.read_text().strip().splitlines()[-1:]
        raise ProcessError(f"The {self.name} site doesn't come up: {said}")


def seed(environment: Mapping[str, str], wanted: Mapping[str, Any]) -> None:
    """Migrate and fill the database; raise ``CalledProcessError`` if that fails."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks.load_seed"],
        cwd=BASE_DIR,
        env=dict(environment),
        input=json.dumps(wanted),
        text=True,
        check=True,
    )


def put_under(load: Load, *, happens: Callable[[], None] | None = None) -> dict[str, Any]:
    """Run the load in its own process; return what ``load_client`` tells.

    ``happens`` is called as soon as it has begun.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load_client"],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(asdict(load)))
            process.stdin.close()
            if process.stdout.readline() != "go\n":
                raise ProcessError("The clients can't connect.")
            if happens is not None:
                happens()
            told: dict[str, Any] = json.loads(process.stdout.read())
            return told
        except BaseException:
            process.kill()
            raise
