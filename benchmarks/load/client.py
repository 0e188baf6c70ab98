"""``python -m benchmarks.load.client``: clients in a closed loop, in a process of their own.

Reads a ``Load`` as a line of JSON; prints "go" when all clients are connected, and at the
end one JSON object: ``answers`` is a list of (seconds since go, seconds that it took, HTTP status
or 0, the reason in the block why there is no token), ``seconds`` the time that was measured,
``cpu`` this process's share of one core.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PASSWORD = "of-a-learner"
TIMEOUT = 60.0  # seconds for one answer
LOGINS = {"login": "/api/auth/login/", "session-login": "/api/session/login/"}
CSRF = "c" * 32  # cookie and header have to agree, and no more


def username(number: int) -> str:
    """Return the name of the learner with this number, from 0."""
    return f"learner-{number:06d}"


@dataclass(frozen=True)
class Load:
    """What to do: ``kind`` is login, session-login, logout or me; all but session-login by bearer.

    Client ``n`` stays connected to ``ports[n % len(ports)]``. ``first`` is the number of the first
    learner, of ``users``; or of the first line of ``bearers``, a file. ``rate`` spreads that many
    requests a second over the clients; 0: each sends its next one when it has its answer.
    """

    kind: str
    ports: list[int]
    clients: int
    seconds: float
    first: int = 0
    users: int = 1
    bearers: str = ""
    rate: float = 0.0
    answers: list[tuple[float, float, int, str]] = field(default_factory=list, compare=False)

    def requests(self) -> Iterator[bytes]:
        """Yield the requests, each to be sent once."""
        if self.kind in LOGINS:
            for number in itertools.count(self.first):
                data = {"username": username(number % self.users), "password": PASSWORD}
                yield _request("POST", LOGINS[self.kind], json.dumps(data))
        lines = Path(self.bearers).read_text().splitlines()[self.first :]
        if self.kind == "logout":
            for line in lines:
                yield _request("POST", "/api/auth/logout/", bearer=line)
        else:
            while True:
                yield _request("GET", "/api/auth/me/", bearer=lines[0])


def _request(method: str, path: str, body: str = "", bearer: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
        lines += [f"Cookie: csrftoken={CSRF}", f"X-CSRFToken: {CSRF}"]
    if bearer:
        lines.append(f"Authorization: Bearer {bearer}")
    return "\r\n".join([*lines, "", body]).encode()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line[15:])
    return status, await reader.readexactly(length)


def _missing(body: bytes) -> str:
    """Return the code in a login's block that says why there is no token; empty if there is one."""
    if b'"error"' not in body:
        return ""
    return str(json.loads(body).get("convai", {}).get("error", {}).get("code", "error"))


async def _client(load: Load, number: int, requests: Iterator[bytes], go: asyncio.Barrier) -> None:
    port = load.ports[number % len(load.ports)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await go.wait()
    began = time.monotonic()
    due = began + (number / load.rate if load.rate else 0.0)
    while due < began + load.seconds:
        await asyncio.sleep(max(due - time.monotonic(), 0.0))
        request = next(requests, None)
        if request is None:
            break
        # From when it was due: a client that was kept waiting must not hide that.
        sent = due if load.rate else time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                status, body = await _exchange(reader, writer, request)
        except (OSError, EOFError, TimeoutError):
            status, body = 0, b""
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        now = time.monotonic()
        load.answers.append((sent - began, now - sent, status, _missing(body)))
        due = due + load.clients / load.rate if load.rate else now
    writer.close()


async def _run(load: Load) -> dict[str, object]:
    requests = load.requests()
    go = asyncio.Barrier(load.clients + 1)
    clients = [
        asyncio.create_task(_client(load, number, requests, go)) for number in range(load.clients)
    ]
    async with asyncio.timeout(30):
        await go.wait()
    print("go", flush=True)
    began, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*clients)
    share = (time.process_time() - cpu) / (time.monotonic() - began)
    return {"answers": load.answers, "seconds": load.seconds, "cpu": share}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(Load(**json.loads(sys.stdin.readline()))))))
