"""A corporate proxy: it makes tunnels by ``CONNECT``, and tells what it saw."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Answer = Callable[["Proxy", socket.socket], None]


class Proxy:
    """A proxy on loopback; ``answer`` answers each CONNECT, and by default makes the tunnel."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.heads: list[bytes] = []
        self.seen = b""  # all that went through, both ways
        self.stopping = threading.Event()
        self._answer = answer or Proxy.tunnel
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.stopping.set()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(60)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        self._sockets += [each for each in args if isinstance(each, socket.socket)]
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.heads.append(head)
            self._answer(self, client)

    def tunnel(self, client: socket.socket) -> None:
        """Do what is asked; the host's name is taken for this machine's, whatever it is."""
        port = int(self.heads[-1].split()[1].rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n")
            self._start(self._copy, server, client)
            self._copy(client, server)

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.seen += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def saying(whole: bytes) -> Answer:
    """Answer these bytes, and close."""
    return lambda proxy, client: client.sendall(whole)


def hang(proxy: Proxy, client: socket.socket) -> None:
    proxy.stopping.wait(60)


def drip(proxy: Proxy, client: socket.socket) -> None:
    """Answer a byte at a time, for ever."""
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    while not proxy.stopping.wait(0.01):
        client.sendall(b"x")
