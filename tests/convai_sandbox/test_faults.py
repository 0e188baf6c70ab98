"""What goes wrong on purpose, and what it leaves in the ledger."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from convai_sandbox.process import Sandbox

from .calls import KEY, call, generate, sent, token_of, wait_until

TEXT = "Something of ours."


def outcomes(sandbox: Sandbox, path: str = "/user/connect") -> dict[str, int]:
    """Return the ledger's counts of what calls to ``path`` got."""
    found: dict[str, int] = sandbox.summary()["answers"].get(path, {})
    return found


def test_latency_delays_the_vendors_calls_and_no_others(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(latency="0.2-0.25")

    started = time.monotonic()
    token = generate(convai_sandbox)
    took = time.monotonic() - started

    assert took >= 0.2
    convai_sandbox.set(latency=600)
    assert convai_sandbox.connect(token) == 200  # would time out


def test_faults_play_on_the_chosen_paths_only(convai_sandbox: Sandbox) -> None:
    token = generate(convai_sandbox)
    convai_sandbox.set(faults={"503": 1}, fault_paths=["revoke", "connect"])

    statuses = [call(convai_sandbox, verb, token).status for verb in ("extend", "revoke")]

    assert statuses == [200, 503]
    assert convai_sandbox.connect(token) == 503
    assert convai_sandbox.live() == [token]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "Api key is invalid."),
        (403, "API usage limit exceeded for current plan."),
        (429, "You've reached your request limit per minute"),
        (500, "Internal Server Error"),
        (503, "API rate limit exceeded. Please try again later."),
        (599, "Something went wrong."),
    ],
)
def test_a_status_is_played_with_a_text_that_fits(
    convai_sandbox: Sandbox, status: int, text: str
) -> None:
    convai_sandbox.set(faults={status: 1.0}, retry_after="7")

    reply = call(convai_sandbox, "generate")

    assert (reply.status, reply.json) == (status, {"ERROR": text})
    assert reply.headers["Retry-After"] == ("7" if status in (429, 503) else None)
    assert convai_sandbox.summary()["generated"] == 0
    assert outcomes(convai_sandbox) == {str(status): 1}


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


def test_an_error_can_repeat_key_and_token(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(faults={"500": 1}, echo_secrets=True)

    reply = call(convai_sandbox, "revoke", "a-token-to-look-for")

    assert KEY in reply.json["ERROR"]
    assert "a-token-to-look-for" in reply.json["ERROR"]


def test_a_hanging_call_does_nothing_and_is_closed_when_hanging_ends(
    convai_sandbox: Sandbox,
) -> None:
    convai_sandbox.set(hang=True)
    with sent(convai_sandbox) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        convai_sandbox.set(hang=False)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)

    assert convai_sandbox.summary()["generated"] == 0
    assert outcomes(convai_sandbox) == {"hang": 1}


def test_a_call_can_hang_after_the_token_was_generated(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(hang_after=True)
    with sent(convai_sandbox) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)

    assert len(convai_sandbox.live()) == 1
    assert outcomes(convai_sandbox) == {"hang_after": 1}


def test_hanging_calls_end_with_their_clients() -> None:
    def threads() -> int:
        with open(f"/proc/{sandbox.pid}/status") as status:
            return int(next(line.split()[1] for line in status if line.startswith("Threads:")))

    with Sandbox(hang=True) as sandbox:
        idle = threads()
        connections = [socket.create_connection(("127.0.0.1", sandbox.port)) for _ in range(20)]
        for connection in connections:
            connection.sendall(
                b"POST /user/connect HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}and more than that"
            )
        wait_until(lambda: threads() == idle + 20)
        for connection in connections:
            connection.close()
        wait_until(lambda: threads() == idle)

        assert sandbox.summary()["answers"] == {"/user/connect": {"hang": 20}}


def test_a_reset_comes_before_anything_is_done(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(reset=True)

    with sent(convai_sandbox) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)

    assert convai_sandbox.summary()["generated"] == 0
    assert outcomes(convai_sandbox) == {"reset": 1}


def test_a_dropped_call_has_been_done(convai_sandbox: Sandbox) -> None:
    token = generate(convai_sandbox)
    convai_sandbox.set(drop=True)

    with sent(convai_sandbox) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    with pytest.raises(ConnectionResetError):
        call(convai_sandbox, "revoke", token)

    assert convai_sandbox.summary()["generated"] == 2
    assert token_of(convai_sandbox, token)["status"] == "revoked"
    assert len(convai_sandbox.live()) == 1


def test_a_dripped_body_comes_byte_by_byte_after_the_headers(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(drip=True, drip_interval=30)
    with sent(convai_sandbox) as connection:
        received = b""
        while not received.partition(b"\r\n\r\n")[2]:
            received += connection.recv(4096)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n{")
    assert len(convai_sandbox.live()) == 1


def test_dripped_headers_come_byte_by_byte(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(drip_headers=True, drip_interval=30)
    with sent(convai_sandbox) as connection:
        first = connection.recv(4096)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)

    assert first == b"H"


@pytest.mark.parametrize("drip", ["drip", "drip_headers"])
def test_a_dripped_answer_is_whole_in_the_end(convai_sandbox: Sandbox, drip: str) -> None:
    convai_sandbox.set(**{drip: True, "drip_interval": 0})

    reply = call(convai_sandbox, "generate")

    assert convai_sandbox.live() == [reply.json["apiAuthToken"]]
    assert outcomes(convai_sandbox) == {drip: 1}


def test_dripping_ends_with_its_switch(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(drip=True, drip_interval=0.2)
    with sent(convai_sandbox) as connection:
        connection.recv(4096)
        convai_sandbox.set(drip=False)
        connection.settimeout(5)
        received = b""
        while not received.endswith(b'Z"}'):
            received += connection.recv(4096)

    assert len(received) > 20


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_its_target_and_does_nothing(convai_sandbox: Sandbox, status: int) -> None:
    convai_sandbox.set(redirect=status, redirect_to="https://127.0.0.1:1/elsewhere")

    reply = call(convai_sandbox, "generate")

    assert (reply.status, reply.headers["Location"]) == (status, "https://127.0.0.1:1/elsewhere")
    assert convai_sandbox.summary()["generated"] == 0


def test_a_redirect_without_a_target_leads_to_a_404(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(faults={"308": 1})

    target = call(convai_sandbox, "generate").headers["Location"]

    assert convai_sandbox.call("POST", target)[0] == 404
    assert convai_sandbox.summary()["calls"] == {"/user/connect": 1, "/elsewhere": 1}


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


@pytest.mark.parametrize(("malformed", "live"), [("not_json", 0), ("huge", 0), ("ok_false", 1)])
def test_a_malformed_success_of_revoke_is_a_success(
    convai_sandbox: Sandbox, malformed: str, live: int
) -> None:
    token = generate(convai_sandbox)
    convai_sandbox.set(malformed=malformed)

    status = call(convai_sandbox, "revoke", token).status
    unknown = call(convai_sandbox, "revoke", "unknown").status

    assert (status, len(convai_sandbox.live())) == (200, live)
    assert unknown == (200 if malformed == "ok_false" else 404)


def test_a_mix_plays_everything_at_once(convai_sandbox: Sandbox) -> None:
    mix = {"503": 0.2, "429": 0.2, "reset": 0.2, "drop": 0.1, "307": 0.1, "not_json": 0.1}
    convai_sandbox.set(faults=mix, seed=11)

    def attempt(_: int) -> str:
        try:
            reply = call(convai_sandbox, "generate")
        except ConnectionResetError:
            return "reset or drop"
        return str(reply.status)

    with ThreadPoolExecutor(8) as pool:
        seen = Counter(pool.map(attempt, range(300)))

    counted = outcomes(convai_sandbox)
    assert counted.keys() == {*mix, "200"}
    assert sum(counted.values()) == 300
    assert seen["reset or drop"] == counted["reset"] + counted["drop"]
    assert seen["200"] == counted["200"] + counted["not_json"]
    assert convai_sandbox.summary()["generated"] == counted["200"] + counted["drop"]


def test_a_seed_repeats_the_same_mix(convai_sandbox: Sandbox) -> None:
    runs = []
    for _ in range(2):
        convai_sandbox.set(faults={"503": 0.3, "429": 0.3}, seed=5)
        runs.append([call(convai_sandbox, "generate").status for _ in range(20)])

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 429, 503}


def test_a_call_under_way_leaves_no_trace_after_a_reset(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(latency=0.4)
    late = threading.Thread(target=call, args=(convai_sandbox, "generate"))
    late.start()
    wait_until(lambda: convai_sandbox.summary()["calls"])

    convai_sandbox.reset()
    late.join()

    assert convai_sandbox.ledger()["tokens"] == []
    assert convai_sandbox.summary()["answers"] == {}
