"""The sites under load: gunicorn in processes of its own, and the process that loads it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from lms_site.demo.processes import Site, run
from lms_site.environment import BASE_DIR

from .client import Load
from .worker import Worker

PROCESSES = 2  # one for each core


class LoadSite:
    """A site of ``PROCESSES`` gunicorn processes. Use as a context manager.

    Each listens on a port of its own and has a thread for each client that is connected to it, as
    behind a load balancer that counts connections: kept-alive connections to one port would be
    shared out by chance, anew in each slice, and that noise hides what is measured.
    """

    def __init__(self, name: str, environment: Mapping[str, str], log: Path, clients: int) -> None:
        self.name = name
        threads = -(-clients // PROCESSES)
        options = "--worker-class gthread --keep-alive 600 --graceful-timeout 5"
        self._sites = [
            Site(environment, log, workers=1, threads=threads, options=options)
            for _ in range(PROCESSES)
        ]
        self._stack = ExitStack()

    @property
    def ports(self) -> list[int]:
        """Where its processes listen."""
        return [site.port for site in self._sites]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for site in self._sites:
                stack.enter_context(site)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()


def seed(
    environment: Mapping[str, str], wanted: Mapping[str, Any], folder: Path = BASE_DIR
) -> None:
    """Migrate and fill the database by the code of ``folder``; raise ``ProcessError`` if not."""
    module, stdin = "benchmarks.load.seed", json.dumps(wanted)
    run("-m", module, environment=environment, stdin=stdin, folder=folder)


def put_under(load: Load, *, happens: Callable[[], None] | None = None) -> dict[str, Any]:
    """Run the load in its own process; return what ``client`` tells.

    ``happens`` is called as soon as it has begun.
    """
    with Worker("-m", "benchmarks.load.client", environment=os.environ) as worker:
        worker.ask(json.dumps(asdict(load)))
        if happens is not None:
            happens()
        told: dict[str, Any] = json.loads(worker.hear())
        return told
