"""A call that got no whole answer: was it sent, and may it have been carried out?"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl

import pytest
import urllib3

from convai_tokens.convai.connections import Connection
from convai_tokens.convai.deadline import NoThreadLeft
from convai_tokens.convai.failures import name_of, no_answer
from convai_tokens.convai.sockets import Call
from convai_tokens.exceptions import ConvaiUnavailable
from tests.convai_tokens.convai.servers import (
    GENERATED,
    KEY,
    TOKEN,
    VERBS,
    Play,
    Serve,
    always,
    answer,
    client_of,
    close,
    closing,
    outcome_of,
    reset,
)


@pytest.mark.parametrize("verb", VERBS)
def test_a_refused_connection_means_that_nothing_was_done(verb: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    error = outcome_of(verb, client_of(f"http://127.0.0.1:{port}"))

    assert type(error) is ConvaiUnavailable
    assert str(error) == "Convai could not be reached."
    assert (error.code, error.maybe_done) == ("convai_unavailable", False)


@pytest.mark.parametrize("hang_up", [pytest.param(reset, id="RST"), pytest.param(close, id="FIN")])
@pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_connection_that_is_closed_without_an_answer_was_dropped(
    verb: str, secured: bool, hang_up: Play, serve: Serve, tls: ssl.SSLContext
) -> None:
    error = outcome_of(verb, client_of(serve(hang_up, tls if secured else None).url))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_dropped", True)


@pytest.mark.parametrize("raw", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Len"])
@pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_connection_that_is_closed_within_an_answer_was_not_dropped(
    verb: str, secured: bool, raw: bytes, serve: Serve, tls: ssl.SSLContext
) -> None:
    server = serve(closing(raw), tls if secured else None)

    error = outcome_of(verb, client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_unavailable", True)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(RuntimeError(f"{KEY} {TOKEN}"), id="anything"),
        pytest.param(http.client.IncompleteRead(TOKEN.encode()), id="chunks"),
        pytest.param(urllib3.exceptions.ProtocolError(KEY, OSError(TOKEN)), id="urllib3"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_any_failure_underneath_is_unavailable_without_its_text(
    verb: str, failure: Exception, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)))

    def fail(connection: Connection) -> None:
        raise failure

    monkeypatch.setattr(Connection, "getresponse", fail)

    error = outcome_of(verb, client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_unavailable", True)
    assert name_of(failure) in str(error)


UNSENT, SENT, ANSWERED = "unsent", "sent", "answered"


@pytest.mark.parametrize(
    ("failure", "how_far", "code", "maybe_done"),
    [
        (TimeoutError(), UNSENT, "convai_timeout", False),
        (TimeoutError(), SENT, "convai_timeout", True),
        (TimeoutError(), ANSWERED, "convai_timeout", True),
        (urllib3.exceptions.ReadTimeoutError(None, None, ""), ANSWERED, "convai_timeout", True),  # type: ignore[arg-type]
        (http.client.RemoteDisconnected(""), SENT, "convai_dropped", True),
        (ConnectionResetError(), UNSENT, "convai_unavailable", False),
        (ConnectionResetError(), SENT, "convai_dropped", True),
        (ConnectionResetError(), ANSWERED, "convai_unavailable", True),
        (BrokenPipeError(), SENT, "convai_dropped", True),
        (ssl.SSLEOFError(), UNSENT, "convai_unavailable", False),
        (ssl.SSLEOFError(), SENT, "convai_dropped", True),
        (ssl.SSLCertVerificationError(), UNSENT, "convai_unavailable", False),
        (ssl.SSLError(), UNSENT, "convai_unavailable", False),
        (ssl.SSLError(), SENT, "convai_unavailable", True),
        (socket.gaierror(), UNSENT, "convai_unavailable", False),
        (NoThreadLeft(), UNSENT, "convai_busy", False),
        (ValueError(), UNSENT, "convai_unavailable", False),
        (ValueError(), SENT, "convai_unavailable", True),
    ],
    ids=repr,
)
def test_only_a_call_that_was_not_sent_was_not_carried_out(
    failure: Exception, how_far: str, code: str, maybe_done: bool
) -> None:
    call = Call(0.0, 0.0, 0.0)
    call.sent, call.answered = how_far != UNSENT, how_far == ANSWERED

    outcome = no_answer("revoke", failure, call)

    assert (outcome.code, outcome.maybe_done) == (code, maybe_done)


def test_the_name_of_an_exception_is_told_in_words_that_no_log_masks() -> None:
    assert name_of(ConnectionAbortedError()) == "Connection Aborted Error"


def test_urllib3_still_logs_the_broken_headers_of_others(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("urllib3.connection")
    message = "Failed to parse headers (url=%s): %s"

    log.warning(message, "https://api.convai.com:443/user/connect", "a header")
    log.warning(message, "https://example.com:443/", "a header")

    assert [record.args for record in caplog.records] == [("https://example.com:443/", "a header")]
