"""The client against real sockets: what it sends, what it survives, and what it lets nobody see."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import logging
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import requests
import responses
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from convai_tokens import __version__
from convai_tokens.conf import Secret
from convai_tokens.convai import client as client_module
from convai_tokens.convai.answers import generated_token
from convai_tokens.convai.client import ConvaiClient, get_client
from convai_tokens.convai.transport import MAX_BODY
from convai_tokens.exceptions import (
    ConvaiPaused,
    ConvaiRefused,
    ConvaiTokensError,
    ConvaiUnavailable,
    ErrorCode,
    TokenGone,
    TokenRejected,
)

ConvaiSettings = Callable[..., None]

KEY = "CANARY-KEY-5d41402abc4b2a76b9719d911017c592"  # the suite's API_KEY
TOKEN = "CANARY-TOKEN-eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9"
URL = "http://127.0.0.1:9"  # only in tests where `responses` stands in for the network
LONG = 60.0  # seconds: what a bad server would take, and no test does
REPO = Path(client_module.__file__).parents[2]

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
GENERATED = {"apiAuthToken": TOKEN, "expirationTime": "2999-01-01T00:00:00Z"}


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


def hang(server: Server, connection: socket.socket) -> None:
    server.finished = not server.stopping.wait(LONG)


def drip(head: bytes) -> Play:
    """Send ``head``, and then one byte after the other for a minute."""

    def play(server: Server, connection: socket.socket) -> None:
        connection.sendall(head)
        ends = time.monotonic() + LONG
        while time.monotonic() < ends and not server.stopping.wait(0.01):
            connection.sendall(b"x")
        server.finished = True

    return play


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(play: Play, context: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(play, context))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
    join_calls()


def join_calls() -> None:
    """Wait for the threads of calls that their callers have given up."""
    for thread in threading.enumerate():
        if thread.name in ("convai-generate", "convai-extend", "convai-revoke"):
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


# What goes out.


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_one_post_of_json_to_its_path(verb: str, serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))

    CALLS[verb](client_of(server.url))

    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ") for line in lines)
    assert start == f"POST {PATHS[verb]} HTTP/1.1"
    assert json.loads(body) == ({} if verb == "generate" else {"apiAuthToken": TOKEN})
    assert headers["CONVAI-API-KEY"] == KEY
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == f"django-convai-tokens/{__version__}"
    assert TOKEN not in head.decode()


def test_a_slash_at_the_end_of_the_base_url_is_not_doubled(serve: Serve) -> None:
    server = serve(always(answer()))

    CALLS["revoke"](client_of(server.url + "/"))

    assert server.requests[0].startswith(b"POST /user/revoke-token ")


def test_generate_returns_token_and_end_and_shows_neither_in_a_repr(serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))

    generated = client_of(server.url).generate()

    assert generated.value == TOKEN
    assert generated.expires_at == dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
    assert TOKEN not in repr(generated)


def test_extend_returns_the_new_end(serve: Serve) -> None:
    server = serve(always(answer(200, {"expirationTime": "2999-01-01T00:00:00Z"})))

    assert client_of(server.url).extend(TOKEN) == dt.datetime(2999, 1, 1, tzinfo=dt.UTC)


def test_revoke_returns_when_convai_has_confirmed(serve: Serve) -> None:
    server = serve(always(answer(204)))

    client_of(server.url).revoke(TOKEN)

    assert len(server.requests) == 1


def test_an_answer_in_chunks_is_read_whole(serve: Serve) -> None:
    body = json.dumps(GENERATED).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(always(head + chunks + b"0\r\n\r\n"))

    assert client_of(server.url).generate().value == TOKEN


# The API key.


def test_a_callable_api_key_is_called_for_each_call(
    serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    keys = iter(["first-key", "second-key"])
    convai_settings(API_KEY=lambda: next(keys))
    client = client_of(server.url)

    client.generate()
    client.generate()

    assert b"CONVAI-API-KEY: first-key\r\n" in server.requests[0]
    assert b"CONVAI-API-KEY: second-key\r\n" in server.requests[1]


def broken_vault() -> str:
    raise LookupError(f"the vault says {KEY}")


@pytest.mark.parametrize(
    ("key", "named"),
    [
        pytest.param(broken_vault, "LookupError", id="callable that fails"),
        pytest.param(lambda: " ", "ImproperlyConfigured", id="callable giving blanks"),
        pytest.param("", "ImproperlyConfigured", id="blank"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_without_an_api_key_nobody_is_called_and_nothing_leaks(
    verb: str, key: Any, named: str, serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    convai_settings(API_KEY=key)

    error = outcome_of(verb, client_of(server.url))

    assert type(error) is ConvaiRefused
    assert error.code == "convai_no_key"
    assert named in str(error).replace(" ", "")
    assert server.connections == 0


def test_a_slow_vault_costs_no_more_than_the_budget_and_then_nobody_is_called(
    serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    opened = threading.Event()

    def slow_vault() -> str:
        opened.wait(LONG)
        return KEY

    convai_settings(API_KEY=slow_vault)

    error = outcome_of("generate", client_of(server.url), budget=0.05)

    opened.set()
    join_calls()
    assert error.code == "convai_timeout"
    assert server.connections == 0


@pytest.mark.parametrize("verb", VERBS)
def test_a_key_that_is_no_header_is_sent_to_nobody(
    verb: str, serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    convai_settings(API_KEY=f"{KEY}\r\nX-Injected: 1")

    error = outcome_of(verb, client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert str(error) == "No call was made to Convai: Invalid Header."
    assert error.maybe_done is False
    assert server.requests == []


# Outcomes of whole answers. tests/convai/test_answers.py has all of them.


@pytest.mark.parametrize(
    ("whole", "kind", "code"),
    [
        (answer(401, {"ERROR": f"Api key is invalid. {KEY}"}), ConvaiRefused, "convai_bad_key"),
        (answer(404, {"error": f"no such token: {TOKEN}"}), TokenGone, "token_gone"),
        (answer(403, TOKEN.encode()), TokenRejected, "token_rejected"),
        (answer(503, TOKEN.encode()), ConvaiUnavailable, "convai_unavailable"),
    ],
)
@pytest.mark.parametrize("verb", REPEATED)
def test_an_answer_that_repeats_key_or_token_shows_them_to_nobody(
    verb: str, whole: bytes, kind: type[Exception], code: str, serve: Serve
) -> None:
    server = serve(always(whole))

    error = outcome_of(verb, client_of(server.url))

    assert type(error) is kind
    assert error.code == code
    assert len(server.requests) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_retry_after_is_heard_whatever_its_case(verb: str, serve: Serve) -> None:
    server = serve(always(answer(429, b"", retry_after="17")))

    error = outcome_of(verb, client_of(server.url))

    assert (error.code, error.retry_after) == ("convai_rate_limited", 17.0)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_never_reaches_it(
    status: int, verb: str, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    other = serve(always(answer(200, GENERATED)))
    target = f"http://localhost:{other.port}{PATHS[verb]}"
    server = serve(always(answer(status, b"", Location=target)))

    error = outcome_of(verb, client_of(server.url))

    assert type(error) is ConvaiUnavailable
    assert len(server.requests) == 1
    assert (other.connections, other.requests) == (0, [])


@pytest.mark.parametrize("verb", VERBS)
def test_a_redirect_to_the_same_host_is_not_followed_either(verb: str, serve: Serve) -> None:
    server = serve(always(answer(307, b"", Location="/elsewhere")))

    error = outcome_of(verb, client_of(server.url))

    assert type(error) is ConvaiUnavailable
    assert len(server.requests) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_an_answer_of_64_kb_is_read_and_a_longer_one_is_not(verb: str, serve: Serve) -> None:
    body = json.dumps(GENERATED).encode()
    bodies = iter([body.ljust(MAX_BODY), body.ljust(MAX_BODY + 1)])
    server = serve(lambda server, connection: answer(200, next(bodies)))
    client = client_of(server.url)

    CALLS[verb](client)
    error = outcome_of(verb, client)

    assert type(error) is ConvaiUnavailable
    assert str(error) == "Convai's answer is over 64 kB."
    assert error.maybe_done is True


@pytest.mark.parametrize("verb", VERBS)
def test_an_answer_without_an_end_is_given_up_at_64_kb(verb: str, serve: Serve) -> None:
    def flood(server: Server, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.stopping.is_set():
            connection.sendall(b"x" * 4096)

    error = outcome_of(verb, client_of(serve(flood).url))

    assert str(error) == "Convai's answer is over 64 kB."


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x16\x03\x01\x00\x05hello", id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="SSH"),
        pytest.param(b"HTTP/1.1 abc OK\r\n\r\n", id="status of letters"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", id="200 headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", id="long header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", id="cut short"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="broken chunk"
        ),
    ],
)
def test_an_answer_that_is_no_http_is_unavailable_and_may_have_been_done(
    raw: bytes, serve: Serve
) -> None:
    def play(server: Server, connection: socket.socket) -> None:
        connection.sendall(raw)

    error = outcome_of("generate", client_of(serve(play).url))

    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is True


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(raw=st.binary(max_size=200), http=st.booleans(), verb=st.sampled_from(VERBS))
@example(raw=b"200 OK\r\nContent-Length: -1\r\n\r\n{}", http=True, verb="generate")
def test_any_bytes_on_the_wire_become_a_result_or_an_outcome(
    raw: bytes, http: bool, verb: str, serve: Serve
) -> None:
    def play(server: Server, connection: socket.socket) -> None:
        connection.sendall((b"HTTP/1.1 " if http else b"") + raw)

    server = serve(play)
    told = "a result"
    try:
        CALLS[verb](client_of(server.url), budget=LONG)
    except ConvaiTokensError as error:
        told = error.describe()
    server.stop()

    assert "CANARY" not in told
    assert 1 <= len(server.requests) <= 2


# Convai slow, or not there.

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n"


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(hang, id="hang"),
        pytest.param(drip(b""), id="drip from the first byte"),
        pytest.param(drip(HEAD + b"X-Slow: "), id="drip of headers"),
        pytest.param(drip(HEAD + b"\r\n"), id="drip of the body"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n\r\n"), id="drip of a body without an end"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_slow_convai_costs_no_more_than_the_budget(verb: str, play: Play, serve: Serve) -> None:
    server = serve(play)

    error = outcome_of(verb, client_of(server.url), budget=0.2)

    assert not server.finished
    assert type(error) is ConvaiUnavailable
    assert (error.code, error.maybe_done) == ("convai_timeout", True)


@pytest.mark.parametrize("verb", VERBS)
def test_a_call_that_was_given_up_ends_although_its_answer_still_drips(
    verb: str, serve: Serve
) -> None:
    server = serve(drip(HEAD + b"\r\n"))
    outcome_of(verb, client_of(server.url), budget=0.1)

    join_calls()

    assert not server.stopping.is_set()
    assert not server.finished


@pytest.mark.parametrize(
    "head", [pytest.param(b"", id="no answer"), pytest.param(HEAD + b"\r\n{", id="half an answer")]
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_silence_longer_than_the_read_timeout_ends_the_call(
    verb: str, head: bytes, serve: Serve
) -> None:
    def play(server: Server, connection: socket.socket) -> None:
        connection.sendall(head)
        hang(server, connection)

    error = outcome_of(verb, client_of(serve(play).url, read_timeout=0.1))

    assert type(error) is ConvaiUnavailable
    assert (error.code, error.maybe_done) == ("convai_timeout", True)


def test_the_timeouts_are_the_budget_unless_one_is_given(serve: Serve) -> None:
    client = client_of(serve(drip(HEAD + b"\r\n")).url, connect_timeout=0.1, read_timeout=0.1)

    assert outcome_of("generate", client, budget=None).code == "convai_timeout"


def test_a_slow_look_up_of_the_name_costs_no_more_than_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = threading.Event()

    def look_up(*args: Any, **kwargs: Any) -> Any:
        found.wait(LONG)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    error = outcome_of("generate", client_of("http://localhost:9"), budget=0.05)

    found.set()
    join_calls()
    assert error.code == "convai_timeout"


@pytest.mark.parametrize("verb", VERBS)
def test_no_call_is_made_when_no_time_is_left(verb: str, serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))
    client = client_of(server.url)

    error = outcome_of(verb, client, budget=-1.0)
    join_calls()
    # The thread of the call tells the same, even where its caller has not waited for it.
    told = client._transport.exchange("generate", None, time.monotonic() - 1, generated_token)

    assert isinstance(told, ConvaiUnavailable)
    assert (error.code, told.code, told.maybe_done) == ("convai_timeout", "convai_timeout", False)
    assert server.connections == 0


@pytest.mark.parametrize("verb", VERBS)
def test_a_refused_connection_means_that_nothing_was_done(verb: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    error = outcome_of(verb, client_of(f"http://127.0.0.1:{port}"))

    assert type(error) is ConvaiUnavailable
    assert (error.code, error.maybe_done) == ("convai_unavailable", False)


@pytest.mark.parametrize("verb", VERBS)
def test_a_connection_that_takes_too_long_means_that_nothing_was_done(verb: str) -> None:
    with responses.RequestsMock() as convai:
        convai.post(URL + PATHS[verb], body=requests.ConnectTimeout(f"{KEY} {TOKEN}"))

        error = outcome_of(verb, client_of(URL))

    assert type(error) is ConvaiUnavailable
    assert (error.code, error.maybe_done) == ("convai_timeout", False)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(RuntimeError(f"{KEY} {TOKEN}"), id="anything"),
        pytest.param(requests.ReadTimeout(f"{KEY} {TOKEN}"), id="read timeout"),
        pytest.param(requests.exceptions.ChunkedEncodingError(TOKEN), id="chunks"),
        pytest.param(urllib3.exceptions.ProtocolError(KEY, OSError(TOKEN)), id="urllib3"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_any_failure_underneath_is_unavailable_without_its_text(
    verb: str, failure: Exception
) -> None:
    with responses.RequestsMock() as convai:
        convai.post(URL + PATHS[verb], body=failure)

        error = outcome_of(verb, client_of(URL))

        assert len(convai.calls) == 1
    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is True


def test_an_exception_that_holds_itself_is_one_failure_more() -> None:
    failure = RuntimeError()
    failure.args = (failure,)
    with responses.RequestsMock() as convai:
        convai.post(URL + PATHS["generate"], body=failure)

        with pytest.raises(ConvaiUnavailable, match="Runtime Error"):
            client_of(URL).generate()


def test_a_process_that_can_start_no_thread_finds_convai_unavailable(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)))

    def no_more_threads(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more_threads)
        error = outcome_of("generate", client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is False


@pytest.mark.parametrize("hang_up", [pytest.param(reset, id="RST"), pytest.param(close, id="FIN")])
def test_generate_is_not_repeated_on_a_dropped_connection(hang_up: Play, serve: Serve) -> None:
    server = serve(hang_up)

    error = outcome_of("generate", client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_dropped", True)
    assert len(server.requests) == 1


@pytest.mark.parametrize("hang_up", [pytest.param(reset, id="RST"), pytest.param(close, id="FIN")])
@pytest.mark.parametrize("verb", REPEATED)
def test_extend_and_revoke_are_repeated_once_on_a_dropped_connection(
    verb: str, hang_up: Play, serve: Serve
) -> None:
    server = serve(hang_up)

    error = outcome_of(verb, client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_dropped", True)
    assert len(server.requests) == 2
    assert server.requests[0] == server.requests[1]


@pytest.mark.parametrize("verb", REPEATED)
def test_a_repeated_call_that_is_answered_is_a_success(verb: str, serve: Serve) -> None:
    def play(server: Server, connection: socket.socket) -> bytes | None:
        if len(server.requests) > 1:
            return answer(200, GENERATED)
        reset(server, connection)
        return None

    server = serve(play)

    client = client_of(server.url)

    CALLS[verb](client)

    assert len(server.requests) == 2
    assert (
        client.breaker._failures == client.revoking._failures == 0
    )  # a connection that had grown stale is no failure


def test_a_probe_that_meets_a_stale_connection_is_judged_by_its_second_try(serve: Serve) -> None:
    def play(server: Server, connection: socket.socket) -> bytes | None:
        if len(server.requests) > 1:
            return answer(200, {})
        reset(server, connection)
        return None

    client = client_of(serve(play).url)
    client.revoking.heard(
        ConvaiUnavailable("no", code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=0.001)
    )
    while client.revoking.pause_left:
        time.sleep(0.001)

    client.revoke(Secret(TOKEN))

    assert not client.revoking.is_open


def test_a_first_stale_connection_of_generate_is_no_failure_and_a_second_is(serve: Serve) -> None:
    client = client_of(serve(reset).url)

    for again in (False, True):
        with pytest.raises(ConvaiUnavailable) as caught, client.reserve() as left:
            client.generate(left, again=again)
        assert caught.value.code == "convai_dropped"
        assert client.breaker._failures == int(again)


def test_who_was_admitted_and_then_calls_nobody_is_no_probe(serve: Serve) -> None:
    client = client_of(serve(always(answer(200, GENERATED))).url)
    client.breaker.heard(
        ConvaiUnavailable("no", code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=0.001)
    )
    while client.breaker.pause_left:
        time.sleep(0.001)
    assert client.breaker.learners_pause()[1]
    client.breaker.heard("an answer to the background probe")

    with pytest.raises(RuntimeError), client.reserve():
        raise RuntimeError("the learner session has ended")

    with client.reserve() as left:
        client.generate(left)
    assert not client.breaker.is_open


@pytest.mark.parametrize("verb", REPEATED)
def test_no_other_failure_is_repeated(verb: str, serve: Serve) -> None:
    server = serve(always(answer(503)))

    outcome_of(verb, client_of(server.url))

    assert len(server.requests) == 1


def test_a_breaker_that_is_open_lets_no_revocation_through(serve: Serve) -> None:
    server = serve(always(answer(429, b"", Retry_After="100")))
    client = client_of(server.url)
    outcome_of("revoke", client)

    error = outcome_of("revoke", client)

    assert type(error) is ConvaiPaused
    assert error.retry_after == pytest.approx(100, abs=LONG)
    assert len(server.requests) == 1


def test_admission_is_for_as_many_callers_as_the_client_was_made_for() -> None:
    client = ConvaiClient(URL, connect_timeout=LONG, read_timeout=LONG, max_concurrent=1)
    refused: list[ConvaiTokensError] = []

    def enter() -> None:
        try:
            with client.reserve(budget=0.0):
                pass
        except ConvaiUnavailable as error:
            refused.append(error)

    with client.reserve():
        other = threading.Thread(target=enter)
        other.start()
        other.join(LONG)

    assert [error.code for error in refused] == ["convai_busy"]


def test_running_out_of_threads_is_no_failure_of_convais(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    server = serve(always(answer(200, GENERATED)))
    client = client_of(server.url)
    monkeypatch.setattr(client, "_threads", threading.BoundedSemaphore(1))
    client._threads.acquire()

    errors = [outcome_of("revoke", client) for _ in range(5)]

    assert {getattr(error, "code", "") for error in errors} == {"convai_busy"}
    assert not client.breaker.is_open


def test_there_are_threads_for_all_whom_max_concurrent_admits() -> None:
    client = ConvaiClient(URL, connect_timeout=LONG, read_timeout=LONG, max_concurrent=100)

    assert client._threads._value == 200  # type: ignore[attr-defined]


# One client, many calls.


def test_cookies_are_not_kept(serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED, Set_Cookie="sid=1; Path=/")))
    client = client_of(server.url)

    for verb in VERBS:
        CALLS[verb](client)

    assert len(server.requests) == 3
    assert not any(b"cookie" in request.lower() for request in server.requests)


def test_consecutive_calls_share_one_connection(serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))
    client = client_of(server.url)

    for verb in VERBS * 2:
        CALLS[verb](client)

    assert (server.connections, len(server.requests)) == (1, 6)


def test_an_answer_that_was_not_read_whole_leaves_nothing_for_the_next_call(serve: Serve) -> None:
    first = answer(200, b" " * MAX_BODY * 4 + json.dumps({"apiAuthToken": "another's"}).encode())
    answers = iter([first, answer(200, GENERATED)])
    server = serve(lambda server, connection: next(answers))
    client = client_of(server.url)
    outcome_of("generate", client)

    assert client.generate().value == TOKEN
    assert server.connections == 2


def test_threads_call_in_parallel_and_each_gets_its_own_token(serve: Serve) -> None:
    all_in = threading.Barrier(8)
    numbers = iter(range(8))
    lock = threading.Lock()

    def play(server: Server, connection: socket.socket) -> bytes:
        all_in.wait(LONG)  # answers nobody until eight requests are in flight
        with lock:
            return answer(200, {**GENERATED, "apiAuthToken": f"token {next(numbers)}"})

    client = client_of(serve(play).url)

    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(client.generate) for _ in range(8)]
        tokens = {str(call.result().value) for call in calls}

    assert tokens == {f"token {number}" for number in range(8)}


# The environment must not steer the key.


def test_proxies_of_the_environment_are_ignored(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(always(answer(200, GENERATED)))
    server = serve(always(answer(200, GENERATED)))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    requests.post(server.url, timeout=LONG)  # proves that the environment is one that steers
    assert (len(proxy.requests), len(server.requests)) == (1, 0)

    client_of(server.url).generate()

    assert (len(proxy.requests), len(server.requests)) == (1, 1)


def test_a_netrc_is_ignored(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = serve(always(answer(200, GENERATED)))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    requests.post(server.url, timeout=LONG)  # proves that the file is one that is used

    client_of(server.url).generate()

    used = [b"Authorization: Basic" in request for request in server.requests]
    assert used == [True, False]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a throw-away certificate for 127.0.0.1, with its private key, in one file."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False
        )
        .sign(private, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_authorities_of_the_environment_are_ignored(
    serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)), tls(certificate))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certificate))
    requests.post(server.url, timeout=LONG)  # proves that the bundle is one that is trusted
    assert len(server.requests) == 1

    error = outcome_of("generate", client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert str(error) == "No call was made to Convai: SSLError."
    assert error.maybe_done is False
    assert len(server.requests) == 1


def test_a_tls_connection_that_breaks_after_the_request_may_have_been_carried_out(
    serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(server: Server, connection: socket.socket) -> None:
        with socket.socket(fileno=connection.detach()) as below:
            below.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record that no key opens

    server = serve(play, tls(certificate))
    client = client_of(server.url)
    monkeypatch.setattr(client._transport._http, "verify", str(certificate))

    error = outcome_of("generate", client)

    assert len(server.requests) == 1
    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is True


# Logs.


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(always(answer(200, GENERATED)), id="success"),
        pytest.param(always(answer(401, {"ERROR": f"Api key is invalid: {KEY}"})), id="bad key"),
        pytest.param(always(answer(400, {"error": f"{TOKEN} {KEY}"})), id="rejected"),
        pytest.param(always(answer(503, f"{TOKEN} {KEY}".encode())), id="5xx"),
        pytest.param(always(answer(307, b"", Location=f"/{TOKEN}/{KEY}")), id="redirect"),
        pytest.param(always(f"{TOKEN} {KEY}\r\n\r\n".encode()), id="no HTTP"),
        pytest.param(
            always(f"HTTP/1.1 200 OK\r\n{TOKEN} {KEY}\r\nContent-Length: 0\r\n\r\n".encode()),
            id="broken headers",
        ),
        pytest.param(reset, id="RST"),
        pytest.param(hang, id="hang"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_no_logger_ever_shows_key_or_token(
    verb: str, play: Play, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(play)

    with suppress(ConvaiTokensError):
        CALLS[verb](client_of(server.url), budget=0.5)
    server.stop()
    join_calls()

    assert f"convai {verb} took" in caplog.text
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    assert "CANARY" not in caplog.text
    assert "CANARY" not in repr([vars(record) for record in caplog.records])


# This process's client.


def test_the_client_is_shared_while_the_settings_stay(convai_settings: ConvaiSettings) -> None:
    assert get_client() is get_client()


@pytest.mark.parametrize(
    "change",
    [
        {"BASE_URL": "http://127.0.0.1:10"},
        {"CONNECT_TIMEOUT": 1.25},
        {"READ_TIMEOUT": 1.25},
        {"MAX_CONCURRENT": 3},
    ],
)
def test_changed_settings_make_a_new_client(
    change: dict[str, Any], convai_settings: ConvaiSettings
) -> None:
    before = get_client()

    convai_settings(**change)

    assert get_client() is not before
    assert get_client() is get_client()


def test_the_shared_client_calls_the_base_url_of_the_settings(
    serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    convai_settings(BASE_URL=server.url)

    assert get_client().generate().value == TOKEN
    assert len(server.requests) == 1


FORKING = """
import os, signal, sys
import django
from django.conf import settings

settings.configure(
    CONVAI_TOKENS={"API_KEY": "a-key", "BASE_URL": sys.argv[1]},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "convai_tokens"],
)
django.setup()
from convai_tokens.convai import client

parents = client.get_client()
parents.revoke("from the parent")
with client._lock:  # as another thread of the parent may hold it
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        own = client.get_client()
        own.revoke("from the child")
        os._exit(0 if own is not parents else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert client.get_client() is parents
parents.revoke("from the parent again")
"""


def test_a_forked_child_has_a_client_and_connections_of_its_own(serve: Serve) -> None:
    server = serve(always(answer(200)))

    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, server.url],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )

    assert (finished.returncode, finished.stderr) == (0, "")
    tokens = [
        json.loads(each.partition(b"\r\n\r\n")[2])["apiAuthToken"] for each in server.requests
    ]
    assert tokens == ["from the parent", "from the child", "from the parent again"]
    assert server.connections == 2
