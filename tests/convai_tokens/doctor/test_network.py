"""The steps on the way to Convai: reached, trusted, on time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from convai_sandbox.process import Sandbox
from convai_tokens.convai.connections import Connection
from convai_tokens.doctor import network
from convai_tokens.doctor.step import (
    Finding,
    Status,
)
from tests.convai_tokens.convai.proxies import Answer, Proxy, saying
from tests.convai_tokens.doctor.findings import (
    FAILED,
    OK,
    SKIPPED,
    WARNING,
    ConvaiSettings,
    names_a_remedy,
)


@pytest.mark.usefixtures("convai")
def test_a_convai_that_listens_is_reached() -> None:
    assert network.network().status is OK


def test_a_port_on_which_nobody_listens_is_named(
    convai_settings: ConvaiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    convai_settings(BASE_URL="http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://someone:secret@proxy.example.org")

    finding = network.network()

    assert finding.status is FAILED
    assert "Port 9 of 127.0.0.1 refuses" in finding.detail
    assert "only the setting PROXY counts" in finding.cause
    assert "secret" not in repr(finding)


def test_a_name_that_is_not_resolved_is_named(convai_settings: ConvaiSettings) -> None:
    convai_settings(BASE_URL="https://convai.invalid")

    finding = network.network()

    assert finding.status is FAILED
    assert "convai.invalid is not resolved" in finding.detail
    assert finding.fix == "Try: getent hosts convai.invalid"


def test_a_resolver_that_hangs_is_not_waited_for(
    convai_settings: ConvaiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    convai_settings(CONNECT_TIMEOUT=0.1)
    let_go, ended = threading.Event(), threading.Event()

    def hang(*args: Any) -> Any:
        let_go.wait(20)
        ended.set()
        raise OSError

    monkeypatch.setattr(socket, "create_connection", hang)

    finding = network.network()

    assert not ended.is_set()
    let_go.set()
    assert finding.status is FAILED
    assert "TimeoutError" in finding.detail


@pytest.mark.usefixtures("convai")
def test_plain_http_on_loopback_has_no_certificate() -> None:
    finding = network.tls()

    assert finding.status is SKIPPED
    assert "plain http on loopback" in finding.detail


def test_a_certificate_that_ends_soon_is_a_warning_and_else_ok(
    trusted: Sandbox, convai_settings: ConvaiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    convai_settings(BASE_URL=trusted.url)  # its certificate is good for one day
    soon = network.tls()
    monkeypatch.setattr(network, "CERTIFICATE_ENDS", timedelta(hours=1))

    finding = network.tls()

    assert (soon.status, finding.status) == (WARNING, OK)
    assert names_a_remedy(soon)
    assert finding.detail == "TLSv1.3, the certificate is valid for 0 more days."


def test_a_certificate_that_nobody_vouches_for_says_whose_trust_counts(
    https_sandbox: Sandbox, convai_settings: ConvaiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", https_sandbox.certificate or "")
    convai_settings(BASE_URL=https_sandbox.url)

    finding = network.tls()

    assert finding.status is FAILED
    assert "self-signed certificate" in finding.detail
    assert "sandbox" in finding.cause
    assert "certifi" in finding.fix


def test_a_certificate_for_another_address_is_told_apart(
    trusted: Sandbox, convai_settings: ConvaiSettings
) -> None:
    convai_settings(BASE_URL=f"https://127.0.0.2:{trusted.port}")

    finding = _tls_by_way_of(trusted)

    assert finding.status is FAILED
    assert "for another address" in finding.detail


def _tls_by_way_of(sandbox: Sandbox) -> Finding:
    """Run the step with every connection going to the sandbox, whatever the address."""
    address = socket.getaddrinfo("127.0.0.1", sandbox.port, type=socket.SOCK_STREAM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: address)
        return network.tls()


def test_a_port_that_does_not_speak_tls_is_named(
    convai: Sandbox, convai_settings: ConvaiSettings
) -> None:
    convai_settings(BASE_URL=f"https://127.0.0.1:{convai.port}")

    finding = network.tls()

    assert finding.status is FAILED
    assert "No TLS connection" in finding.detail
    assert names_a_remedy(finding)


@pytest.mark.parametrize(
    ("offset", "status"),
    [(0, OK), (-20, OK), (90, WARNING), (-90, WARNING), (900, FAILED), (-900, FAILED)],
)
def test_the_clocks_are_compared(offset: int, status: Status, convai: Sandbox) -> None:
    convai.set(clock_offset=offset)

    finding = network.clock()

    assert finding.status is status
    assert ("ahead of" in finding.detail) == (offset > 30)
    assert ("behind" in finding.detail) == (offset < -30)
    assert names_a_remedy(finding) == (status is not OK)


def test_the_clock_is_asked_without_the_key_and_without_following_anybody(
    convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Any, ...]] = []
    request = Connection.request

    def spy(self: Connection, *args: Any, **kwargs: Any) -> None:
        sent.append((*args, kwargs))
        request(self, *args, **kwargs)

    monkeypatch.setattr(Connection, "request", spy)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    finding = network.clock()

    assert finding.status is OK
    assert sent == [("HEAD", "/", {})]


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_an_answer_without_a_date_is_a_warning(
    date: str | None, convai: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_within", lambda seconds, call: date)

    finding = network.clock()

    assert finding.status is WARNING
    assert names_a_remedy(finding)


@pytest.fixture
def proxies() -> Iterator[Callable[..., Proxy]]:
    started: list[Proxy] = []

    def start(answer: Answer | None = None) -> Proxy:
        started.append(Proxy(answer))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


def test_the_way_through_a_proxy_is_walked_and_its_password_never_told(
    https_sandbox: Sandbox, convai_settings: ConvaiSettings, proxies: Callable[..., Proxy]
) -> None:
    proxy = proxies()
    convai_settings(
        BASE_URL=https_sandbox.url,
        PROXY=f"http://lms:CANARY@127.0.0.1:{proxy.port}",
        CA_BUNDLE=https_sandbox.certificate,
    )

    found = [network.network(), network.tls(), network.clock()]

    assert [finding.status for finding in found] == [OK, WARNING, OK]  # it ends within a week
    assert found[0].detail == f"Port {proxy.port} of 127.0.0.1 answers, the proxy to Convai."
    assert f"the authorities in {https_sandbox.certificate}" in found[1].detail
    assert len(proxy.heads) == 2
    assert "CANARY" not in repr(found)


def test_a_proxy_that_lets_nobody_through_is_told(
    https_sandbox: Sandbox, convai_settings: ConvaiSettings, proxies: Callable[..., Proxy]
) -> None:
    proxy = proxies(saying(b"HTTP/1.1 407 No\r\n\r\n"))
    convai_settings(BASE_URL=https_sandbox.url, PROXY=proxy.url)

    finding = network.tls()

    assert finding.status is FAILED
    assert finding.detail == "The proxy answered 407."
    assert "user and password" in finding.cause
    assert names_a_remedy(finding)


def test_a_proxy_whose_name_is_not_resolved_is_named(convai_settings: ConvaiSettings) -> None:
    convai_settings(BASE_URL="https://convai.invalid", PROXY="http://proxy.invalid:3128")

    finding = network.network()

    assert "proxy.invalid is not resolved" in finding.detail
    assert "PROXY" in finding.cause
