"""Answers that come compressed, although ``identity`` was asked for."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from convai_tokens.convai.transport import MAX_BODY
from convai_tokens.exceptions import ConvaiUnavailable
from convai_tokens.secret import Secret
from tests.convai_tokens.convai.servers import (
    CALLS,
    GENERATED,
    REPEATED,
    TOKEN,
    VERBS,
    Serve,
    always,
    answer,
    client_of,
    outcome_of,
)

YES = json.dumps({**GENERATED, "STATUS": "SUCCESS"}).encode()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
}


@pytest.mark.parametrize("coding", PACKERS)
@pytest.mark.parametrize("verb", VERBS)
def test_what_comes_compressed_is_decoded(verb: str, coding: str, serve: Serve) -> None:
    packed = PACKERS[coding](YES)
    server = serve(always(answer(200, packed, Content_Encoding=coding)))
    client = client_of(server.url)

    assert CALLS[verb](client)
    assert client.generate().value == Secret(TOKEN)
    assert server.connections == 1


@pytest.mark.parametrize("coding", PACKERS)
def test_a_body_of_64_kb_is_decoded_and_a_longer_one_is_not(coding: str, serve: Serve) -> None:
    bodies = iter([YES.ljust(MAX_BODY), YES.ljust(MAX_BODY + 1)])
    server = serve(lambda *_: answer(200, PACKERS[coding](next(bodies)), Content_Encoding=coding))
    client = client_of(server.url)

    assert client.generate().value == Secret(TOKEN)
    assert str(outcome_of("generate", client)) == "Convai's answer is over 64 kB."


@pytest.mark.parametrize("coding", PACKERS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_bomb_is_given_up_without_inflating_it(verb: str, coding: str, serve: Serve) -> None:
    bomb = PACKERS[coding](YES + b" " * 50_000_000)
    assert len(bomb) < MAX_BODY
    client = client_of(serve(always(answer(200, bomb, Content_Encoding=coding))).url)
    tracemalloc.start()

    error = outcome_of(verb, client)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(error) == "Convai's answer is over 64 kB."
    assert isinstance(error, ConvaiUnavailable)
    assert error.maybe_done is True
    assert peak < 5_000_000


UNREADABLE = [
    pytest.param("gzip", YES, id="not compressed at all"),
    pytest.param("gzip", gzip.compress(YES)[:-9], id="cut short"),
    pytest.param("gzip", gzip.compress(YES)[:10], id="a header alone"),
    pytest.param("deflate", zlib.compress(YES)[:2], id="a header of deflate alone"),
    pytest.param("gzip", gzip.compress(YES)[:-8] + b"\0" * 8, id="a wrong checksum"),
    pytest.param("gzip", gzip.compress(YES) + b"more", id="more after it"),
    pytest.param("deflate", b"\xff" * 20, id="nonsense"),
    pytest.param("br", b"\x8b\x02\x80{}\x03", id="brotli"),
    pytest.param("zstd", b"\x28\xb5\x2f\xfd", id="zstd"),
    pytest.param("gzip, gzip", gzip.compress(gzip.compress(YES)), id="twice"),
    pytest.param("something", b" ", id="unheard of"),
]


@pytest.mark.parametrize(("coding", "body"), UNREADABLE)
@pytest.mark.parametrize("verb", REPEATED)
def test_what_cannot_be_decoded_is_not_understood(
    verb: str, coding: str, body: bytes, serve: Serve
) -> None:
    server = serve(always(answer(200, body, Content_Encoding=coding)))

    error = outcome_of(verb, client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert (error.code, error.maybe_done) == ("convai_not_understood", True)


@pytest.mark.parametrize(("coding", "body"), UNREADABLE)
def test_what_cannot_be_decoded_holds_no_token(coding: str, body: bytes, serve: Serve) -> None:
    server = serve(always(answer(200, body, Content_Encoding=coding)))

    error = outcome_of("generate", client_of(server.url))

    assert isinstance(error, ConvaiUnavailable)
    assert str(error) == "Convai answered without a token."
    assert error.maybe_done is True


def test_an_error_that_cannot_be_decoded_counts_by_its_status(serve: Serve) -> None:
    server = serve(always(answer(429, b"garbage", Content_Encoding="gzip", Retry_After="7")))

    error = outcome_of("generate", client_of(server.url))

    assert (error.code, error.retry_after) == ("convai_rate_limited", 7.0)
