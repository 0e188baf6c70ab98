"""What the client holds against Convai, what it tries again, and what it doesn't even begin."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from convai_tokens.convai.breaker import FAILURE_THRESHOLD, Breaker
from convai_tokens.convai.bulkhead import Bulkhead
from convai_tokens.convai.client import ConvaiClient
from convai_tokens.exceptions import ConvaiPaused, ConvaiTokensError, ConvaiUnavailable, ErrorCode
from convai_tokens.secret import Secret
from tests.convai_tokens.convai.breakers import hang
from tests.convai_tokens.convai.servers import (
    CALLS,
    GENERATED,
    LONG,
    REPEATED,
    TOKEN,
    Play,
    Serve,
    Server,
    always,
    answer,
    client_of,
    close,
    outcome_of,
    reset,
)

HANG_UPS = [pytest.param(reset, id="RST"), pytest.param(close, id="FIN")]


def open_for_a_moment(breaker: Breaker) -> None:
    """Leave the breaker open, and its pause over."""
    breaker.heard(ConvaiUnavailable("no", code=ErrorCode.CONVAI_RATE_LIMITED, retry_after=0.001))
    while breaker.pause_left:
        time.sleep(0.001)


def hung_a_moment_ago(breaker: Breaker) -> None:
    """Open the breaker by calls that got no answer, and wait until the pause is over."""
    hang(breaker, FAILURE_THRESHOLD, retry_after=0.001)
    while breaker.pause_left:
        time.sleep(0.001)


def reset_the_first(server: Server, connection: socket.socket) -> bytes | None:
    """Answer all but the first request."""
    if len(server.requests) > 1:
        return answer(200, GENERATED)
    reset(server, connection)
    return None


def test_a_process_that_can_start_no_thread_finds_convai_unavailable(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)))

    def no_more_threads(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more_threads)
        error = outcome_of("generate", client_of(f"http://localhost:{server.port}"))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_busy", False)


def test_running_out_of_threads_is_no_failure_of_convais() -> None:
    client = client_of("http://localhost:9")
    client._transport._threads = threading.BoundedSemaphore(1)
    client._transport._threads.acquire()

    errors = [outcome_of("revoke", client) for _ in range(5)]

    assert {getattr(error, "code", "") for error in errors} == {"convai_busy"}
    assert not client.breaker.is_open


def test_there_are_threads_for_all_whom_max_concurrent_lets_in() -> None:
    client = ConvaiClient(
        "http://127.0.0.1:9", connect_timeout=LONG, read_timeout=LONG, max_concurrent=100
    )

    assert client._transport._threads._value == 200


@pytest.mark.parametrize("hang_up", HANG_UPS)
def test_generate_is_not_repeated_on_a_dropped_connection(hang_up: Play, serve: Serve) -> None:
    server = serve(hang_up)

    error = outcome_of("generate", client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_dropped", True)
    assert len(server.requests) == 1


@pytest.mark.parametrize("hang_up", HANG_UPS)
@pytest.mark.parametrize("verb", REPEATED)
def test_extend_and_revoke_are_repeated_once_on_a_dropped_connection(
    verb: str, hang_up: Play, serve: Serve
) -> None:
    server = serve(hang_up)

    error = outcome_of(verb, client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_dropped", True)
    assert len(server.requests) == 2
    assert server.requests[0] == server.requests[1]


@pytest.mark.parametrize("verb", REPEATED)
def test_a_repeated_call_that_is_answered_is_a_success(verb: str, serve: Serve) -> None:
    server = serve(reset_the_first)
    client = client_of(server.url)

    CALLS[verb](client)

    assert len(server.requests) == 2
    # A connection that had grown stale is no failure.
    assert client.breaker._failures == client.revoking._failures == 0


@pytest.mark.parametrize("verb", REPEATED)
def test_no_other_failure_is_repeated(verb: str, serve: Serve) -> None:
    server = serve(always(answer(503)))

    outcome_of(verb, client_of(server.url))

    assert len(server.requests) == 1


def test_a_probe_that_meets_a_stale_connection_is_judged_by_its_second_try(serve: Serve) -> None:
    client = client_of(serve(reset_the_first).url)
    open_for_a_moment(client.revoking)

    client.revoke(Secret(TOKEN))

    assert not client.revoking.is_open


def test_a_first_stale_connection_of_generate_is_no_failure_and_a_second_is(serve: Serve) -> None:
    client = client_of(serve(reset).url)

    for again in (False, True):
        with pytest.raises(ConvaiUnavailable) as caught, client.reserve() as left:
            client.generate(left, again=again)
        assert caught.value.code == "convai_dropped"
        assert client.breaker._failures == int(again)


def test_who_reserves_a_call_and_makes_none_is_no_probe(serve: Serve) -> None:
    client = client_of(serve(always(answer(200, GENERATED))).url)
    open_for_a_moment(client.breaker)

    with pytest.raises(RuntimeError), client.reserve():
        raise RuntimeError("the learner session has ended")

    with client.reserve() as left:
        client.generate(left)
    assert not client.breaker.is_open


def test_a_breaker_that_is_open_lets_no_revocation_through(serve: Serve) -> None:
    server = serve(always(answer(429, b"", Retry_After="100")))
    client = client_of(server.url)
    outcome_of("revoke", client)

    error = outcome_of("revoke", client)

    assert type(error) is ConvaiPaused
    assert error.retry_after == pytest.approx(100, abs=LONG)
    assert len(server.requests) == 1


def test_as_many_reserve_a_call_as_the_client_was_made_for() -> None:
    client = ConvaiClient(
        "http://127.0.0.1:9", connect_timeout=LONG, read_timeout=LONG, max_concurrent=1
    )
    refused: list[ConvaiTokensError] = []

    def enter() -> None:
        try:
            with client.reserve(budget=0.0):
                pass
        except ConvaiUnavailable as error:
            refused.append(error)

    with client.reserve():
        other = threading.Thread(target=enter)
        other.start()
        other.join(LONG)

    assert [error.code for error in refused] == ["convai_busy"]


def test_an_open_breaker_lets_nobody_reserve_a_call(serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))
    client = client_of(server.url)
    client.check_available()
    client.breaker.heard(ConvaiUnavailable("no", code=ErrorCode.CONVAI_RATE_LIMITED))

    with pytest.raises(ConvaiPaused), client.reserve():
        pass

    with pytest.raises(ConvaiPaused):
        client.check_available()
    assert server.connections == 0


def test_a_stuck_bulkhead_is_told_before_anybody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = ConvaiClient("http://127.0.0.1:9", LONG, LONG, max_concurrent=1)
    monkeypatch.setattr(Bulkhead, "stuck", True)

    with pytest.raises(ConvaiUnavailable) as raised:
        client.check_available()

    assert raised.value.code == "convai_busy"


def wait_until_available(client: ConvaiClient) -> None:
    """Return once a learner's call may be made."""
    while True:
        try:
            client.check_available()
        except ConvaiPaused:
            time.sleep(0.001)
        else:
            return


def test_once_the_pause_is_over_a_call_that_changes_nothing_asks_whether_convai_answers(
    serve: Serve,
) -> None:
    server = serve(always(answer(404, {"error": "no such token"})))
    client = client_of(server.url)
    hung_a_moment_ago(client.breaker)

    with pytest.raises(ConvaiPaused):
        client.check_available()
    wait_until_available(client)

    (request,) = server.requests
    assert request.startswith(b"POST /user/revoke-token ")
    assert json.loads(request.partition(b"\r\n\r\n")[2]) == {"apiAuthToken": "no-such-token"}
    assert client.breaker.is_open  # until the next learner's call went well


def test_where_no_thread_is_left_for_a_background_probe_it_is_due_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    client = client_of("http://127.0.0.1:9")
    hung_a_moment_ago(client.breaker)
    monkeypatch.setattr(threading.Thread, "start", none_left)

    with pytest.raises(ConvaiPaused):
        client.check_available()
    assert client.breaker.pause_left > 0


@pytest.mark.parametrize("verb", ["generate", "extend"])
def test_while_the_breaker_is_closed_a_learner_may_try_again_soon(verb: str, serve: Serve) -> None:
    client = client_of(serve(always(answer(500))).url)

    waits = [outcome_of(verb, client).retry_after for _ in range(4)]

    assert waits[:2] == [1.0, 1.0]
    assert waits[2] == pytest.approx(ConvaiUnavailable.pause, abs=1)


def test_what_convai_says_itself_is_passed_on(serve: Serve) -> None:
    client = client_of(serve(always(answer(503, retry_after="40"))).url)

    assert outcome_of("generate", client).retry_after == 40.0
