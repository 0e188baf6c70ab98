"""The sandbox's own endpoints: the ledger and the switches over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from convai_sandbox.process import Sandbox, SandboxError
from convai_sandbox.switches import Switches

from .calls import call, generate


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
