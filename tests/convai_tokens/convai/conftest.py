"""What the tests of the client share."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from convai_tokens.convai.breaker import Breaker
from tests.convai_tokens.convai.breakers import Clock
from tests.convai_tokens.convai.servers import Play, Serve, Server, join_calls, server_tls
from tests.convai_tokens.convai.vendor_answers import NOW


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("learners' tokens", clock=clock)


@pytest.fixture
def at_two_o_clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


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


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return a server's TLS, with a certificate that the client trusts."""
    monkeypatch.setattr(certifi, "where", lambda: str(certificate))
    return server_tls(certificate)
