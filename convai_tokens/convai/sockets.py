"""Sockets that know the deadline of the call that they serve.

A timeout of sockets starts anew with each byte that comes. So whoever drips a status line, a
header, a chunk's size or a body holds a call for ever, and so does a server whose "100 Continue"
or whose trailers never end. Here each receive and each send gets no more than what is left to the
call, and the socket is closed at its deadline, without a thread for each call.
"""

from __future__ import annotations

import io
import math
import socket
import ssl
import time
from contextlib import suppress
from typing import Any


class Call:
    """One call's limits in seconds, and what its connection notes of it.

    ``deadline`` is a time of ``time.monotonic()``.
    """

    def __init__(self, deadline: float, connect_timeout: float, read_timeout: float) -> None:
        self.deadline = deadline
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.sent = False  # whether it may have been carried out
        self.answered = False  # whether a byte of an answer came
        self.closed = False  # whether the other side has closed the connection
        self.over = False  # whether nothing more is to be received
        self.surplus = False  # whether more came than its answer
        self.whole = False  # whether all of its answer was read

    @property
    def clean(self) -> bool:
        """Whether it leaves its connection as the next call has to find it."""
        return self.whole and not self.surplus and not self.closed

    def left(self, at_most: float = math.inf) -> float:
        """Return the seconds that may be waited now; raise ``TimeoutError`` when there are none."""
        left = min(at_most, self.deadline - time.monotonic())
        if left <= 0:
            raise TimeoutError("The deadline has passed.")
        return left


class Answer(io.BufferedReader):
    """The bytes of one answer. At its close the call learns whether more came than were read."""

    def __init__(self, raw: io.RawIOBase, call: Call) -> None:
        super().__init__(raw)
        self._call = call

    def close(self) -> None:
        try:
            if not self.closed:
                self._call.over = True  # so that a look at what is buffered receives no more
                with suppress(OSError):  # it had timed out
                    self._call.surplus = bool(self.peek(1))
        finally:
            super().close()


class DeadlineSocket(socket.socket):
    """A socket whose every receive and send is bounded by ``call``."""

    call: Call

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Receive as ``socket.socket`` does; the files that http.client reads come here."""
        call = self.call
        if call.over:
            return 0
        self.settimeout(call.left(call.read_timeout))
        received = super().recv_into(*args, **kwargs)
        call.answered = call.answered or bool(received)
        call.closed = not received
        return received

    def send(self, *args: Any, **kwargs: Any) -> int:
        """Send as ``socket.socket`` does; over TLS each piece of ``sendall`` comes here."""
        self.settimeout(self.call.left(self.call.read_timeout))
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        """Send as ``socket.socket`` does, whose timeout is for all of it."""
        self.settimeout(self.call.left(self.call.read_timeout))
        super().sendall(*args, **kwargs)

    def makefile(self, *args: Any, **kwargs: Any) -> Any:
        """Return the answer to the current call; http.client asks for nothing else."""
        return Answer(super().makefile("rb", buffering=0), self.call)

    def pending(self) -> int:
        """Return how many bytes wait where no poll of the socket sees them."""
        return 0


class DeadlineTLSSocket(DeadlineSocket, ssl.SSLSocket):
    """The same over TLS, which keeps the rest of a record to itself."""

    def pending(self) -> int:
        return ssl.SSLSocket.pending(self)
