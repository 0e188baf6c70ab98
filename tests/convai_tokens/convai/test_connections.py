"""How a connection comes about: each address gets its share, and a name is looked up once."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import certifi
import pytest

from convai_tokens.convai.connections import tls_context
from convai_tokens.exceptions import ConvaiUnavailable
from convai_tokens.secret import Secret
from tests.convai_tokens.convai.servers import (
    GENERATED,
    LONG,
    TOKEN,
    ConvaiSettings,
    Serve,
    always,
    answer,
    client_of,
    dead_address,
    outcome_of,
)

Addresses = list[tuple[Any, ...]]


def resolve_to(patch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> list[str]:
    """Let every name have these addresses; return the list of names that were looked up."""
    asked: list[str] = []

    def look_up(host: str, *args: Any, **kwargs: Any) -> Addresses:
        asked.append(host)
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, address) for address in addresses]

    patch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("dead", [1, 2, 3])
def test_dead_addresses_before_a_live_one_cost_no_token(
    dead: int, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)))
    with ExitStack() as all_dead:
        addresses = [all_dead.enter_context(dead_address()) for _ in range(dead)]
        resolve_to(monkeypatch, *addresses, ("127.0.0.1", server.port))
        client = client_of("http://localhost:80", connect_timeout=0.8)
        began = time.monotonic()

        assert client.generate().value == Secret(TOKEN)

        assert time.monotonic() - began < 0.8
        assert client.generate().value == Secret(TOKEN)
    assert server.connections == 1


def test_an_address_that_refuses_leaves_its_share_to_the_others(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refusing = taken.getsockname()
    resolve_to(monkeypatch, refusing, refusing, ("127.0.0.1", server.port))

    assert client_of("http://localhost:80").generate().value == Secret(TOKEN)


def test_dead_addresses_alone_cost_no_more_than_the_timeout_to_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with dead_address() as address:
        resolve_to(monkeypatch, address, address, address)
        began = time.monotonic()

        error = outcome_of("generate", client_of("http://localhost:80", connect_timeout=0.3))

    assert 0.25 < time.monotonic() - began < 2
    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_timeout", False)


def test_an_address_of_a_kind_that_this_machine_lacks_is_passed_over(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)))
    tcp = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    unknown = (socket.AF_APPLETALK, *tcp, ("127.0.0.1", server.port))
    known = (socket.AF_INET, *tcp, ("127.0.0.1", server.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [unknown, known])

    assert client_of("http://localhost:80").generate().value == Secret(TOKEN)


def test_a_name_is_looked_up_for_a_new_connection_alone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)))
    asked = resolve_to(monkeypatch, ("127.0.0.1", server.port))
    client = client_of("http://localhost:80")

    for _ in range(3):
        client.generate()

    assert asked == ["localhost"]


def test_a_name_that_does_not_exist_means_that_nothing_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look_up(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    error = outcome_of("generate", client_of("https://api.convai.com"))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_unavailable", False)


def test_a_certificate_for_another_host_is_not_accepted(
    serve: Serve, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)), tls)  # whose certificate is for 127.0.0.1
    resolve_to(monkeypatch, ("127.0.0.1", server.port))

    error = outcome_of("generate", client_of("https://api.convai.com"))

    assert isinstance(error, ConvaiUnavailable)
    assert str(error) == "No call was made to Convai: SSLCert Verification Error."
    assert error.maybe_done is False
    assert server.requests == []


def test_a_port_that_speaks_no_tls_gets_no_call() -> None:
    def greet() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"220 Welcome\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        greeting = threading.Thread(target=greet)
        greeting.start()
        error = outcome_of("generate", client_of(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        greeting.join(LONG)

    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is False


def test_a_bundle_that_is_missing_means_that_nobody_is_called(
    serve: Serve, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve(always(answer(200, GENERATED)), tls)
    monkeypatch.setattr(certifi, "where", lambda: str(tmp_path / "missing.pem"))

    error = outcome_of("generate", client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is False
    assert server.connections == 0


def test_tls_is_checked_as_it_is_by_default() -> None:
    context, default = tls_context(), ssl.create_default_context()

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.verify_flags == default.verify_flags
    assert context.options == default.options
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats()["x509_ca"] > 50


def test_a_vault_is_asked_in_a_thread_and_a_plain_key_is_read_without_one(
    serve: Serve, convai_settings: ConvaiSettings
) -> None:
    threads: list[str] = []

    def vault() -> str:
        threads.append(threading.current_thread().name)
        return "a-key"

    client = client_of(serve(always(answer(200, GENERATED))).url)
    client.generate()
    convai_settings(API_KEY=vault)
    client.generate()

    assert threads == ["convai-api-key"]
