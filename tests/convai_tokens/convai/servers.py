"""Servers of raw bytes that the tests let the client call, and what is asked of it."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from convai_tokens.convai import client as client_module
from convai_tokens.convai.client import ConvaiClient
from convai_tokens.exceptions import ConvaiTokensError
from convai_tokens.secret import Secret

ConvaiSettings = Callable[..., None]

LONG = 60.0  # seconds: what a bad server would take, and no test does
KEY = "CANARY-KEY-5d41402abc4b2a76b9719d911017c592"  # the suite's API_KEY
TOKEN = "CANARY-TOKEN-eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9"
CALLS: dict[str, Callable[..., Any]] = {
    "generate": lambda client, **budget: client.generate(**budget),
    "extend": lambda client, **budget: client.extend(Secret(TOKEN), **budget),
    "revoke": lambda client, **budget: client.revoke(Secret(TOKEN), **budget),
}
PATHS = {
    "generate": "/user/connect",
    "extend": "/user/extend-token",
    "revoke": "/user/revoke-token",
}
VERBS = sorted(CALLS)
REPEATED = ["extend", "revoke"]
ENDS = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=20)
GENERATED = {"apiAuthToken": TOKEN, "expirationTime": ENDS.isoformat()}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n"


class Server:
    """A server of raw bytes on loopback. ``play`` answers each request; None hangs up after it."""

    def __init__(self, play: Play, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self.finished = False  # true once a slow answer has run its whole minute
        self._play = play
        self._context = context
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.stopping.set()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(LONG)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._sockets.append(connection)
                thread = threading.Thread(target=self._serve, args=[connection], daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._sockets.append(connection)
            with connection, connection.makefile("rb") as stream:
                while request := self._receive(stream):
                    self.requests.append(request)
                    answer = self._play(self, connection)
                    if answer is None:
                        return
                    connection.sendall(answer)

    @staticmethod
    def _receive(stream: BinaryIO) -> bytes:
        request = b""
        while line := stream.readline():
            request += line
            if line == b"\r\n":
                length = request.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                return request + stream.read(int(length or 0))
        return b""


Play = Callable[[Server, socket.socket], bytes | None]


def answer(status: int = 200, body: Any = b"", **headers: str) -> bytes:
    """Return the bytes of a whole answer; a body that isn't bytes goes as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def always(whole: bytes) -> Play:
    return lambda server, connection: whole


def reset(server: Server, connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(server: Server, connection: socket.socket) -> None:
    """Close with FIN."""


def closing(whole: bytes) -> Play:
    """Send these bytes, and close."""

    def play(server: Server, connection: socket.socket) -> None:
        connection.sendall(whole)

    return play


def hang(server: Server, connection: socket.socket) -> None:
    server.finished = not server.stopping.wait(LONG)


def drip(head: bytes, piece: bytes = b"x") -> Play:
    """Send ``head``, and then one piece after the other for a minute."""

    def play(server: Server, connection: socket.socket) -> None:
        connection.sendall(head)
        ends = time.monotonic() + LONG
        while time.monotonic() < ends and not server.stopping.wait(0.01):
            connection.sendall(piece)
        server.finished = True

    return play


@contextmanager
def dead_address() -> Iterator[tuple[str, int]]:
    """Give an address where a connection neither comes about nor is refused."""
    with ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # and so there is no room for another one
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


Serve = Callable[..., Server]


def join_calls() -> None:
    """Wait for the threads that nobody waits for any more."""
    for thread in threading.enumerate():
        if thread.name in ("convai-look-up", "convai-api-key", "convai-probe"):
            thread.join(LONG)
            assert not thread.is_alive()


def client_of(url: str, connect_timeout: float = LONG, read_timeout: float = LONG) -> ConvaiClient:
    return ConvaiClient(url, connect_timeout=connect_timeout, read_timeout=read_timeout)


def outcome_of(verb: str, client: ConvaiClient, budget: float | None = LONG) -> ConvaiTokensError:
    """Make the call, return the outcome that it raises, and check that nothing secret shows."""
    with pytest.raises(ConvaiTokensError) as caught:
        CALLS[verb](client, budget=budget)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(caught.tb)]
    assert any(frame.f_code.co_filename == client_module.__file__ for frame in frames)
    shown = repr([frame.f_locals for frame in frames])
    assert "CANARY" not in shown + repr((caught.value, vars(caught.value), caught.value.args))
    return caught.value
