"""Sockets that know a deadline, each against a server of its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from convai_tokens.convai.sockets import Call, DeadlineSocket

LONG = 60.0


@pytest.fixture
def pair() -> Iterator[tuple[DeadlineSocket, socket.socket]]:
    """Give a socket with half a second left to its call, and the other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener, DeadlineSocket() as ours:
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
        ours.call = Call(time.monotonic() + 0.5, LONG, LONG)
        with theirs:
            yield ours, theirs


Pair = tuple[DeadlineSocket, socket.socket]


def test_what_is_left_is_never_more_than_asked_for_and_raises_when_there_is_nothing() -> None:
    call = Call(time.monotonic() + 1, LONG, LONG)

    assert call.left(0.25) == 0.25
    assert 0 < call.left() <= 1
    call.deadline = time.monotonic() - 1
    with pytest.raises(TimeoutError):
        call.left(LONG)


def test_a_receive_that_brings_nothing_ends_at_the_deadline(pair: Pair) -> None:
    ours, _ = pair

    with pytest.raises(TimeoutError):
        ours.recv_into(bytearray(10))

    assert time.monotonic() >= ours.call.deadline
    assert not ours.call.answered


def test_receives_that_bring_something_end_at_the_deadline_too(pair: Pair) -> None:
    ours, theirs = pair
    received = 0

    def drip() -> None:
        nonlocal received
        while True:
            theirs.sendall(b"x")
            received += ours.recv_into(bytearray(1))

    with pytest.raises(TimeoutError):
        drip()

    assert time.monotonic() >= ours.call.deadline
    assert received > 1
    assert ours.call.answered


def test_a_silence_is_no_longer_than_the_read_timeout(pair: Pair) -> None:
    ours, _ = pair
    ours.call = Call(time.monotonic() + LONG, LONG, 0.05)

    with pytest.raises(TimeoutError):
        ours.recv_into(bytearray(10))

    assert time.monotonic() < ours.call.deadline - LONG / 2


@pytest.mark.parametrize("send", ["send", "sendall"])
def test_a_send_that_nobody_reads_ends_at_the_deadline(send: str, pair: Pair) -> None:
    ours, _ = pair

    def flood() -> None:
        while True:
            getattr(ours, send)(b"x" * 1_000_000)

    with pytest.raises(TimeoutError):
        flood()

    assert time.monotonic() >= ours.call.deadline


def test_the_end_of_the_connection_is_noted(pair: Pair) -> None:
    ours, theirs = pair
    theirs.close()

    assert ours.recv_into(bytearray(10)) == 0

    assert ours.call.closed
    assert not ours.call.answered


@pytest.mark.parametrize("more", [b"", b"y"])
def test_whoever_closes_an_answer_learns_whether_more_had_come(more: bytes, pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(b"x\n" + more)
    reader = ours.makefile("rb")
    assert reader.readline() == b"x\n"

    reader.close()
    reader.close()

    assert ours.call.over
    assert ours.call.surplus is bool(more)
