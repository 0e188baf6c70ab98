"""What a web page may ask of the sandbox: nothing but /connect, and only under our own name."""

from __future__ import annotations

import json

import pytest

from convai_sandbox.guard import refusal
from convai_sandbox.parsing import Headers
from convai_sandbox.process import Sandbox

from .calls import KEY

PATHS = ["/ledger", "/switches", "/health", "/user/connect", "/nothing"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8099", "LOCALHOST:8099", "127.1.2.3", "[::1]:8099", ""]
)
def test_a_request_to_loopback_goes_on(host: str) -> None:
    assert refusal("/ledger", Headers(host=host)) == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8099",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[::1",
        "a@",
        ":80",
    ],
)
@pytest.mark.parametrize("path", [*PATHS, "/connect"])
def test_a_request_under_another_name_is_turned_away(path: str, host: str) -> None:
    assert "Host" in refusal(path, Headers(host=host))


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:3000", "null", "http://127.0.0.1"]
)
def test_a_page_of_another_origin_may_only_connect(origin: str) -> None:
    headers = Headers(host="127.0.0.1:8099", origin=origin)

    assert all("other origins" in refusal(path, headers) for path in PATHS)
    assert refusal("/connect", headers) == ""


def test_the_sandboxs_own_origin_is_not_foreign() -> None:
    headers = Headers(host="127.0.0.1:8099", origin="http://127.0.0.1:8099")

    assert refusal("/ledger", headers) == ""


def test_what_is_turned_away_does_nothing_and_shows_nothing(convai_sandbox: Sandbox) -> None:
    before = convai_sandbox.switches()
    foreign = {"Origin": "https://evil.example"}

    answers = [
        convai_sandbox.call("GET", "/ledger", headers={"Host": "evil.example"}),
        convai_sandbox.call("GET", "/ledger", headers=foreign),
        convai_sandbox.call("POST", "/switches", b'{"hang": true}', foreign),
        convai_sandbox.call("POST", "/user/connect", b"{}", {"CONVAI-API-KEY": KEY, **foreign}),
    ]

    assert [status for status, _ in answers] == [403] * 4
    assert all(list(json.loads(body)) == ["detail"] for _, body in answers)
    assert convai_sandbox.switches() == before
    assert convai_sandbox.summary()["generated"] == 0
