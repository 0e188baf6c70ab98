"""HTTPS with a certificate that is made for one run."""

from __future__ import annotations

import socket
import ssl
import stat
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from convai_sandbox.certificate import write_certificate
from convai_sandbox.process import Sandbox


def test_https_is_served_with_a_certificate_that_can_be_trusted() -> None:
    with Sandbox(https=True) as sandbox:
        assert sandbox.url.startswith("https://127.0.0.1:")
        assert sandbox.certificate is not None
        certificate = Path(sandbox.certificate)
        trusted = ssl.create_default_context(cafile=certificate)
        health = f"https://localhost:{sandbox.port}/health"
        with urllib.request.urlopen(health, context=trusted) as response:
            assert response.status == 200
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(health)
        # Whoever stalls the handshake, or talks no TLS, must not stop the others.
        with socket.create_connection(("127.0.0.1", sandbox.port)) as silent:
            assert sandbox.live() == []
            silent.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sandbox.connect("unknown") == 401

    assert not certificate.exists()
    assert not certificate.parent.exists()


def test_the_certificate_is_good_for_a_day_and_its_key_for_nobody_else(tmp_path: Path) -> None:
    path, _ = write_certificate(tmp_path)

    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    life = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(hours=23) < life <= timedelta(days=1)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(found) for found in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_every_run_has_a_certificate_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    first, _ = write_certificate(tmp_path / "a")
    second, _ = write_certificate(tmp_path / "b")

    assert first.read_bytes() != second.read_bytes()
