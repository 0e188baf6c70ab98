"""Start the sandbox in a process of its own, and talk to it: for tests, demo and benchmarks."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast
from urllib.parse import urlencode

from .cli import CERTIFICATE, READY
from .ledger import Summary, Whole
from .switches import Switches

IMPORT_ROOT = Path(__file__).resolve().parents[1]


class SandboxError(Exception):
    """The sandbox didn't start, isn't running, or refused what it was asked."""


class Sandbox:
    """A sandbox process. Use as a context manager, or call ``start`` and ``stop``.

    ``switches`` are those it starts with (see ``Switches``). ``port`` 0 takes a free port with the
    first start and keeps it for later ones. ``stop`` takes the ledger along and the next ``start``
    hands it back, as Convai forgets no token while it is down; ``kill`` loses it.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        https: bool = False,
        start_timeout: float = 20.0,
        **switches: object,
    ) -> None:
        self.port = port
        self.certificate: str | None = None
        self._https = https
        self._kept: bytes | None = None
        self._start_timeout = start_timeout
        self._switches = Switches.of(switches)
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    # The process

    def start(self) -> Self:
        """Start, and return once calls are answered; raise ``SandboxError`` if that fails."""
        if self.running:
            raise SandboxError("the sandbox is running already")
        self._discard()
        arguments = [f"--port={self.port}", "--until-eof"]
        arguments.append(f"--switches={json.dumps(self._switches.as_json())}")
        if self._https:
            arguments.append("--https")
        self._folder = tempfile.TemporaryDirectory(prefix="convai-sandbox-")
        arguments.append(f"--ledger={self._ledger_file}")
        if self._kept is not None:
            self._ledger_file.write_bytes(self._kept)
        path = os.pathsep.join(filter(None, [str(IMPORT_ROOT), os.environ.get("PYTHONPATH")]))
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in _discard
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", f"{__package__}", *arguments],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # A Ctrl-C is for whoever started the sandbox, who then stops it.
            start_new_session=True,
        )
        self._await_ready(self._process)
        return self

    @property
    def _ledger_file(self) -> Path:
        return Path(cast("tempfile.TemporaryDirectory[str]", self._folder).name, "ledger.json")

    def _await_ready(self, process: subprocess.Popen[str]) -> None:
        """Read the lines up to the ready line, for ``start_timeout`` seconds at most."""
        alarm = threading.Timer(self._start_timeout, process.kill)
        alarm.start()
        try:
            for line in cast("IO[str]", process.stdout):
                if line.startswith(CERTIFICATE):
                    self.certificate = line.removeprefix(CERTIFICATE).strip()
                if line.startswith(READY):
                    self.port = int(line.strip().rpartition(":")[2])
                    return
        finally:
            alarm.cancel()
        process.wait()
        said = self._discard()
        raise SandboxError(f"the sandbox did not start (status {process.returncode}): {said}")

    def stop(self) -> None:
        """Stop the process by its id, and return when it has ended; harmless when stopped."""
        self._end(signal.SIGTERM, keep=True)

    def kill(self) -> None:
        """End the process as a crash would: no goodbye, and the ledger is lost."""
        self._end(signal.SIGKILL, keep=False)

    def _end(self, number: signal.Signals, *, keep: bool) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._kept = self._ledger_file.read_bytes() if keep and process.returncode == 0 else None
        said = self._discard()
        if said:
            sys.stderr.write(said)

    def _discard(self) -> str:
        """Close what is left of a process that has ended; return what it said on stderr."""
        process, errors, folder = self._process, self._errors, self._folder
        self._process = self._errors = self._folder = None
        if process is None or errors is None or folder is None:
            return ""
        folder.cleanup()
        for pipe in (process.stdin, process.stdout):
            cast("IO[str]", pipe).close()
        process.wait()
        with errors:
            errors.seek(0)
            return errors.read()

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(signal.SIGTERM, keep=False)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process; raise ``SandboxError`` if there is none."""
        if self._process is None or not self.running:
            raise SandboxError("the sandbox is not running")
        return self._process.pid

    @property
    def url(self) -> str:
        """The address for ``BASE_URL``, e.g. http://127.0.0.1:43211; stays over a restart."""
        return f"http{'s' if self._https else ''}://127.0.0.1:{self.port}"

    # Its control endpoints

    def set(self, **switches: object) -> None:
        """Set some switches while it runs; raise ``SandboxError`` and set none if one is wrong."""
        self._control("POST", "/switches", switches)

    def switches(self) -> dict[str, object]:
        """Return all switches as they are."""
        found: dict[str, object] = self._control("GET", "/switches")
        return found

    def reset(self) -> None:
        """Set the switches as they were at the start, and forget all tokens and calls."""
        self._control("DELETE", "/switches")
        self._control("DELETE", "/ledger")

    def ledger(self, *, status: str = "") -> Whole:
        """Return {"summary": counts, "tokens": [...]}, oldest first; of one ``status``, or all."""
        found: Whole = self._control("GET", "/ledger?" + urlencode({"status": status}))
        return found

    def summary(self) -> Summary:
        """Return the counts: generated, live, expired, revoked; calls and answers by path."""
        found: Summary = self._control("GET", "/ledger?summary=1")["summary"]
        return found

    def live(self) -> list[str]:
        """Return the values of the tokens that are alive, oldest first."""
        return [token["value"] for token in self.ledger(status="live")["tokens"]]

    def connect(self, token: str) -> int:
        """Try to connect with ``token`` as a client would; return the HTTP status."""
        return self.call("POST", "/connect", headers={"API-AUTH-TOKEN": token})[0]

    def call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Make one call of any kind; return status and body. Raises what ``http.client`` does."""
        connection: http.client.HTTPConnection
        if self._https:
            trusted = ssl.create_default_context(cafile=self.certificate)
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=60, context=trusted
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _control(self, method: str, path: str, data: object = None) -> Any:
        """Return the JSON that one of the sandbox's own endpoints answered."""
        body = b"" if data is None else json.dumps(data).encode()
        try:
            status, content = self.call(method, path, body)
        except OSError as error:
            raise SandboxError(f"the sandbox does not answer: {error}") from error
        found = json.loads(content)
        if status != 200:
            raise SandboxError(found.get("error", f"status {status}"))
        return found
