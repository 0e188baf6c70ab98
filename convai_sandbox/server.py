"""The HTTP server: one thread per connection, and the faults that only a socket can play."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from http.client import responses
from http.server import ThreadingHTTPServer
from socketserver import TCPServer

from .answers import Answer
from .api import Call, State, verb_of
from .control import CONTROLS
from .guard import refusal
from .parsing import RequestHandler
from .switches import VERBS, Switches

MAX_BODY = 64 * 1024  # of the vendor's endpoints; a handed-back ledger may be far larger
MAX_CONTROL_BODY = 1024**3
IDLE = 75.0  # seconds after which an idle connection is closed
LOOK = 0.1  # seconds between two looks whether a hanging call's client or switch has gone
CORS = (
    "Access-Control-Allow-Origin: *",
    "Access-Control-Allow-Headers: API-AUTH-TOKEN, CONVAI-API-KEY, X-API-Key, Content-Type",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class SandboxServer(ThreadingHTTPServer):
    """Serves ``state`` on the loopback interface; ``port`` 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 1024  # a burst of logins must not be refused by the sandbox's own backlog

    def __init__(
        self,
        port: int,
        switches: Switches,
        *,
        tls: ssl.SSLContext | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self.state = State(switches)
        self.tls = tls
        self.log = log
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        """The address, e.g. http://127.0.0.1:43211."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.server_address[1]}"

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept; the TLS handshake is left to the connection's thread, as it may stall."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Keep quiet about clients that go away, which is their right."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(RequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: SandboxServer
    connection: socket.socket

    def setup(self) -> None:
        super().setup()
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.settimeout(10)
            self.connection.do_handshake()

    def handle_one_request(self) -> None:
        # Also ends the wait for the next call on an idle connection.
        self.connection.settimeout(IDLE)
        super().handle_one_request()

    def _handle(self) -> None:
        """Answer one call of any method; named ``do_POST`` and so on below."""
        path, _, query = self.path.partition("?")
        state = self.server.state
        if refused := refusal(path, self.fields):
            self.close_connection = True  # its body stays unread
            self._send(Answer(403, json.dumps({"detail": refused}).encode()))
            return
        methods = CONTROLS.get(path)
        body = self._body(MAX_BODY if methods is None else MAX_CONTROL_BODY)
        if body is None:
            return
        if methods is not None:
            control = methods.get(self.command)
            self._send(control(state, query, body) if control else _not_allowed(*methods))
            return
        ledger = state.ledger
        ledger.arrived(path)
        verb = verb_of(path)
        if verb is None:
            self._send(Answer(404, b'{"detail": "Not Found"}'), ledger.answered)
        elif self.command == "OPTIONS" and verb == "connect":
            self._send(Answer(204), ledger.answered)
        elif self.command != "POST":
            self._send(_not_allowed("POST"), ledger.answered)
        else:
            self._play(Call(state, verb, self.fields, body), ledger.answered)

    def _body(self, limit: int) -> bytes | None:
        """Read the body; answer by ourselves and return None if it is none that we take."""
        length = self.fields.get("Content-Length") or "0"
        if self.fields.get("Transfer-Encoding") or not length.isdecimal():
            self.close_connection = True
            self._send(Answer(411, b'{"detail": "Length Required"}'))
            return None
        if int(length) > limit:
            self.close_connection = True
            self._send(Answer(413, b'{"detail": "Request Entity Too Large"}'))
            return None
        body = self.rfile.read(int(length))
        return body if len(body) == int(length) else None

    def _play(self, call: Call, count: Callable[[str, str], None]) -> None:
        """Answer a call of one of Convai's verbs, or do what its fault says."""
        if call.latency:
            time.sleep(call.latency)
        path, fault = self.path.partition("?")[0], call.fault
        if fault in ("hang", "reset"):
            count(path, fault)
            if fault == "hang":
                self._hang("hang")
            self._abort()
            return
        answer = call.answer()
        if fault in ("hang_after", "drop"):
            count(path, fault)
            if fault == "hang_after":
                self._hang("hang_after")
            self._abort()
        else:
            self._send(answer, count, drip=fault if fault.startswith("drip") else "")

    def _hang(self, fault: str) -> None:
        """Return when the client has gone, or ``fault`` can't be played any more."""
        self.connection.settimeout(LOOK)
        while self.server.state.switches.can(fault):
            try:
                # The plain socket's recv, as TLS can't peek.
                waiting = socket.socket.recv(self.connection, 1, socket.MSG_PEEK)
            except TimeoutError:
                continue
            except OSError:
                return
            if not waiting or isinstance(self.connection, ssl.SSLSocket):
                return  # over TLS, whatever comes now is the closing of it
            time.sleep(LOOK)

    def _abort(self) -> None:
        """Close with a reset (RST), not with an orderly end (FIN)."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # Detached, because the files that http.server made keep the socket open otherwise.
        socket.close(self.connection.detach())

    def _send(
        self, answer: Answer, count: Callable[[str, str], None] | None = None, *, drip: str = ""
    ) -> None:
        """Send an answer in one piece, or in single bytes if ``drip`` names that fault."""
        path = self.path.partition("?")[0]
        if count:
            count(path, drip or answer.outcome or str(answer.status))
        if self.server.log:
            # The path, never a header or a body: they hold keys and tokens.
            self.server.log(f"{self.command} {path} {drip or answer.outcome or answer.status}")
        head, body = self._head(answer), answer.body
        if self.command == "HEAD":
            body = b""
        if drip:
            sent = head if drip == "drip" else b""
            self.connection.sendall(sent)
            self._drip((head + body)[len(sent) :], drip)
        else:
            self.connection.sendall(answer.before + head + body + answer.after)

    def _head(self, answer: Answer) -> bytes:
        """Return status line and headers; nothing for an answer that is no HTTP."""
        state = self.server.state
        if answer.outcome in ("truncated", "not_http", "http_1_0"):
            self.close_connection = True
        if answer.outcome == "not_http":
            return b""
        phrase = responses.get(answer.status, "Unknown")
        length = len(answer.body) if answer.claimed_length is None else answer.claimed_length
        lines = [
            f"{answer.version} {answer.status} {phrase}",
            f"Date: {formatdate(state.now, usegmt=True)}",
            "Server: sandbox",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        if answer.status != 204:
            lines += [f"Content-Type: {answer.content_type}", f"Content-Length: {length}"]
        if self.path.startswith(VERBS["connect"]):
            # Browsers' clients connect too, from whatever origin the game is on.
            lines += CORS
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _drip(self, data: bytes, fault: str) -> None:
        """Send byte by byte, and the rest at once when ``fault`` can't be played any more."""
        for position in range(len(data)):
            switches = self.server.state.switches
            if not switches.can(fault):
                self.connection.sendall(data[position:])
                return
            self.connection.sendall(data[position : position + 1])
            time.sleep(switches.drip_interval)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Leave http.server's own lines out: they repeat what the client sent."""


for _method in METHODS:
    setattr(Handler, f"do_{_method}", Handler._handle)


def _not_allowed(*methods: str) -> Answer:
    allow = (("Allow", ", ".join(methods)),)
    return Answer(405, b'{"detail": "Method Not Allowed"}', headers=allow)
