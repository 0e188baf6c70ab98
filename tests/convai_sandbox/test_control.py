"""The ledger and the switches over HTTP."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from convai_sandbox.process import Sandbox, SandboxError
from convai_sandbox.switches import Switches

from .calls import call, generate, token_of


def test_the_ledger_tells_the_whole_life_of_a_token(convai_sandbox: Sandbox) -> None:
    token = generate(convai_sandbox)
    convai_sandbox.connect(token)
    call(convai_sandbox, "extend", token)
    call(convai_sandbox, "revoke", token)
    call(convai_sandbox, "revoke", token)
    convai_sandbox.connect(token)

    known = token_of(convai_sandbox, token)

    moments = [
        known["generated_at"], *known["used"], *known["extended"], *known["revoke_calls"]
    ]  # fmt: skip
    assert all(moment.endswith("Z") for moment in moments)
    assert moments == sorted(moments)
    assert known["revoked_at"] == known["revoke_calls"][0]
    assert {name: known[name] for name in known if name.endswith(("_count", "_by", "status"))} == {
        "status": "revoked",
        "extend_count": 1,
        "revoke_count": 2,
        "ended_by": "revoke",
        "used_count": 1,
        "refused_count": 1,
    }
    life = datetime.fromisoformat(known["expires_at"]) - datetime.fromisoformat(moments[2])
    assert life.total_seconds() == pytest.approx(3600)


def test_the_summary_counts_tokens_calls_and_answers(convai_sandbox: Sandbox) -> None:
    expired = generate(convai_sandbox)
    convai_sandbox.set(clock_offset=3700)
    live, revoked = generate(convai_sandbox), generate(convai_sandbox)
    call(convai_sandbox, "revoke", revoked)
    call(convai_sandbox, "revoke", "unknown")
    convai_sandbox.call("GET", "/user/connect?x=1")

    assert convai_sandbox.summary() == convai_sandbox.ledger()["summary"]
    assert convai_sandbox.summary() == {
        "generated": 3,
        "live": 1,
        "expired": 1,
        "revoked": 1,
        "calls": {"/user/connect": 4, "/user/revoke-token": 2},
        "answers": {
            "/user/connect": {"200": 3, "405": 1},
            "/user/revoke-token": {"200": 1, "404": 1},
        },
    }
    for status, value in (("expired", expired), ("live", live), ("revoked", revoked)):
        assert [token["value"] for token in convai_sandbox.ledger(status=status)["tokens"]] == [
            value
        ]


def test_the_ledger_refuses_a_status_that_is_none(convai_sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="live, expired, revoked"):
        convai_sandbox.ledger(status="dead")


def test_the_ledger_can_be_handed_back(convai_sandbox: Sandbox) -> None:
    token, revoked = generate(convai_sandbox), generate(convai_sandbox)
    call(convai_sandbox, "extend", token)
    convai_sandbox.connect(token)
    call(convai_sandbox, "revoke", revoked)
    shown = convai_sandbox.ledger()
    convai_sandbox.reset()

    forgotten = convai_sandbox.connect(token)
    status, _ = convai_sandbox.call("PUT", "/ledger", json.dumps(shown).encode())

    assert (forgotten, status) == (401, 200)
    assert convai_sandbox.ledger() == shown
    assert convai_sandbox.connect(token) == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"tokens": [{}]}', b'{"tokens": 3}', b'{"tokens": [], "summary": 3}'],
)
def test_what_is_no_ledger_is_refused_and_changes_nothing(
    convai_sandbox: Sandbox, body: bytes
) -> None:
    token = generate(convai_sandbox)

    status, said = convai_sandbox.call("PUT", "/ledger", body)

    assert (status, b"not a ledger" in said) == (400, True)
    assert convai_sandbox.live() == [token]


def test_a_large_ledger_is_told_in_full(convai_sandbox: Sandbox) -> None:
    tokens = [generate(convai_sandbox) for _ in range(1203)]

    assert convai_sandbox.live() == tokens


def test_switches_change_together_or_not_at_all(convai_sandbox: Sandbox) -> None:
    before = convai_sandbox.switches()

    for wrong in ({"ttl": 5, "hang": 3}, {"ttl": 5, "no_such": 1}):
        with pytest.raises(SandboxError, match=r"hang must be true or false|no switch 'no_such'"):
            convai_sandbox.set(**wrong)

    assert convai_sandbox.switches() == before
    convai_sandbox.set(ttl=5, hang=True)
    assert convai_sandbox.switches() == {**before, "ttl": 5.0, "hang": True}


@pytest.mark.parametrize("body", [b"", b"[]", b"ttl=5", b"[" * 100000])
def test_switches_must_be_a_json_object(convai_sandbox: Sandbox, body: bytes) -> None:
    status, said = convai_sandbox.call("POST", "/switches", body)

    assert (status, json.loads(said)) == (400, {"error": "the body must be a JSON object"})


def test_switches_go_back_to_those_at_the_start() -> None:
    started: dict[str, Any] = {"ttl": 50.0, "latency": (0.01, 0.02), "faults": {"503": 0.5}}
    with Sandbox(**started) as sandbox:
        at_start = sandbox.switches()
        sandbox.set(ttl=3, faults={}, seed=4)
        sandbox.reset()

        assert sandbox.switches() == at_start
        assert Switches.of(at_start) == Switches.of(started)


def test_health_names_the_process(convai_sandbox: Sandbox) -> None:
    status, body = convai_sandbox.call("GET", "/health")

    assert (status, json.loads(body)) == (200, {"status": "ok", "pid": convai_sandbox.pid})


def test_control_endpoints_take_their_own_methods_only(convai_sandbox: Sandbox) -> None:
    statuses = [
        convai_sandbox.call(method, path)[0]
        for method, path in (("POST", "/ledger"), ("PUT", "/switches"), ("DELETE", "/health"))
    ]

    assert statuses == [405, 405, 405]
    assert convai_sandbox.summary()["calls"] == {}
