"""The sandbox as an HTTP server: connections, bad requests, browsers, load."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from convai_sandbox import server
from convai_sandbox.process import Sandbox
from convai_sandbox.switches import Switches

from .calls import KEY, call


def talk(port: int, *parts: bytes) -> bytes:
    """Send ``parts`` over one connection, and return all that comes until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_one_connection_serves_many_calls(convai_sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", convai_sandbox.port, timeout=10)
    ports = set()
    for _ in range(3):
        connection.request("POST", "/user/connect", b"{}", {"CONVAI-API-KEY": KEY})
        response = connection.getresponse()
        response.read()
        ports.add(connection.sock.getsockname()[1])
    connection.close()

    assert len(ports) == 1
    assert convai_sandbox.summary()["generated"] == 3


def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE", 0.05)
    with server.SandboxServer(0, Switches()) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.05,)).start()

        answer = talk(serving.server_address[1], b"GET /health HTTP/1.1\r\n\r\n")
        serving.shutdown()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close" not in answer


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


def test_a_body_that_ends_early_is_not_acted_upon(convai_sandbox: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", convai_sandbox.port), timeout=10) as connection:
        connection.sendall(
            b"POST /user/connect HTTP/1.1\r\nCONVAI-API-KEY: k\r\nContent-Length: 20\r\n\r\n{"
        )
        connection.shutdown(socket.SHUT_WR)
        received = connection.recv(1000)

    assert received == b""
    assert convai_sandbox.summary()["generated"] == 0


def test_the_vendors_endpoints_take_post_only(convai_sandbox: Sandbox) -> None:
    answers = {
        method: convai_sandbox.call(method, "/user/connect")
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
    }

    assert {status for status, _ in answers.values()} == {405}
    assert answers["HEAD"][1] == b""
    assert convai_sandbox.summary()["calls"] == {"/user/connect": 6}


def test_a_browser_may_connect_from_any_origin(convai_sandbox: Sandbox) -> None:
    token = call(convai_sandbox, "generate").json["apiAuthToken"]
    connection = http.client.HTTPConnection("127.0.0.1", convai_sandbox.port, timeout=10)
    headers = []
    for method in ("OPTIONS", "POST"):
        connection.request(method, "/connect", b"", {"X-API-Key": token})
        response = connection.getresponse()
        response.read()
        headers.append(response.headers)
    connection.close()

    assert [found["Access-Control-Allow-Origin"] for found in headers] == ["*", "*"]
    assert "X-API-Key" in headers[0]["Access-Control-Allow-Headers"]
    assert call(convai_sandbox, "generate").headers["Access-Control-Allow-Origin"] is None


def test_paths_that_nobody_serves_are_counted_up_to_a_limit(convai_sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", convai_sandbox.port, timeout=10)
    for number in range(1010):
        connection.request("POST", f"/nowhere/{number}", b"{}")
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())) == (404, {"detail": "Not Found"})
    connection.close()

    calls = convai_sandbox.summary()["calls"]

    assert (len(calls), calls["(other)"]) == (1001, 10)


def test_a_burst_of_calls_is_answered_in_full(convai_sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(64) as pool:
        replies = list(pool.map(lambda _: call(convai_sandbox, "generate"), range(640)))

    values = {reply.json["apiAuthToken"] for reply in replies}
    assert len(values) == 640
    assert set(convai_sandbox.live()) == values
