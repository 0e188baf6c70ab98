"""Whatever Convai, its name server or a vault does: the caller is back at its deadline."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any

import pytest

from convai_tokens.exceptions import ConvaiUnavailable
from convai_tokens.secret import Secret
from tests.convai_tokens.convai.servers import (
    GENERATED,
    HEAD,
    KEY,
    LONG,
    TOKEN,
    VERBS,
    ConvaiSettings,
    Play,
    Serve,
    Server,
    always,
    answer,
    client_of,
    dead_address,
    drip,
    hang,
    join_calls,
    outcome_of,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


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
    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_timeout", False)
    assert server.connections == 0


@pytest.mark.parametrize(
    ("verb", "play"),
    [
        pytest.param("generate", hang, id="hang of generate"),
        pytest.param("extend", hang, id="hang of extend"),
        pytest.param("revoke", hang, id="hang of revoke"),
        pytest.param("generate", drip(b""), id="drip from the first byte"),
        pytest.param("extend", drip(b"HTTP/1.1 20"), id="drip of the status line"),
        pytest.param("revoke", drip(HEAD + b"X-Slow: "), id="drip of headers"),
        pytest.param("generate", drip(HEAD, b"X-Slow: 1\r\n"), id="drip of whole headers"),
        pytest.param("revoke", drip(CHUNKED, b"1"), id="drip of a chunk's size"),
        pytest.param("generate", drip(CHUNKED, b"1\r\nx\r\n"), id="drip of chunks"),
        pytest.param("extend", drip(CHUNKED + b"0\r\n", b"A: b\r\n"), id="endless trailers"),
        pytest.param("generate", drip(b"", CONTINUE), id="endless 100s"),
        pytest.param("revoke", drip(CONTINUE[:-2], b"A: b\r\n"), id="endless headers of a 100"),
        pytest.param("generate", drip(HEAD + b"\r\n"), id="drip of the body"),
        pytest.param("extend", drip(b"HTTP/1.1 200 OK\r\n\r\n"), id="drip of an endless body"),
    ],
)
@pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
def test_a_slow_convai_costs_no_more_than_the_budget_and_then_its_connection_is_closed(
    verb: str, play: Play, secured: bool, serve: Serve, tls: ssl.SSLContext
) -> None:
    server = serve(play, tls if secured else None)
    threads = threading.active_count()
    client = client_of(server.url)
    began = time.monotonic()

    error = outcome_of(verb, client, budget=0.2)

    assert time.monotonic() - began < LONG / 6
    assert type(error) is ConvaiUnavailable
    # A hundred headers are enough for http.client.
    assert error.code in ("convai_timeout", "convai_unavailable")
    assert error.maybe_done is True
    assert not client._transport._idle
    if play is not hang:
        while threading.active_count() > threads:  # until the server has seen that nobody reads
            assert time.monotonic() - began < LONG / 2
            time.sleep(0.01)
    assert not server.finished


def test_calls_that_were_given_up_take_no_place_from_the_next(serve: Serve) -> None:
    slow, mended = drip(HEAD + b"X-Slow: "), threading.Event()
    server = serve(
        lambda server, connection: (
            answer(200, GENERATED) if mended.is_set() else slow(server, connection)
        )
    )
    client = client_of(server.url)
    for _ in range(80):
        assert outcome_of("generate", client, budget=0.01).code == "convai_timeout"
    mended.set()

    assert client.generate().value == Secret(TOKEN)


def test_a_handshake_that_never_comes_costs_no_more_than_the_timeout_to_connect(
    serve: Serve, tls: ssl.SSLContext
) -> None:
    server = serve(hang)  # which speaks no TLS

    client = client_of(f"https://127.0.0.1:{server.port}", connect_timeout=0.1)
    error = outcome_of("generate", client)

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_timeout", False)


def test_a_connection_that_never_comes_about_costs_no_more_than_the_timeout_to_connect() -> None:
    with dead_address() as (host, port):
        error = outcome_of("generate", client_of(f"http://{host}:{port}", connect_timeout=0.1))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_timeout", False)


def test_nobody_who_calls_an_address_with_a_plain_key_needs_a_thread(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)))
    client = client_of(server.url)
    monkeypatch.setattr(client._transport, "_threads", threading.Semaphore(0))

    assert client.generate().value == Secret(TOKEN)


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
    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_timeout", False)


@pytest.mark.parametrize("verb", VERBS)
def test_no_call_is_made_when_no_time_is_left(verb: str, serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))
    client = client_of(server.url)

    error = outcome_of(verb, client, budget=-1.0)

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_timeout", False)
    assert server.connections == 0
