"""What the scenarios of the chaos harness share: findings, the world of a run, its processes."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from convai_sandbox.process import Sandbox
from lms_site.demo.processes import Child, ProcessError

from .chaos_learners import http

START_TIMEOUT = 90  # seconds; other work may keep the cores busy
STOP_TIMEOUT = 60  # seconds; a disk may stall
DAY = 24 * 3600.0  # seconds that a token lives: none dies by itself while we look


@dataclass
class Report:
    """Each criterion: what was asked, what was found, and whether it is met."""

    rows: list[tuple[str, str, str, bool | None]] = field(default_factory=list)

    def note(self, scenario: str, text: str) -> None:
        """Print a line on how it goes."""
        print(f"{time.strftime('%H:%M:%S')} {scenario}: {text}", flush=True)

    def judge(self, scenario: str, asked: str, found: str, met: bool | None) -> None:
        """Enter and print a criterion; ``met`` is None for a figure that isn't judged."""
        self.rows.append((scenario, asked, found, met))
        self.note(scenario, f"[{self.word(met)}] {asked}: {found}")

    @staticmethod
    def word(met: bool | None) -> str:
        """Return how ``met`` reads in the table."""
        return {True: "yes", False: "NO", None: "not judged"}[met]

    @property
    def failed(self) -> bool:
        """Whether a criterion isn't met."""
        return any(met is False for *_, met in self.rows)

    def markdown(self) -> str:
        """Return all as a table."""
        lines = ["| scenario | asked | found | met |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {asked} | {found} | {self.word(met)} |"
            for name, asked, found, met in self.rows
        ]
        return "\n".join(lines)


@dataclass
class World:
    """One run's environment, directory and sandbox; and all kills so far."""

    environment: dict[str, str]
    directory: Path
    sandbox: Sandbox
    random: random.Random
    killed: int = 0

    @property
    def tickets(self) -> Path:
        """Where processes look whether they are to kill themselves."""
        return Path(self.environment["CHAOS_TICKETS"])

    def hand_out(self, moment: str, number: int) -> None:
        """Let as many processes kill themselves when they come to the moment."""
        for _ in range(number):
            (self.tickets / f"{moment}-{self.random.getrandbits(64):x}").touch()

    def take_back(self) -> None:
        """Let no further process kill itself."""
        for path in self.tickets.glob("*"):
            if not path.name.startswith("killed-"):
                path.unlink(missing_ok=True)

    def killed_themselves(self) -> list[str]:
        """Return the moment of each such kill."""
        return [path.read_text() for path in self.tickets.glob("killed-*")]

    def kills(self) -> int:
        """Return how many processes were killed by either way."""
        return self.killed + len(self.killed_themselves())

    def reset(self) -> None:
        """Empty sandbox, database and counts for the next scenario."""
        from django.core.management import call_command

        self.sandbox.reset()
        call_command("flush", interactive=False, verbosity=0)
        for path in self.tickets.glob("*"):
            path.unlink()
        self.killed = 0


class Process(Child):
    """A child that can be killed, and looked at in /proc."""

    started = 0.0
    _asked = False

    def __enter__(self) -> Self:
        super().__enter__()
        self.started = time.monotonic()
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started

    def kill(self) -> bool:
        """Kill it with SIGKILL; return False if it had ended."""
        if not self.running or self._process is None:
            return False
        self._process.kill()
        self._process.wait()
        return True

    def ask_to_stop(self) -> None:
        """Send SIGTERM, once: a second one would end a command that has nothing left to finish."""
        if self.running and not self._asked:
            self._asked = True
            os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> None:
        """Ask it to stop, and wait; kill it, and say where it stood, if it doesn't."""
        self.ask_to_stop()
        assert self._process is not None
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(1)
            print(f"{self._log}: not stopped\n{self._log.read_text()[-8000:]}", flush=True)
            # The whole group, since gunicorn's workers outlive a master that is killed.
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop()

    def memory(self) -> int:
        """Return its resident memory in bytes, 0 if it has ended."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        lines = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(lines[0].split()[1]) * 1024 if lines else 0

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used, 0 if it has ended."""
        return cpu(self.pid)


class Sweeper(Process):
    """``manage.py convai_sweep --watch 1``, hooked."""

    def __init__(self, world: World, threads: int, name: str) -> None:
        arguments = f"-m benchmarks.chaos_hooks convai_sweep --watch 1 --workers {threads}"
        log = world.directory / f"{name}.log"
        super().__init__(*arguments.split(), environment=world.environment, log=log)


class Web(Process):
    """The LMS site under gunicorn, hooked, on a free port.

    Preloaded: so a killed worker's successor serves at once, and there is always one to kill.
    """

    def __init__(self, world: World, workers: int, threads: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        number = self._socket.fileno()
        options = f"--bind fd://{number} --workers {workers} --threads {threads} --preload"
        super().__init__(
            *["-m", "gunicorn", "benchmarks.chaos_hooks:application()", "--no-control-socket"],
            *options.split(),
            environment=world.environment,
            log=world.directory / "web.log",
            sockets=(number,),
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self._socket.close()
        try:
            self.wait_until_it_serves()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def wait_until_it_serves(self) -> None:
        """Return once it answers; raise ``ProcessError`` if it doesn't in time."""
        deadline = time.monotonic() + START_TIMEOUT
        with http() as session:
            while self.running and time.monotonic() < deadline:
                try:
                    if session.get(f"{self.url}/healthz", timeout=5).status_code == 200:
                        return
                except requests.RequestException:
                    time.sleep(0.02)
        said = self._log.read_text().strip().splitlines()[-1:]
        raise ProcessError(f"The site doesn't come up: {said}")

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


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
def all_stopped(processes: list[Process]) -> Iterator[None]:
    """Stop the processes that are in the list at the end, by their ids, whatever happens."""
    try:
        yield
    finally:
        for process in processes:
            process.ask_to_stop()
        for process in processes:
            process.stop()


def python() -> str:
    """Return the interpreter's version, for the head of the report."""
    return f"Python {sys.version.split()[0]}"
