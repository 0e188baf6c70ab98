"""A call that got no whole answer: was Convai reached, and may it have acted?"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl

import pytest
import requests
import responses
import urllib3

from convai_tokens.convai.failures import name_of, no_answer
from convai_tokens.exceptions import ConvaiUnavailable
from tests.convai_tokens.convai.servers import (
    KEY,
    PATHS,
    TOKEN,
    VERBS,
    client_of,
    outcome_of,
)

URL = "http://127.0.0.1:9"  # only in tests where `responses` stands in for the network


@pytest.mark.parametrize("verb", VERBS)
def test_a_refused_connection_means_that_nothing_was_done(verb: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    error = outcome_of(verb, client_of(f"http://127.0.0.1:{port}"))

    assert type(error) is ConvaiUnavailable
    assert (error.code, error.maybe_done) == ("convai_unavailable", False)


@pytest.mark.parametrize("verb", VERBS)
def test_a_connection_that_takes_too_long_means_that_nothing_was_done(verb: str) -> None:
    with responses.RequestsMock() as convai:
        convai.post(URL + PATHS[verb], body=requests.ConnectTimeout(f"{KEY} {TOKEN}"))

        error = outcome_of(verb, client_of(URL))

    assert type(error) is ConvaiUnavailable
    assert (error.code, error.maybe_done) == ("convai_timeout", False)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(RuntimeError(f"{KEY} {TOKEN}"), id="anything"),
        pytest.param(requests.ReadTimeout(f"{KEY} {TOKEN}"), id="read timeout"),
        pytest.param(requests.exceptions.ChunkedEncodingError(TOKEN), id="chunks"),
        pytest.param(urllib3.exceptions.ProtocolError(KEY, OSError(TOKEN)), id="urllib3"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_any_failure_underneath_is_unavailable_without_its_text(
    verb: str, failure: Exception
) -> None:
    with responses.RequestsMock() as convai:
        convai.post(URL + PATHS[verb], body=failure)

        error = outcome_of(verb, client_of(URL))

        assert len(convai.calls) == 1
    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is True


def test_an_exception_that_holds_itself_is_one_failure_more() -> None:
    failure = RuntimeError()
    failure.args = (failure,)
    with responses.RequestsMock() as convai:
        convai.post(URL + PATHS["generate"], body=failure)

        with pytest.raises(ConvaiUnavailable, match="Runtime Error"):
            client_of(URL).generate()


@pytest.mark.parametrize(
    ("failure", "code", "maybe_done"),
    [
        (requests.ConnectTimeout(), "convai_timeout", False),
        (requests.ReadTimeout(), "convai_timeout", True),
        (urllib3.exceptions.ReadTimeoutError(None, None, ""), "convai_timeout", True),  # type: ignore[arg-type]
        (requests.ConnectionError(http.client.RemoteDisconnected("")), "convai_dropped", True),
        (requests.ConnectionError(ConnectionResetError()), "convai_dropped", True),
        (requests.ConnectionError(BrokenPipeError()), "convai_dropped", True),
        (requests.exceptions.SSLError(ssl.SSLCertVerificationError()), "convai_unavailable", False),
        (requests.exceptions.SSLError(ssl.SSLError()), "convai_unavailable", True),
        (requests.exceptions.InvalidHeader(), "convai_unavailable", False),
        (ValueError(), "convai_unavailable", True),
    ],
    ids=repr,
)
def test_only_a_call_that_cannot_have_been_sent_was_not_carried_out(
    failure: Exception, code: str, maybe_done: bool
) -> None:
    outcome = no_answer("revoke", failure)

    assert (outcome.code, outcome.maybe_done) == (code, maybe_done)


def test_the_name_of_an_exception_is_told_in_words_that_no_log_masks() -> None:
    assert name_of(ConnectionAbortedError()) == "Connection Aborted Error"


def test_urllib3_still_logs_the_broken_headers_of_others(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("urllib3.connection")
    message = "Failed to parse headers (url=%s): %s"

    log.warning(message, "https://api.convai.com:443/user/connect", "a header")
    log.warning(message, "https://example.com:443/", "a header")

    assert [record.args for record in caplog.records] == [("https://example.com:443/", "a header")]
