"""What the ledger knows of tokens and calls."""

from __future__ import annotations

import http.client
import json
import threading
from datetime import datetime

import pytest

from convai_sandbox.ledger import Ledger, iso, seconds
from convai_sandbox.process import Sandbox

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


def test_paths_that_nobody_serves_are_counted_up_to_a_limit(convai_sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", convai_sandbox.port, timeout=10)
    for number in range(1010):
        connection.request("POST", f"/nowhere/{number}", b"{}")
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())) == (404, {"detail": "Not Found"})
    connection.close()

    calls = convai_sandbox.summary()["calls"]

    assert (len(calls), calls["(other)"]) == (1001, 10)


def test_a_token_dies_when_its_time_is_over(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(ttl=100)
    token = generate(convai_sandbox)

    convai_sandbox.set(clock_offset=99)
    before = convai_sandbox.connect(token)
    convai_sandbox.set(clock_offset=101)

    assert (before, convai_sandbox.connect(token)) == (200, 401)
    assert token_of(convai_sandbox, token)["status"] == "expired"
    assert token_of(convai_sandbox, token)["refused_count"] == 1


def test_a_token_that_is_not_alive_is_never_extended(convai_sandbox: Sandbox) -> None:
    token = generate(convai_sandbox)
    call(convai_sandbox, "revoke", token)

    assert call(convai_sandbox, "extend", token).status == 404
    assert convai_sandbox.live() == []
    assert token_of(convai_sandbox, token)["ended_by"] == "revoke"


def test_only_the_newest_token_can_be_made_to_live(convai_sandbox: Sandbox) -> None:
    earlier = [generate(convai_sandbox) for _ in range(2)]
    convai_sandbox.set(only_newest=True)

    newest = generate(convai_sandbox)

    assert convai_sandbox.live() == [newest]
    assert [token_of(convai_sandbox, token)["ended_by"] for token in earlier] == ["newer"] * 2
    assert token_of(convai_sandbox, earlier[0])["revoked_at"] is None


def test_a_token_can_be_made_to_connect_once(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(single_use=True)
    token = generate(convai_sandbox)

    assert [convai_sandbox.connect(token) for _ in range(3)] == [200, 401, 401]
    assert token_of(convai_sandbox, token)["ended_by"] == "use"


def test_a_minute_starts_with_its_first_call() -> None:
    ledger = Ledger()

    waits = [ledger.admit("key", 2, now) for now in (100, 130, 140, 159.5, 160, 161, 162)]

    assert waits == [0, 0, 20, 0.5, 0, 0, 58]


def test_a_clock_that_is_set_back_starts_a_new_minute() -> None:
    ledger = Ledger()
    ledger.admit("key", 1, 1000)

    assert ledger.admit("key", 1, 10) == 0


def test_times_are_written_with_microseconds_and_read_back() -> None:
    assert iso(1768487400) == "2026-01-15T14:30:00.000000Z"
    assert seconds(iso(1768487400.25)) == 1768487400.25


def test_after_the_last_read_nothing_is_told_to_anyone() -> None:
    ledger = Ledger()
    ledger.generate("told", 0, 10, only_newest=False)
    ledger.read(1, last=True)
    late = threading.Thread(
        target=ledger.generate, args=("late", 0, 10), kwargs={"only_newest": False}, daemon=True
    )
    late.start()
    late.join(0.2)

    assert late.is_alive()
    ledger._lock.release()
    late.join(5)
    assert not late.is_alive()


def test_the_same_token_can_be_generated_again_while_it_lives(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(same_token=True)
    first = generate(convai_sandbox)

    assert generate(convai_sandbox) == first
    call(convai_sandbox, "revoke", first)
    assert generate(convai_sandbox) != first
