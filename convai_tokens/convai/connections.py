"""Connections to Convai: how one comes about within its time, and when it may be used again."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import sys
import threading
import time
from functools import partial
from typing import Any

import certifi
from urllib3.connection import HTTPConnection

from .deadline import call_within
from .proxy import Proxy
from .sockets import Call, DeadlineSocket, DeadlineTLSSocket

Address = tuple[Any, ...]  # as getaddrinfo returns it: family, kind, protocol, name, address


def tls_context(ca_bundle: str = "") -> ssl.SSLContext:
    """Return what the app trusts: the authorities in ``ca_bundle``, a PEM file, or certifi's.

    Whatever the system or the environment says.

    It is made without the helpers of ``ssl`` and urllib3, since they write the keys of each
    connection to the file that ``SSLKEYLOGFILE`` names.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if sys.version_info >= (3, 13):  # as ssl.create_default_context() has it
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.load_verify_locations(ca_bundle or certifi.where())
    context.sslsocket_class = DeadlineTLSSocket
    return context


class Connection(HTTPConnection):
    """One kept-alive connection. ``call`` is the one that it serves now."""

    debuglevel = 0  # whatever is set on http.client: it would print the key and the tokens
    call: Call
    sock: Any  # a DeadlineSocket, or None

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        threads: threading.Semaphore,
        proxy: Proxy | None = None,
    ) -> None:
        super().__init__(host, port)
        self._tls = tls
        self._way = proxy  # "proxy" is a name of urllib3's
        self._threads = threads  # bounds those that look up a name

    def serve(self, call: Call) -> None:
        """Let this connection, and its socket if there is one already, serve the call."""
        self.call = call
        if self.sock is not None:
            self.sock.call = call

    @property
    def is_connected(self) -> bool:
        """Whether a call can be made; not so where bytes wait that nobody has asked for."""
        return self.sock is not None and not self.sock.pending() and super().is_connected

    def send(self, data: Any) -> None:
        """Send, and note that from now on the call may be carried out."""
        if self.sock is None:
            self.connect()
        self.call.sent = True
        super().send(data)

    def _new_conn(self) -> socket.socket:
        """Return a connected socket; all of it takes ``connect_timeout`` at most."""
        call = self.call
        connect_by = time.monotonic() + call.left(call.connect_timeout)
        connected = _connect(self._look_up(call.left(call.connect_timeout)), connect_by)
        connected.call = call
        try:
            if self._way:
                self._way.open_tunnel(connected, self.host, self.port, connect_by)
            connected.settimeout(max(connect_by - time.monotonic(), 0.001))
            if self._tls:
                # The timeout is for the whole handshake.
                connected = self._tls.wrap_socket(connected, server_hostname=self.host)  # type: ignore[assignment]
        except BaseException:
            connected.close()
            raise
        connected.call = call
        return connected

    def _look_up(self, seconds: float) -> list[Address]:
        """Return the addresses to connect to: of the proxy if there is one, else of the host.

        Those of a name are looked up in a thread, for that may hang.
        """
        host, port = (self._way.host, self._way.port) if self._way else (self.host, self.port)
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            ipaddress.ip_address(host)
        except ValueError:
            name = "convai-look-up"
            return call_within(seconds, look_up, thread_name=name, limit=self._threads)
        return look_up()


def _connect(addresses: list[Address], connect_by: float) -> DeadlineSocket:
    """Connect to the first address that answers.

    Each gets its share of the time that is left: one that is dead, often the one of IPv6, must
    leave enough to the next.
    """
    failure: OSError = TimeoutError("No address answered in time.")
    for position, (family, kind, protocol, _, address) in enumerate(addresses):
        share = (connect_by - time.monotonic()) / (len(addresses) - position)
        if share <= 0:
            break
        try:
            candidate = DeadlineSocket(family, kind, protocol)
        except OSError as error:  # no IPv6 on this machine
            failure = error
            continue
        try:
            candidate.settimeout(share)
            candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            candidate.connect(address)
        except OSError as error:
            candidate.close()
            failure = error
        except BaseException:
            candidate.close()
            raise
        else:
            return candidate
    try:
        raise failure
    finally:
        del failure  # or it and the frames of its traceback would keep each other alive
