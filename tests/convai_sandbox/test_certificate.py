"""HTTPS with a certificate that is made for one run."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from pathlib import Path

import pytest

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
