"""The faults that only a socket can play: late, hanging, dropped, byte by byte."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from convai_sandbox.process import Sandbox

from .calls import call, generate, outcomes, sent, token_of, wait_until


def test_latency_delays_the_vendors_calls_and_no_others(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(latency="0.2-0.25")

    started = time.monotonic()
    token = generate(convai_sandbox)
    took = time.monotonic() - started

    assert took >= 0.2
    convai_sandbox.set(latency=600)
    assert convai_sandbox.connect(token) == 200  # would time out


def test_a_hanging_call_does_nothing_and_is_closed_when_hanging_ends(
    convai_sandbox: Sandbox,
) -> None:
    convai_sandbox.set(hang=True)
    with sent(convai_sandbox) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        convai_sandbox.set(hang=False)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)

    assert convai_sandbox.summary()["generated"] == 0
    assert outcomes(convai_sandbox) == {"hang": 1}


def test_a_call_can_hang_after_the_token_was_generated(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(hang_after=True)
    with sent(convai_sandbox) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)

    assert len(convai_sandbox.live()) == 1
    assert outcomes(convai_sandbox) == {"hang_after": 1}


def test_hanging_calls_end_with_their_clients() -> None:
    def threads() -> int:
        with open(f"/proc/{sandbox.pid}/status") as status:
            return int(next(line.split()[1] for line in status if line.startswith("Threads:")))

    with Sandbox(hang=True) as sandbox:
        idle = threads()
        connections = [socket.create_connection(("127.0.0.1", sandbox.port)) for _ in range(20)]
        for connection in connections:
            connection.sendall(
                b"POST /user/connect HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}and more than that"
            )
        wait_until(lambda: threads() == idle + 20)
        for connection in connections:
            connection.close()
        wait_until(lambda: threads() == idle)

        assert sandbox.summary()["answers"] == {"/user/connect": {"hang": 20}}


def test_a_reset_comes_before_anything_is_done(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(reset=True)

    with sent(convai_sandbox) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)

    assert convai_sandbox.summary()["generated"] == 0
    assert outcomes(convai_sandbox) == {"reset": 1}


def test_a_dropped_call_has_been_done(convai_sandbox: Sandbox) -> None:
    token = generate(convai_sandbox)
    convai_sandbox.set(drop=True)

    with sent(convai_sandbox) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    with pytest.raises(ConnectionResetError):
        call(convai_sandbox, "revoke", token)

    assert convai_sandbox.summary()["generated"] == 2
    assert token_of(convai_sandbox, token)["status"] == "revoked"
    assert len(convai_sandbox.live()) == 1


def test_a_dripped_body_comes_byte_by_byte_after_the_headers(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(drip=True, drip_interval=30)
    with sent(convai_sandbox) as connection:
        received = b""
        while not received.partition(b"\r\n\r\n")[2]:
            received += connection.recv(4096)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n{")
    assert len(convai_sandbox.live()) == 1


def test_dripped_headers_come_byte_by_byte(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(drip_headers=True, drip_interval=30)
    with sent(convai_sandbox) as connection:
        first = connection.recv(4096)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)

    assert first == b"H"


@pytest.mark.parametrize("drip", ["drip", "drip_headers"])
def test_a_dripped_answer_is_whole_in_the_end(convai_sandbox: Sandbox, drip: str) -> None:
    convai_sandbox.set(**{drip: True, "drip_interval": 0})

    reply = call(convai_sandbox, "generate")

    assert convai_sandbox.live() == [reply.json["apiAuthToken"]]
    assert outcomes(convai_sandbox) == {drip: 1}


def test_dripping_ends_with_its_switch(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(drip=True, drip_interval=0.2)
    with sent(convai_sandbox) as connection:
        connection.recv(4096)
        convai_sandbox.set(drip=False)
        connection.settimeout(5)
        received = b""
        while not received.endswith(b'Z"}'):
            received += connection.recv(4096)

    assert len(received) > 20


@pytest.mark.parametrize("fault", ["reset", "drop", "hang"])
def test_faults_play_over_https(fault: str) -> None:
    with Sandbox(https=True, faults={fault: 1.0}) as sandbox:
        headers = {"CONVAI-API-KEY": "k"}
        outcome: list[BaseException] = []

        def attempt() -> None:
            try:
                sandbox.call("POST", "/user/connect", b"{}", headers)
            except OSError as error:
                outcome.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        if fault == "hang":
            wait_until(lambda: sandbox.summary()["answers"])
            sandbox.set(faults={})
        thread.join(10)

        # Some versions of Python's ssl report the reset as an end without an answer.
        assert isinstance(outcome[0], ConnectionResetError)
        assert len(sandbox.live()) == (1 if fault == "drop" else 0)
