"""One call over HTTP: what goes out, and how much of an answer comes in.

No exception leaves it, for its frames hold the API key and the token.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from typing import TypeVar
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse

from .. import __version__
from ..conf import AppSettings, app_settings
from ..exceptions import ConvaiRefused, ConvaiTokensError, ConvaiUnavailable, ErrorCode
from ..secret import Secret
from .answers import PATHS, Verb
from .connections import Connection, tls_context
from .deadline import call_within
from .failures import name_of, no_answer
from .proxy import Proxy
from .sockets import Call

MAX_BODY = 64 * 1024
POOL_SIZE = 32  # connections that are kept; with fewer, threads that wait on Convai churn them
# What zlib calls the formats. "deflate" is one of two: servers disagree.
WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
UNREADABLE = b"\xff"  # stands for a body that can't be decoded: it is no JSON, and not empty
# The headers that are looked at: another one might echo a key or a token.
HEADERS = ("Date", "Retry-After")

T = TypeVar("T")
# Turns status, headers and body into a result, or into the outcome that stands for a failure.
Reader = Callable[[int, Mapping[str, str], Secret], T | ConvaiTokensError]


class Transport:
    """Kept-alive connections to ``base_url``. Safe to share between threads, not over a fork."""

    def __init__(
        self,
        base_url: str,
        connect_timeout: float,
        read_timeout: float,
        max_threads: int,
        proxy: Proxy | None = None,
        ca_bundle: str = "",
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeouts = connect_timeout, read_timeout
        self._proxy = proxy
        self._ca_bundle = ca_bundle
        # For what no socket's timeout bounds: looking up the name, and asking a vault for the key.
        self._threads = threading.BoundedSemaphore(max_threads)
        # Those that no call uses. One gets here only when its answer was read whole, and nothing
        # came after it: whatever is left in it would be the next learner's answer.
        self._idle: deque[Connection] = deque()
        weakref.finalize(self, _close_all, self._idle)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context(self._ca_bundle)

    def exchange(
        self, verb: Verb, token: Secret | None, deadline: float, read: Reader[T]
    ) -> T | ConvaiTokensError:
        """Return what ``read`` makes of the answer, or the outcome of no answer. Never raises.

        ``deadline`` is a time of ``time.monotonic()``, at which it is back whatever happens.
        """
        call = Call(deadline, *self._timeouts)
        try:
            call.left()
            api_key = self._api_key(call)
            if isinstance(api_key, ConvaiTokensError):
                return api_key
            with self._connection(call) as connection:
                return self._ask(connection, verb, api_key, token, read)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong out there is an outcome
            return no_answer(verb, error, call)
        except BaseException as interruption:  # noqa: BLE001 - a worker that is told to exit
            # Its frames hold the key, and so do those of what was being handled just then.
            interruption.__context__ = None
            raise interruption.with_traceback(None) from None

    def _api_key(self, call: Call) -> Secret | ConvaiTokensError:
        """Return the API key, or why there is none. A callable may ask a vault that is slow."""

        def ask() -> Secret | ConvaiTokensError:
            try:
                return app_settings.api_key()
            except Exception as error:  # noqa: BLE001 - it may be the project's own callable
                return ConvaiRefused(
                    f"The API key can't be read: {name_of(error)}.", code=ErrorCode.CONVAI_NO_KEY
                )

        if not callable(AppSettings.API_KEY.given()):
            return ask()
        left = call.left(sum(self._timeouts))
        return call_within(left, ask, thread_name="convai-api-key", limit=self._threads)

    @contextmanager
    def _connection(self, call: Call) -> Iterator[Connection]:
        """Give a connection; keep it alive if the call leaves it clean, and else close it."""
        connection = self._kept_alive() or self._new_connection()
        connection.serve(call)
        try:
            yield connection
        finally:
            if call.clean and not connection.is_closed and len(self._idle) < POOL_SIZE:
                self._idle.append(connection)
            else:
                connection.close()

    def _kept_alive(self) -> Connection | None:
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if connection.is_connected:
                    return connection
                connection.close()
        return None

    def _new_connection(self) -> Connection:
        url = urlsplit(self._base_url)
        tls = self._tls if url.scheme == "https" else None
        port = url.port or (443 if tls else 80)
        return Connection(url.hostname or "", port, tls, self._threads, self._proxy)

    def _ask(
        self,
        connection: Connection,
        verb: Verb,
        api_key: Secret,
        token: Secret | None,
        read: Reader[T],
    ) -> T | ConvaiTokensError:
        url = urlsplit(self._base_url)
        with suppress(BrokenPipeError):  # an answer may have come before all was sent
            connection.request(
                "POST",
                url.path + PATHS[verb],
                body=json.dumps({} if token is None else {"apiAuthToken": token.reveal()}),
                headers={
                    "Host": url.netloc.rpartition("@")[2],
                    "CONVAI-API-KEY": api_key.reveal(),
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": f"django-convai-tokens/{__version__}",
                },
                preload_content=False,
            )
        with closing(connection.getresponse()) as response:
            # Where the headers were cut short, http.client takes what came for all of them.
            if connection.call.closed or not _is_framed(response):
                return ConvaiUnavailable("Convai's answer is malformed.", maybe_done=True)
            body = _body(response)
            if body is None:
                return ConvaiUnavailable("Convai's answer is over 64 kB.", maybe_done=True)
            # After a 1xx the answer is yet to come.
            connection.call.whole = response.status >= 200 and response.version == 11
            headers = {name: response.headers.get(name, "") for name in HEADERS}
            return read(response.status, headers, body)


def _close_all(idle: deque[Connection]) -> None:
    while idle:
        idle.pop().close()


def _is_framed(response: BaseHTTPResponse) -> bool:
    """Tell whether the headers leave no doubt where the answer ends."""
    codings = response.headers.getlist("Transfer-Encoding")
    lengths = response.headers.getlist("Content-Length")
    if codings:
        return [coding.lower() for coding in codings] == ["chunked"] and not lengths
    return len(set(lengths)) < 2 and all(re.fullmatch("[0-9]+", length) for length in lengths)


def text_of(body: bytes) -> Secret:
    """Return a body as text; what isn't UTF-8 begins so that it is no JSON."""
    try:
        return Secret(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Secret("\ufffd" + body.decode(errors="replace"))


def _body(response: BaseHTTPResponse) -> Secret | None:
    """Return the body as text, None where it is over 64 kB."""
    content = _content(response)
    return None if content is None else text_of(content)


def _content(response: BaseHTTPResponse) -> bytes | None:
    raw = bytearray()
    # read1() returns what one receive brings; read() would wait for more.
    while chunk := response.read1(MAX_BODY, decode_content=False):
        raw += chunk
        if len(raw) > MAX_BODY:
            return None
    headers = response.headers
    if not raw:
        # That nothing came is an answer only where it says so: whoever closes has said nothing.
        told = response.status == 204 or "Content-Length" in headers
        return b"" if told or "Transfer-Encoding" in headers else UNREADABLE
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    return bytes(raw) if coding == "identity" else _decoded(coding, raw)


def _decoded(coding: str, raw: bytearray) -> bytes | None:
    """Return a body that came compressed although nobody had asked for that; None over 64 kB.

    Not left to urllib3: it takes half a body for a whole one, and inflates with what else is
    installed, some of which knows no limit.
    """
    for window in WINDOWS.get(coding, ()):
        unpacker = zlib.decompressobj(window)
        with suppress(zlib.error):
            body = unpacker.decompress(raw, MAX_BODY + 1)
            if len(body) > MAX_BODY:
                return None
            if unpacker.eof and not unpacker.unused_data:
                return body
    return UNREADABLE
