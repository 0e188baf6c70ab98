"""The way through a corporate proxy, and a network's own authorities."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from convai_sandbox.process import Sandbox
from convai_tokens.convai.client import ConvaiClient, get_client
from convai_tokens.convai.proxy import Proxy as Way
from convai_tokens.exceptions import ConvaiUnavailable, ErrorCode
from convai_tokens.secret import Secret
from tests.convai_tokens.convai.proxies import Answer, Proxy, drip, hang, saying
from tests.convai_tokens.convai.servers import KEY, LONG, ConvaiSettings, outcome_of

Start = Callable[..., Proxy]


@pytest.fixture(scope="module")
def https_sandbox() -> Iterator[Sandbox]:
    with Sandbox(https=True) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(https_sandbox: Sandbox) -> Sandbox:
    """The sandbox with HTTPS, whose certificate nobody trusts by himself."""
    https_sandbox.reset()
    return https_sandbox


@pytest.fixture
def start() -> Iterator[Start]:
    proxies: list[Proxy] = []

    def make(answer: Answer | None = None) -> Proxy:
        proxies.append(Proxy(answer))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.stop()


def client_by(proxy: Proxy | str, sandbox: Sandbox, connect_timeout: float = LONG) -> ConvaiClient:
    way = Secret(proxy if isinstance(proxy, str) else proxy.url)
    url, bundle = sandbox.url, sandbox.certificate or ""
    return ConvaiClient(url, connect_timeout, LONG, proxy=way, ca_bundle=bundle)


def test_all_verbs_go_through_one_tunnel_that_shows_the_proxy_neither_key_nor_token(
    sandbox: Sandbox, start: Start
) -> None:
    proxy = start()
    client = client_by(proxy, sandbox)

    value = client.generate().value
    client.extend(value)
    client.revoke(value)

    assert sandbox.summary()["revoked"] == 1
    (head,) = proxy.heads
    target = f"127.0.0.1:{sandbox.port}".encode()
    assert head == b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, target)
    assert len(proxy.seen) > 1000
    for secret in (KEY, value.reveal(), "/user/"):
        assert secret.encode() not in proxy.seen


def test_a_user_and_a_password_are_sent_to_the_proxy_and_shown_to_nobody(
    sandbox: Sandbox, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy = start()
    way = f"http://lms:p%40ss%3Aword@127.0.0.1:{proxy.port}"
    client = client_by(way, sandbox)

    client.generate()

    # "lms:p@ss:word" in base64
    assert b"\r\nProxy-Authorization: Basic bG1zOnBAc3M6d29yZA==\r\n" in proxy.heads[0]
    shown = repr((Way.of(Secret(way)), vars(client), vars(client._transport))) + caplog.text
    assert not any(word in shown for word in ("p%40ss", "p@ss", "bG1z"))


def test_the_proxy_looks_up_the_name_of_convai(
    sandbox: Sandbox, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = start()
    looked_up: list[Any] = []
    look_up = socket.getaddrinfo

    def noted(host: Any, *args: Any, **kwargs: Any) -> Any:
        looked_up.append(host)
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    way = f"http://localhost:{proxy.port}"
    client = ConvaiClient(f"https://convai.invalid:{sandbox.port}", LONG, LONG, proxy=way)

    outcome_of("generate", client)  # for its certificate is for another name

    assert looked_up[0] == "localhost"
    assert "convai.invalid" not in looked_up
    assert proxy.heads[0].startswith(b"CONNECT convai.invalid:")
    assert KEY.encode() not in proxy.seen


@pytest.mark.parametrize(
    ("whole", "told"),
    [
        (b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n", "answered 407"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n<h1>CANARY-PAGE</h1>", "answered 403"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "answered 502"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x\r\n\r\n", "answered 302"),
        (b"220 a mail server\r\n\r\n", "answered no HTTP"),
        (b"HTTP/1.1 two hundred\r\n\r\n", "answered no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9000, "broke off"),
        (b"HTTP/1.1 200 OK\r\n", "broke off"),
        (b"", "broke off"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("verb", ["generate", "revoke"])
def test_a_proxy_that_makes_no_tunnel_is_told_apart_from_convai(
    sandbox: Sandbox, start: Start, whole: bytes, told: str, verb: str
) -> None:
    outcome = outcome_of(verb, client_by(start(saying(whole)), sandbox))

    assert type(outcome) is ConvaiUnavailable
    assert outcome.code == ErrorCode.CONVAI_UNAVAILABLE
    assert outcome.maybe_done is False  # nothing was sent to Convai
    assert f"The proxy {told}" in str(outcome)


@pytest.mark.parametrize("answer", [hang, drip], ids=["hangs", "drips"])
def test_a_proxy_that_is_slow_has_the_time_to_connect_and_no_more(
    sandbox: Sandbox, start: Start, answer: Answer
) -> None:
    proxy = start(answer)

    outcome = outcome_of("generate", client_by(proxy, sandbox, connect_timeout=0.3))

    assert outcome.code == ErrorCode.CONVAI_TIMEOUT
    assert outcome.maybe_done is False
    assert not proxy.stopping.is_set()


def test_a_proxy_that_nobody_listens_at_is_an_outcome(sandbox: Sandbox, start: Start) -> None:
    gone = start()
    gone.stop()

    assert outcome_of("generate", client_by(gone, sandbox)).maybe_done is False


def test_bytes_after_the_proxys_headers_belong_to_the_tunnel() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\nof the tunnel")

        Way("proxy", 1, Secret()).open_tunnel(ours, "convai", 443, by=time.monotonic() + LONG)

        assert ours.recv(100) == b"of the tunnel"


def test_an_address_of_ipv6_is_in_brackets() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

        Way("proxy", 1, Secret()).open_tunnel(ours, "::1", 443, by=time.monotonic() + LONG)

        assert theirs.recv(100).startswith(b"CONNECT [::1]:443 HTTP/1.1\r\n")


def test_a_certificate_that_the_networks_authorities_do_not_vouch_for_is_refused(
    sandbox: Sandbox, start: Start, certificate: Path
) -> None:
    for bundle in ("", str(certificate)):
        way = start().url
        client = ConvaiClient(sandbox.url, LONG, LONG, proxy=way, ca_bundle=bundle)
        assert outcome_of("generate", client).maybe_done is False

    assert sandbox.summary()["generated"] == 0


# The settings


def test_the_settings_lead_a_login_through_the_proxy(
    sandbox: Sandbox, start: Start, learner: Any, log_in: Any, convai_settings: ConvaiSettings
) -> None:
    proxy = start()
    convai_settings(
        BASE_URL=sandbox.url, PROXY=Secret(proxy.url), CA_BUNDLE=sandbox.certificate or ""
    )

    token = log_in().json()["convai"]["apiAuthToken"]

    assert sandbox.live() == [token]
    assert len(proxy.heads) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"PROXY": "http://127.0.0.1:3128"},  # while BASE_URL is plain http
        {"PROXY": "https://proxy.example.org:3128"},
        {"PROXY": "http://proxy.example.org"},
        {"PROXY": "proxy.example.org:3128"},
        {"PROXY": "http://proxy:3128/path"},
        {"PROXY": "http://proxy:3128\r\nX: y"},
        {"PROXY": "http://proxy:99999"},
        {"PROXY": "http://CANARY:secret@proxy"},
        {"PROXY": None},
        {"CA_BUNDLE": "/no/such/file.pem"},
        {"CA_BUNDLE": __file__},
        {"CA_BUNDLE": None},
        {"CA_BUNDLE": b"bytes"},
    ],
    ids=str,
)
def test_what_they_must_never_be_is_refused_where_it_is_used(
    convai: Sandbox,
    learner: Any,
    log_in: Any,
    convai_settings: ConvaiSettings,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, Any],
) -> None:
    convai_settings(**changes)

    with pytest.raises(ImproperlyConfigured, match=next(iter(changes))):
        get_client()
    login = log_in(client=Client())

    assert login.status_code == 200
    assert login.json()["convai"]["error"]["code"] == "convai_misconfigured"
    assert convai.summary()["calls"] == {}
    assert "CANARY" not in caplog.text
