"""The processes of the chaos harness: they can be killed, and looked at in /proc."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from lms_site.demo.processes import Child, Site

from .world import World


class Hooked(Child):
    """A child that has called ``hooks.hook``."""

    stop_timeout = 60.0  # a disk may stall

    def before_it_is_killed(self) -> None:
        """Print where it stands, which faulthandler writes into its log."""
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(1)
        print(f"{self._log}: not stopped\n{self._log.read_text()[-8000:]}", flush=True)


class Sweeper(Hooked):
    """``manage.py convai_sweep --watch 1``, hooked."""

    def __init__(self, world: World, threads: int, name: str) -> None:
        arguments = f"-m benchmarks.chaos.hooks convai_sweep --watch 1 --workers {threads}"
        log = world.directory / f"{name}.log"
        super().__init__(*arguments.split(), environment=world.environment, log=log)

    def __enter__(self) -> Self:
        super().__enter__()
        self._started = time.monotonic()
        return self

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def kill(self) -> bool:
        """Kill it with SIGKILL, and wait for its end; return False if it had ended."""
        if not self.running or self._process is None:
            return False
        self._process.kill()
        self._process.wait()
        return True


class Web(Hooked, Site):
    """The LMS site under gunicorn, hooked.

    Preloaded: so a killed worker's successor serves at once, and there is always one to kill.
    """

    def __init__(self, world: World, workers: int, threads: int) -> None:
        super().__init__(
            world.environment,
            world.directory / "web.log",
            application="benchmarks.chaos.hooks:application()",
            workers=workers,
            threads=threads,
            options="--preload",
        )

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


def memory(pid: int) -> int:
    """Return a process's resident memory in bytes, 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used, 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kill(pid: int) -> bool:
    """Kill a process with SIGKILL; return False if it had ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def all_stopped(processes: Sequence[Child]) -> Iterator[None]:
    """Stop the processes that are in the list at the end, by their ids, whatever happens."""
    try:
        yield
    finally:
        for process in processes:
            process.ask_to_stop()
        for process in processes:
            process.stop()
