"""What the sandbox answers, byte for byte: tokens, successes, errors, nonsense."""

from __future__ import annotations

import http.client
import json
import uuid
from typing import Any

import pytest

from convai_sandbox.answers import new_token, nonsense, retry_after
from convai_sandbox.process import Sandbox
from convai_sandbox.switches import MALFORMED, Switches

from .calls import call, generate, outcomes

TEXT = "Something of ours."


def test_tokens_look_as_asked_and_start_with_the_prefix(convai_sandbox: Sandbox) -> None:
    found = {}
    for style in ("jwt", "uuid", "long"):
        convai_sandbox.set(token_style=style, token_prefix="CANARY-")
        found[style] = generate(convai_sandbox)

    assert all(token.startswith("CANARY-") for token in found.values())
    assert found["jwt"].count(".") == 2
    assert uuid.UUID(found["uuid"].removeprefix("CANARY-")).version == 4
    assert len(found["long"]) == 4096
    assert [convai_sandbox.connect(token) for token in found.values()] == [200, 200, 200]


@pytest.mark.parametrize(
    ("switch", "verb"), [("extend_body", "extend"), ("success_body", "revoke")]
)
@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("STATUS", 200, b'{"STATUS": "SUCCESS"}'),
        ("status", 200, b'{"status": "success"}'),
        ("none", 200, b""),
        ("no_content", 204, b""),
        ("text", 200, b"OK"),
    ],
)
def test_success_of_extend_and_revoke_has_any_body(
    convai_sandbox: Sandbox, switch: str, verb: str, kind: str, status: int, body: bytes
) -> None:
    token = generate(convai_sandbox)
    convai_sandbox.set(**{switch: kind})

    reply = call(convai_sandbox, verb, token)

    assert (reply.status, reply.body) == (status, body)


@pytest.mark.parametrize(
    ("envelope", "status", "shape"),
    [
        ("ERROR", 500, {"ERROR": TEXT}),
        ("ERROR_reference", 500, {"ERROR": TEXT, "Reference ID": uuid.UUID}),
        ("error", 500, {"error": TEXT}),
        ("API_ERROR", 500, {"API_ERROR": TEXT}),
        ("INTERNAL_ERROR", 500, {"INTERNAL_ERROR": TEXT}),
        ("status", 500, {"status": "error", "message": TEXT, "transactionID": uuid.UUID}),
        ("detail", 500, {"detail": TEXT}),
        (
            "detail_list",
            500,
            {"detail": [{"loc": ["body"], "msg": TEXT, "type": "value_error"}]},
        ),
        ("ok_false", 200, {"ok": False, "error": TEXT}),
    ],
)
def test_an_error_comes_in_each_envelope(
    convai_sandbox: Sandbox, envelope: str, status: int, shape: dict[str, Any]
) -> None:
    convai_sandbox.set(faults={"500": 1}, error_envelope=envelope, error_text=TEXT)

    reply = call(convai_sandbox, "generate")

    found = reply.json
    for name, expected in shape.items():
        if expected is uuid.UUID:
            found[name] = type(uuid.UUID(found[name]))
    assert (reply.status, found) == (status, shape)
    assert outcomes(convai_sandbox) == {"500": 1}


def test_an_error_can_be_plain_text_or_have_no_body(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(faults={"500": 1}, error_envelope="text", error_text=TEXT)
    plain = call(convai_sandbox, "generate")
    convai_sandbox.set(error_envelope="none")
    empty = call(convai_sandbox, "generate")

    assert (plain.status, plain.body) == (500, TEXT.encode())
    assert plain.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (empty.status, empty.body) == (500, b"")


@pytest.mark.parametrize(
    ("retry_after", "shown"),
    [
        ("", None),
        ("2", "2"),
        ("soon", "soon"),
        ("-1", "-1"),
        (5, "5"),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT"),
    ],
)
def test_the_limit_is_told_with_any_retry_after(
    convai_sandbox: Sandbox, retry_after: Any, shown: str | None
) -> None:
    convai_sandbox.set(rate_limit=1, retry_after=retry_after)
    generate(convai_sandbox)

    reply = call(convai_sandbox, "generate")

    assert reply.status == 429
    assert reply.headers["Retry-After"] == shown


@pytest.mark.parametrize(
    ("malformed", "check"),
    [
        ("not_json", lambda body: body.startswith(b"<html>")),
        ("empty_object", lambda body: json.loads(body) == {}),
        ("empty_token", lambda body: json.loads(body)["apiAuthToken"] == ""),
        ("token_number", lambda body: json.loads(body)["apiAuthToken"] == 1234567890),
        ("ok_false", lambda body: json.loads(body)["ok"] is False),
        ("huge", lambda body: len(body) > 64 * 1024 and json.loads(body)["apiAuthToken"]),
    ],
)
def test_a_malformed_answer_is_a_200_for_no_token(
    convai_sandbox: Sandbox, malformed: str, check: Any
) -> None:
    convai_sandbox.set(malformed=malformed)

    reply = call(convai_sandbox, "generate")

    assert reply.status == 200
    assert check(reply.body)
    assert convai_sandbox.summary()["generated"] == 0
    assert outcomes(convai_sandbox) == {malformed: 1}


def test_an_answer_can_be_cut_short(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(malformed="truncated")

    with pytest.raises(http.client.IncompleteRead):
        call(convai_sandbox, "generate")


def test_an_answer_can_be_no_http_at_all(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(malformed="not_http")

    with pytest.raises(http.client.BadStatusLine):
        call(convai_sandbox, "generate")


@pytest.mark.parametrize(("wait", "told"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (41.01, "42")])
def test_seconds_to_wait_are_rounded_up_and_never_none(wait: float, told: str) -> None:
    assert retry_after("seconds", wait) == told


def test_a_long_token_is_no_longer_for_its_prefix() -> None:
    switches = Switches.of({"token_style": "long", "token_prefix": "x" * 1000})

    tokens = {new_token(switches) for _ in range(10)}

    assert len(tokens) == 10
    assert {len(token) for token in tokens} == {4096}


def test_what_is_no_name_of_nonsense_is_none() -> None:
    assert [nonsense(fault) for fault in ("", "503", "hang")] == [None, None, None]
    assert all(nonsense(fault) for fault in MALFORMED)
