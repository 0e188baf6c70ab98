"""The HTTP server: connections, methods, bodies, browsers, load."""

from __future__ import annotations

import http.client
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from convai_sandbox import server
from convai_sandbox.process import Sandbox
from convai_sandbox.switches import Switches

from .calls import KEY, call, talk


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
        threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True).start()

        answer = talk(serving.server_address[1], b"GET /health HTTP/1.1\r\n\r\n")
        serving.shutdown()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close" not in answer


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


def test_a_burst_of_calls_is_answered_in_full(convai_sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(64) as pool:
        replies = list(pool.map(lambda _: call(convai_sandbox, "generate"), range(640)))

    values = {reply.json["apiAuthToken"] for reply in replies}
    assert len(values) == 640
    assert set(convai_sandbox.live()) == values
