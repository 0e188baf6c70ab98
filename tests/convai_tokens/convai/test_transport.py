"""One call over real sockets: what goes out, and what comes back from good and bad servers."""

from __future__ import annotations

import json
import logging
import socket

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from convai_tokens import __version__
from convai_tokens.convai.transport import MAX_BODY
from convai_tokens.exceptions import ConvaiTokensError, ConvaiUnavailable
from convai_tokens.secret import Secret
from tests.convai_tokens.convai.servers import (
    CALLS,
    GENERATED,
    KEY,
    LONG,
    PATHS,
    TOKEN,
    VERBS,
    ConvaiSettings,
    Serve,
    Server,
    always,
    answer,
    client_of,
    closing,
    outcome_of,
)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_one_post_of_json_to_its_path(verb: str, serve: Serve) -> None:
    server = serve(always(answer(200, GENERATED)))

    CALLS[verb](client_of(server.url))

    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ") for line in lines)
    assert start == f"POST {PATHS[verb]} HTTP/1.1"
    assert json.loads(body) == ({} if verb == "generate" else {"apiAuthToken": TOKEN})
    assert headers["CONVAI-API-KEY"] == KEY
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == f"django-convai-tokens/{__version__}"
    assert TOKEN not in head.decode()


def test_a_slash_at_the_end_of_the_base_url_is_not_doubled(serve: Serve) -> None:
    server = serve(always(answer()))

    CALLS["revoke"](client_of(server.url + "/"))

    assert server.requests[0].startswith(b"POST /user/revoke-token ")


def test_an_answer_in_chunks_is_read_whole(serve: Serve) -> None:
    body = json.dumps(GENERATED).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(always(head + chunks + b"0\r\n\r\n"))

    assert client_of(server.url).generate().value == Secret(TOKEN)


def test_a_callable_api_key_is_called_for_each_call(
    serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    keys = iter(["first-key", "second-key"])
    convai_settings(API_KEY=lambda: next(keys))
    client = client_of(server.url)

    client.generate()
    client.generate()

    assert b"CONVAI-API-KEY: first-key\r\n" in server.requests[0]
    assert b"CONVAI-API-KEY: second-key\r\n" in server.requests[1]


@pytest.mark.parametrize("verb", VERBS)
def test_retry_after_is_heard_whatever_its_case(verb: str, serve: Serve) -> None:
    server = serve(always(answer(429, b"", retry_after="17")))

    error = outcome_of(verb, client_of(server.url))

    assert (error.code, error.retry_after) == ("convai_rate_limited", 17.0)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_never_reaches_it(
    status: int, verb: str, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    other = serve(always(answer(200, GENERATED)))
    target = f"http://localhost:{other.port}{PATHS[verb]}"
    server = serve(always(answer(status, b"", Location=target)))

    error = outcome_of(verb, client_of(server.url))

    assert type(error) is ConvaiUnavailable
    assert len(server.requests) == 1
    assert (other.connections, other.requests) == (0, [])


@pytest.mark.parametrize("verb", VERBS)
def test_a_redirect_to_the_same_host_is_not_followed_either(verb: str, serve: Serve) -> None:
    server = serve(always(answer(307, b"", Location="/elsewhere")))

    error = outcome_of(verb, client_of(server.url))

    assert type(error) is ConvaiUnavailable
    assert len(server.requests) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_an_answer_of_64_kb_is_read_and_a_longer_one_is_not(verb: str, serve: Serve) -> None:
    body = json.dumps(GENERATED).encode()
    bodies = iter([body.ljust(MAX_BODY), body.ljust(MAX_BODY + 1)])
    server = serve(lambda server, connection: answer(200, next(bodies)))
    client = client_of(server.url)

    CALLS[verb](client)
    error = outcome_of(verb, client)

    assert type(error) is ConvaiUnavailable
    assert str(error) == "Convai's answer is over 64 kB."
    assert error.maybe_done is True


@pytest.mark.parametrize("verb", VERBS)
def test_an_answer_without_an_end_is_given_up_at_64_kb(verb: str, serve: Serve) -> None:
    def flood(server: Server, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.stopping.is_set():
            connection.sendall(b"x" * 4096)

    error = outcome_of(verb, client_of(serve(flood).url))

    assert str(error) == "Convai's answer is over 64 kB."


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x16\x03\x01\x00\x05hello", id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="SSH"),
        pytest.param(b"HTTP/1.1 abc OK\r\n\r\n", id="status of letters"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", id="200 headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", id="long header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", id="cut short"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="broken chunk"
        ),
    ],
)
def test_an_answer_that_is_no_http_is_unavailable_and_may_have_been_done(
    raw: bytes, serve: Serve
) -> None:
    error = outcome_of("generate", client_of(serve(closing(raw)).url))

    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is True


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(raw=st.binary(max_size=200), http=st.booleans(), verb=st.sampled_from(VERBS))
@example(raw=b"200 OK\r\nContent-Length: -1\r\n\r\n{}", http=True, verb="generate")
def test_any_bytes_on_the_wire_become_a_result_or_an_outcome(
    raw: bytes, http: bool, verb: str, serve: Serve
) -> None:
    server = serve(closing((b"HTTP/1.1 " if http else b"") + raw))
    told = "a result"
    try:
        CALLS[verb](client_of(server.url), budget=LONG)
    except ConvaiTokensError as error:
        told = error.describe()
    server.stop()

    assert "CANARY" not in told
    assert 1 <= len(server.requests) <= 2
