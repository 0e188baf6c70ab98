"""Whatever Convai, its name server or a vault does: the caller is back at its deadline."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from convai_tokens.convai.answers import generated_token
from convai_tokens.exceptions import ConvaiUnavailable
from tests.convai_tokens.convai.servers import (
    GENERATED,
    HEAD,
    KEY,
    LONG,
    VERBS,
    ConvaiSettings,
    Play,
    Serve,
    Server,
    always,
    answer,
    client_of,
    drip,
    hang,
    join_calls,
    outcome_of,
)


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


@pytest.mark.parametrize(
    ("verb", "play"),
    [
        pytest.param("generate", hang, id="hang of generate"),
        pytest.param("extend", hang, id="hang of extend"),
        pytest.param("revoke", hang, id="hang of revoke"),
        pytest.param("generate", drip(b""), id="drip from the first byte"),
        pytest.param("revoke", drip(HEAD + b"X-Slow: "), id="drip of headers"),
        pytest.param("generate", drip(HEAD + b"\r\n"), id="drip of the body"),
        pytest.param("extend", drip(b"HTTP/1.1 200 OK\r\n\r\n"), id="drip of an endless body"),
    ],
)
def test_a_slow_convai_costs_no_more_than_the_budget(verb: str, play: Play, serve: Serve) -> None:
    server = serve(play)

    error = outcome_of(verb, client_of(server.url), budget=0.2)

    assert not server.finished
    assert type(error) is ConvaiUnavailable
    assert (error.code, error.maybe_done) == ("convai_timeout", True)


def test_a_call_that_was_given_up_ends_although_its_answer_still_drips(serve: Serve) -> None:
    server = serve(drip(HEAD + b"\r\n"))
    outcome_of("generate", client_of(server.url), budget=0.1)

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
