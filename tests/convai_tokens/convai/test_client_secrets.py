"""Neither key nor token shows in an outcome, in the frames of its way, or in a log."""

from __future__ import annotations

import http.client
import logging
import traceback
from contextlib import suppress
from typing import Any

import pytest

from convai_tokens.convai.sockets import DeadlineSocket
from convai_tokens.exceptions import (
    ConvaiRefused,
    ConvaiTokensError,
    ConvaiUnavailable,
    TokenGone,
    TokenRejected,
)
from tests.convai_tokens.convai.servers import (
    CALLS,
    GENERATED,
    KEY,
    LONG,
    REPEATED,
    TOKEN,
    VERBS,
    ConvaiSettings,
    Play,
    Serve,
    always,
    answer,
    client_of,
    closing,
    hang,
    join_calls,
    outcome_of,
    reset,
)


def broken_vault() -> str:
    raise LookupError(f"the vault says {KEY}")


@pytest.mark.parametrize(
    ("key", "named"),
    [
        pytest.param(broken_vault, "LookupError", id="callable that fails"),
        pytest.param(lambda: " ", "ImproperlyConfigured", id="callable giving blanks"),
        pytest.param("", "ImproperlyConfigured", id="blank"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_without_an_api_key_nobody_is_called_and_nothing_leaks(
    verb: str, key: Any, named: str, serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    convai_settings(API_KEY=key)

    error = outcome_of(verb, client_of(server.url))

    assert type(error) is ConvaiRefused
    assert error.code == "convai_no_key"
    assert named in str(error).replace(" ", "")
    assert server.connections == 0


@pytest.mark.parametrize(
    "more", ["\r\nX-Injected: 1", "\r\n X-Folded: 1", "\n\tfolded", "\x00", "\u20ac", "\xe9"]
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_key_that_is_no_header_is_sent_to_nobody(
    verb: str, more: str, serve: Serve, convai_settings: ConvaiSettings
) -> None:
    server = serve(always(answer(200, GENERATED)))
    convai_settings(API_KEY=f"{KEY}{more}{KEY}")

    error = outcome_of(verb, client_of(server.url))

    assert isinstance(error, ConvaiRefused)
    assert (error.code, error.maybe_done) == ("convai_no_key", False)
    assert server.connections == 0


@pytest.mark.parametrize(
    ("whole", "kind", "code"),
    [
        (answer(401, {"ERROR": f"Api key is invalid. {KEY}"}), ConvaiRefused, "convai_bad_key"),
        (answer(404, {"error": f"no such token: {TOKEN}"}), TokenGone, "token_gone"),
        (answer(403, TOKEN.encode()), TokenRejected, "token_rejected"),
        (answer(503, TOKEN.encode()), ConvaiUnavailable, "convai_unavailable"),
    ],
)
@pytest.mark.parametrize("verb", REPEATED)
def test_an_answer_that_repeats_key_or_token_shows_them_to_nobody(
    verb: str, whole: bytes, kind: type[Exception], code: str, serve: Serve
) -> None:
    server = serve(always(whole))

    error = outcome_of(verb, client_of(server.url))

    assert type(error) is kind
    assert error.code == code
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(always(answer(200, GENERATED)), id="success"),
        pytest.param(always(answer(401, {"ERROR": f"Api key is invalid: {KEY}"})), id="bad key"),
        pytest.param(always(answer(400, {"error": f"{TOKEN} {KEY}"})), id="rejected"),
        pytest.param(always(answer(503, f"{TOKEN} {KEY}".encode())), id="5xx"),
        pytest.param(always(answer(307, b"", Location=f"/{TOKEN}/{KEY}")), id="redirect"),
        pytest.param(always(f"{TOKEN} {KEY}\r\n\r\n".encode()), id="no HTTP"),
        pytest.param(
            closing(f"HTTP/1.1 200 OK\r\n{TOKEN} {KEY}\r\nContent-Length: 0\r\n\r\n".encode()),
            id="broken headers",
        ),
        pytest.param(reset, id="RST"),
        pytest.param(hang, id="hang"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_no_logger_ever_shows_key_or_token(
    verb: str, play: Play, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(play)

    with suppress(ConvaiTokensError):
        CALLS[verb](client_of(server.url), budget=0.1 if play is hang else LONG)
    server.stop()
    join_calls()

    assert f"convai {verb} took" in caplog.text
    assert "CANARY" not in caplog.text
    assert "CANARY" not in repr([vars(record) for record in caplog.records])


@pytest.mark.parametrize("verb", VERBS)
def test_http_clients_debug_output_shows_nothing(
    verb: str, serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(always(answer(200, GENERATED, X_Echo=f"{KEY} {TOKEN}")))
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    other = http.client.HTTPConnection("127.0.0.1", server.port)
    other.request("POST", "/another")
    other.getresponse().read()
    other.close()
    assert "header: X-Echo:" in capsys.readouterr().out  # proves that the output is switched on

    CALLS[verb](client_of(server.url))

    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


@pytest.mark.parametrize("verb", VERBS)
def test_whoever_is_interrupted_takes_no_frame_along_that_holds_the_key(
    verb: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(always(answer(200, GENERATED)))

    def interrupt(*args: Any) -> int:
        raise SystemExit(1)

    monkeypatch.setattr(DeadlineSocket, "recv_into", interrupt)

    with pytest.raises(SystemExit) as caught:
        CALLS[verb](client_of(server.url))

    frames = [frame for frame, _ in traceback.walk_tb(caught.tb)]
    assert not any(frame.f_code.co_filename == http.client.__file__ for frame in frames)
    assert "CANARY" not in repr([frame.f_locals for frame in frames[1:]])
    assert caught.value.__context__ is None
