"""Calls of the vendor's endpoints, as plain as the tests of the sandbox need them."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from convai_sandbox.process import Sandbox
from convai_sandbox.switches import VERBS

KEY = "key-of-these-tests"
ROOT = Path(__file__).parents[2]
MODULE = [sys.executable, "-m", "convai_sandbox"]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(
    sandbox: Sandbox, verb: str, token: str = "", *, key: str = KEY, timeout: float = 10
) -> Reply:
    """Make the documented call for ``verb``; an empty ``key`` leaves the header out."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=timeout)
    body = json.dumps({"apiAuthToken": token} if token else {})
    headers = {"Content-Type": "application/json"} | ({"CONVAI-API-KEY": key} if key else {})
    try:
        connection.request("POST", VERBS[verb], body, headers)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def generate(sandbox: Sandbox) -> str:
    """Generate a token and return its value."""
    reply = call(sandbox, "generate")
    assert reply.status == 200
    value: str = reply.json["apiAuthToken"]
    return value


@contextmanager
def sent(sandbox: Sandbox, verb: str = "generate") -> Iterator[socket.socket]:
    """Send the call for ``verb`` over a bare socket, and leave the answer to the test."""
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        head = f"POST {VERBS[verb]} HTTP/1.1\r\nHost: 127.0.0.1\r\nCONVAI-API-KEY: {KEY}\r\n"
        connection.sendall(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
        yield connection


def token_of(sandbox: Sandbox, value: str) -> dict[str, Any]:
    """Return what the ledger knows of one token."""
    tokens = cast(list[dict[str, Any]], sandbox.ledger()["tokens"])
    return next(token for token in tokens if token["value"] == value)


def outcomes(sandbox: Sandbox, path: str = "/user/connect") -> dict[str, int]:
    """Return the ledger's counts of what calls to ``path`` got."""
    found: dict[str, int] = sandbox.summary()["answers"].get(path, {})
    return found


def talk(port: int, *parts: bytes) -> bytes:
    """Send ``parts`` over one connection, and return all that comes until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Return once ``condition`` holds; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
