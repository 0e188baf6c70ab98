"""Requests as they come over the wire, good and bad."""

from __future__ import annotations

import pytest

from convai_sandbox.parsing import Headers
from convai_sandbox.process import Sandbox

from .calls import talk


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 65536 + b"\r\n\r\n", b"431"),
        (b"BREW / HTTP/1.1\r\n\r\n", b"501"),
        (b"POST /user/connect HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST /user/connect HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /user/connect HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", b"413"),
        (b"GET /health HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", b"200"),
    ],
)
def test_a_request_gets_its_status_and_the_connection_is_closed(
    convai_sandbox: Sandbox, request_: bytes, status: bytes
) -> None:
    received = talk(convai_sandbox.port, request_)

    assert received.split(b" ", 2)[:2] == [b"HTTP/1.1", status]


def test_a_client_that_asks_first_is_told_to_go_on(convai_sandbox: Sandbox) -> None:
    received = talk(
        convai_sandbox.port,
        b"POST /user/connect HTTP/1.1\r\nCONVAI-API-KEY: k\r\nConnection: close\r\n"
        b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        b"{}",
    )

    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_a_header_is_found_in_any_case_and_its_first_value_counts(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(accepted_keys="good")

    received = talk(
        convai_sandbox.port,
        b"POST /user/connect HTTP/1.1\r\nconvai-api-KEY:  good \r\nCONVAI-API-KEY: bad\r\n"
        b"connection: close\r\n\r\n",
    )

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_headers_that_are_not_there_are_empty() -> None:
    headers = Headers(host="sandbox")

    assert (headers.get("HOST"), headers.get("Expect"), headers.get("X", "y")) == (
        "sandbox",
        "",
        "y",
    )
