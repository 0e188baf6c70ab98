"""Connections: kept alive and shared, and steered by nothing in the environment."""

from __future__ import annotations

import gc
import json
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from urllib3.util.ssl_ import create_urllib3_context

from convai_tokens.convai import transport
from convai_tokens.convai.transport import MAX_BODY
from convai_tokens.exceptions import ConvaiUnavailable
from convai_tokens.secret import Secret
from tests.convai_tokens.convai.servers import (
    CALLS,
    GENERATED,
    LONG,
    TOKEN,
    VERBS,
    Serve,
    Server,
    always,
    answer,
    client_of,
    outcome_of,
    server_tls,
)


def test_cookies_are_not_kept(serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED, Set_Cookie="sid=1; Path=/")))
    client = client_of(server.url)

    for verb in VERBS:
        CALLS[verb](client)

    assert len(server.requests) == 3
    assert not any(b"cookie" in request.lower() for request in server.requests)


@pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
def test_consecutive_calls_share_one_connection(
    secured: bool, serve: Serve, tls: ssl.SSLContext
) -> None:
    server = serve(always(answer(200, GENERATED)), tls if secured else None)
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

    assert client.generate().value == Secret(TOKEN)
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
        tokens = {call.result().value.reveal() for call in calls}

    assert tokens == {f"token {number}" for number in range(8)}


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


def test_authorities_of_the_environment_are_ignored(
    serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)), server_tls(certificate))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certificate))
    requests.post(server.url, timeout=LONG)  # proves that the bundle is one that is trusted
    assert len(server.requests) == 1

    error = outcome_of("generate", client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert str(error) == "No call was made to Convai: SSLCert Verification Error."
    assert error.maybe_done is False
    assert len(server.requests) == 1


def test_a_tls_connection_that_breaks_after_the_request_may_have_been_carried_out(
    serve: Serve, tls: ssl.SSLContext
) -> None:
    def play(server: Server, connection: socket.socket) -> None:
        with socket.socket(fileno=connection.detach()) as below:
            below.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record that no key opens

    server = serve(play, tls)

    error = outcome_of("generate", client_of(server.url))

    assert len(server.requests) == 1
    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is True


def test_the_keys_of_a_tls_connection_are_written_to_no_file(
    serve: Serve, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key_log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(key_log))
    server = serve(always(answer(200, GENERATED)), tls)
    assert create_urllib3_context().keylog_filename == str(key_log)  # proves that it is honoured
    key_log.unlink()

    client_of(server.url).generate()

    assert len(server.requests) == 1
    assert not key_log.exists()


def test_connections_that_nobody_uses_any_more_are_closed_with_their_client(serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))
    client = client_of(server.url)
    client.generate()
    (connection,) = client._transport._idle

    del client
    gc.collect()

    assert connection.is_closed


def test_no_more_connections_are_kept_than_the_pool_takes(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "POOL_SIZE", 1)
    both_in = threading.Barrier(2)

    def play(server: Server, connection: socket.socket) -> bytes:
        both_in.wait(LONG)
        return answer(200, GENERATED)

    client = client_of(serve(play).url)

    with ThreadPoolExecutor(2) as threads:
        for call in [threads.submit(client.generate) for _ in range(2)]:
            assert call.result().value == Secret(TOKEN)

    assert len(client._transport._idle) == 1


def test_a_base_url_may_have_a_path_and_a_user(serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))

    client_of(f"http://somebody@127.0.0.1:{server.port}/gateway/").generate()

    (request,) = server.requests
    assert request.startswith(b"POST /gateway/user/connect HTTP/1.1\r\n")
    assert b"Host: 127.0.0.1:%d\r\n" % server.port in request
    assert b"somebody" not in request
