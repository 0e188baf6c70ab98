"""The way through a corporate proxy: a tunnel (``CONNECT``), in which TLS goes end to end.

The proxy learns the host that is called, and neither the API key nor a token.
"""

from __future__ import annotations

import base64
import socket
import time
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from ..secret import Secret

MAX_HEAD = 16 * 1024  # bytes of its answer's headers


class ProxyRefused(OSError):
    """The proxy gave no tunnel; the text tells what it answered, in words without its own."""


class Proxy(NamedTuple):
    """Where it listens, and what ``Proxy-Authorization`` holds; blank for none."""

    host: str
    port: int
    authorization: Secret

    @classmethod
    def of(cls, address: Secret) -> Self | None:
        """Return what the setting ``PROXY`` names, None for a blank one."""
        if not address:
            return None
        url = urlsplit(address.reveal())
        credentials = Secret(url.netloc.rpartition("@")[0])
        return cls(url.hostname or "", url.port or 0, _basic(credentials))

    def open_tunnel(self, connected: socket.socket, host: str, port: int, by: float) -> None:
        """Have the proxy connect this socket to ``host`` by ``by`` (``time.monotonic()``).

        Raises ``ProxyRefused``, ``TimeoutError`` or what the socket does.
        """
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        connected.settimeout(_left(by))
        connected.sendall(
            f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{self._header()}\r\n".encode()
        )
        status, _, _ = _head(connected, by).partition(b"\r\n")
        version, _, rest = status.partition(b" ")
        code = rest[:3].decode("ascii", "replace")
        if not version.startswith(b"HTTP/1.") or not code.isdecimal():
            raise ProxyRefused("The proxy answered no HTTP.")
        if not code.startswith("2"):
            raise ProxyRefused(f"The proxy answered {code}.")

    def _header(self) -> str:
        told = self.authorization.reveal()
        return f"Proxy-Authorization: {told}\r\n" if told else ""


def _basic(credentials: Secret) -> Secret:
    """Return ``user:password``, as an URL has them, for the header (RFC 7617)."""
    if not credentials:
        return credentials
    text = base64.b64encode(unquote(credentials.reveal()).encode()).decode()
    return Secret(f"Basic {text}")


def _head(connected: socket.socket, by: float) -> bytes:
    """Return the answer's headers. Byte by byte: what comes after them belongs to the tunnel."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        connected.settimeout(_left(by))
        received = connected.recv(1)
        if not received or len(head) > MAX_HEAD:
            raise ProxyRefused("The proxy broke off.")
        head += received
    return bytes(head)


def _left(by: float) -> float:
    left = by - time.monotonic()
    if left <= 0:
        raise TimeoutError("The proxy gave no tunnel in time.")
    return left
