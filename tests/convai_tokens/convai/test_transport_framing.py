"""Where an answer ends: what comes after it is never read as the next learner's answer."""

from __future__ import annotations

import json
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

import pytest
from urllib3.util.wait import wait_for_read

from convai_tokens.exceptions import ConvaiUnavailable
from convai_tokens.secret import Secret
from tests.convai_tokens.convai.servers import (
    CALLS,
    GENERATED,
    LONG,
    REPEATED,
    TOKEN,
    VERBS,
    Play,
    Serve,
    Server,
    answer,
    client_of,
    closing,
    outcome_of,
)

ANOTHERS = answer(200, {**GENERATED, "apiAuthToken": "another-learners-token"})
OK = b"HTTP/1.1 200 OK\r\n"
BODY = json.dumps(GENERATED).encode()
HTTPS = pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])


def length(number: int) -> bytes:
    return b"Content-Length: %d\r\n" % number


CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
# What is answered to the first call, and whether that is a whole answer.
FIRST = [
    pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", False, id="101"),
    pytest.param(b"HTTP/1.1 102 Processing\r\n\r\n", False, id="102"),
    pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", False, id="103"),
    pytest.param(
        OK + length(len(BODY)) + length(len(BODY) + 9) + b"\r\n" + BODY, False, id="two lengths"
    ),
    pytest.param(OK + length(len(BODY)) + CHUNKED + b"\r\n" + CHUNKS, False, id="length, chunked"),
    pytest.param(OK + CHUNKED + length(9) + b"\r\n" + CHUNKS, False, id="chunked, length"),
    pytest.param(OK + CHUNKED * 2 + b"\r\n" + CHUNKS, False, id="chunked twice"),
    pytest.param(
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS, False, id="another coding"
    ),
    pytest.param(OK + b"Content-Length: +9\r\n\r\n" + BODY, False, id="a length with a sign"),
    pytest.param(OK + b"Content-Length: 1_0\r\n\r\n" + BODY, False, id="a length with a score"),
    pytest.param(OK + length(len(BODY)) + b"\r\n" + BODY + ANOTHERS, True, id="a second answer"),
    pytest.param(OK + length(len(BODY)) + b"\r\n" + BODY + b"\n", True, id="one byte more"),
    pytest.param(OK + CHUNKED + b"\r\n" + CHUNKS + ANOTHERS, True, id="more after the chunks"),
    pytest.param(
        OK + length(len(BODY)) + b"\r\n" + BODY + b"x" * 12_000 + ANOTHERS, True, id="12 kB more"
    ),
    pytest.param(
        # Of which the last bytes are read in one piece: what follows stays within TLS.
        OK + length(10_000) + b"\r\n" + BODY.ljust(10_000) + ANOTHERS,
        True,
        id="more after a long body",
    ),
    pytest.param(
        OK + length(len(BODY)) + b"Connection: close\r\n\r\n" + BODY, True, id="Connection: close"
    ),
    pytest.param(b"HTTP/1.0 200 OK\r\n" + length(len(BODY)) + b"\r\n" + BODY, True, id="HTTP/1.0"),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + length(len(BODY)) + b"\r\n" + BODY,
        True,
        id="HTTP/1.0, kept alive",
    ),
]


def spoilt_by(first: bytes) -> Play:
    """Answer the first call so, and a second one on that connection with another's token."""

    def play(server: Server, connection: socket.socket) -> bytes:
        if len(server.requests) == 1:
            return first
        return ANOTHERS if server.connections == 1 else answer(200, GENERATED)

    return play


@pytest.mark.parametrize(("first", "whole"), FIRST)
@HTTPS
def test_no_learner_gets_what_came_to_another_ones_call(
    secured: bool, first: bytes, whole: bool, serve: Serve, tls: ssl.SSLContext
) -> None:
    server = serve(spoilt_by(first), tls if secured else None)
    client = client_of(server.url)

    if whole:
        assert client.generate().value == Secret(TOKEN)
    else:
        error = outcome_of("generate", client)
        assert isinstance(error, ConvaiUnavailable)
        assert (error.code, error.maybe_done) == ("convai_unavailable", True)

    assert not any(connection.is_connected for connection in client._transport._idle)
    assert client.generate().value == Secret(TOKEN)
    assert server.connections == 2


@HTTPS
def test_an_answer_that_comes_when_nobody_has_asked_is_not_the_next_ones(
    secured: bool, serve: Serve, tls: ssl.SSLContext
) -> None:
    def play(server: Server, connection: socket.socket) -> bytes | None:
        if server.connections > 1:
            return answer(200, GENERATED)
        connection.sendall(answer(200, GENERATED))
        while not client._transport._idle:  # until the first call is over
            time.sleep(0.001)
        connection.sendall(ANOTHERS)
        sent.append(True)
        return b""

    sent: list[bool] = []
    server = serve(play, tls if secured else None)
    client = client_of(server.url)

    first = client.generate()
    while not sent:
        time.sleep(0.001)
    wait_for_read(client._transport._idle[0].sock, LONG)
    second = client.generate()

    assert (first.value, second.value, server.connections) == (Secret(TOKEN), Secret(TOKEN), 2)


def test_a_connection_whose_call_failed_is_not_used_again(serve: Serve) -> None:
    server = serve(spoilt_by(b"no HTTP at all\r\n\r\n"))
    client = client_of(server.url)
    outcome_of("generate", client)

    assert client.generate().value == Secret(TOKEN)
    assert server.connections == 2


def test_a_connection_whose_call_was_too_slow_is_not_used_again(serve: Serve) -> None:
    server = serve(spoilt_by(OK + length(len(BODY)) + b"\r\n"))
    client = client_of(server.url)
    assert outcome_of("generate", client, budget=0.1).code == "convai_timeout"

    assert client.generate().value == Secret(TOKEN)
    assert server.connections == 2


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, GENERATED), id="after a 100"),
        pytest.param(OK + length(len(BODY)) * 2 + b"\r\n" + BODY, id="the same length twice"),
        pytest.param(OK + CHUNKED + b"\r\n" + CHUNKS, id="chunks"),
        pytest.param(OK + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"A: b\r\n\r\n", id="trailers"),
        pytest.param(answer(429), id="an error without a body"),
    ],
)
@HTTPS
def test_a_connection_with_nothing_left_in_it_is_kept_alive(
    secured: bool, whole: bytes, serve: Serve, tls: ssl.SSLContext
) -> None:
    server = serve(lambda server, connection: whole, tls if secured else None)
    client = client_of(server.url)

    for _ in range(3):
        with suppress(ConvaiUnavailable):
            client.generate()

    assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(OK, id="after the status line"),
        pytest.param(OK + b"Server: x\r\n", id="within the headers"),
        pytest.param(OK + b"Content-Le", id="within a header"),
        pytest.param(OK + b"Content-Length: 0\r\n", id="before the end of the headers"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n", id="after the status line of a 204"),
        pytest.param(OK + b"Server: x\r\n\r\n", id="before a body of no known length"),
        pytest.param(OK + b"Content-Length: 20\r\n\r\n", id="before a body"),
        pytest.param(OK + b'Content-Length: 50\r\n\r\n{"STATUS": "SUCCESS"}', id="within a body"),
        pytest.param(OK + CHUNKED + b"\r\n", id="before a chunk"),
        pytest.param(OK + CHUNKED + b'\r\n15\r\n{"STATUS": "SUCCESS"}\r\n', id="before the end"),
    ],
)
@HTTPS
@pytest.mark.parametrize("verb", VERBS)
def test_an_answer_that_was_cut_short_confirms_nothing(
    verb: str, secured: bool, raw: bytes, serve: Serve, tls: ssl.SSLContext
) -> None:
    error = outcome_of(verb, client_of(serve(closing(raw), tls if secured else None).url))

    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is True


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="204"),
        pytest.param(OK + b"Content-Length: 0\r\n\r\n", id="no length"),
        pytest.param(OK + CHUNKED + b"\r\n0\r\n\r\n", id="no chunk"),
        pytest.param(OK + b'\r\n{"STATUS": "SUCCESS"}', id="a body that ends with the connection"),
    ],
)
@pytest.mark.parametrize("verb", REPEATED)
def test_an_empty_answer_that_says_so_is_a_yes(verb: str, raw: bytes, serve: Serve) -> None:
    result: Any = CALLS[verb](client_of(serve(closing(raw)).url))

    assert result
