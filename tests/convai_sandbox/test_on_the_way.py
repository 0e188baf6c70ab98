"""An answer that arrives as something else: by way of proxies, and of broken ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress

import pytest

from convai_sandbox.answers import Answer
from convai_sandbox.on_the_way import EARLY_HINTS, SURPLUS, on_the_way
from convai_sandbox.process import Sandbox
from convai_sandbox.switches import ON_THE_WAY

from .calls import call, generate, outcomes, sent, token_of


def received(sandbox: Sandbox) -> bytes:
    """Return all that comes after one call, until nothing more does."""
    with sent(sandbox) as connection, suppress(TimeoutError):
        connection.settimeout(0.3)
        whole = b""
        while piece := connection.recv(65536):
            whole += piece
    return whole


WHAT_COMES: dict[str, Callable[[bytes], bool]] = {
    "early_hints": lambda whole: whole.startswith(EARLY_HINTS + b"HTTP/1.1 200 OK\r\n"),
    "surplus": lambda whole: whole.endswith(SURPLUS),
    "two_lengths": lambda whole: whole.count(b"Content-Length: ") == 2,
    "http_1_0": lambda whole: whole.startswith(b"HTTP/1.0 200 OK\r\n"),
    "gzip": lambda whole: b"\r\nContent-Encoding: gzip\r\n" in whole,
    "proxy_503": lambda whole: whole.startswith(b"HTTP/1.1 503 "),
}


@pytest.mark.parametrize("name", ON_THE_WAY)
def test_an_answer_arrives_as_something_else_and_the_call_was_done(
    convai_sandbox: Sandbox, name: str
) -> None:
    convai_sandbox.set(on_the_way=name)

    whole = received(convai_sandbox)

    assert WHAT_COMES[name](whole)
    assert len(convai_sandbox.live()) == 1
    assert outcomes(convai_sandbox) == {name: 1}


def test_a_compressed_answer_is_that_answer(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(on_the_way="gzip")

    reply = call(convai_sandbox, "generate")

    token = json.loads(gzip.decompress(reply.body))["apiAuthToken"]
    assert convai_sandbox.live() == [token]


def test_a_proxy_that_answers_503_had_sent_the_revocation_on(convai_sandbox: Sandbox) -> None:
    token = generate(convai_sandbox)
    convai_sandbox.set(on_the_way="proxy_503")

    assert call(convai_sandbox, "revoke", token).status == 503
    assert token_of(convai_sandbox, token)["status"] == "revoked"


def test_they_can_be_drawn_from_a_mix(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(faults={"proxy_503": 1})

    assert call(convai_sandbox, "generate").status == 503
    assert len(convai_sandbox.live()) == 1


def test_what_is_no_name_of_that_changes_nothing() -> None:
    answer = Answer(200, b"{}")

    assert [on_the_way(fault, answer) for fault in ("", "503", "drip")] == [answer] * 3
    assert all(on_the_way(fault, answer) != answer for fault in ON_THE_WAY)
