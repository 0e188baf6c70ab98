"""The faults that are answers: what is told, and what it leaves in the ledger."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from convai_sandbox.process import Sandbox
from convai_sandbox.switches import IN_FRONT

from .calls import KEY, call, generate, outcomes, wait_until


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


def test_an_error_can_repeat_key_and_token(convai_sandbox: Sandbox) -> None:
    convai_sandbox.set(faults={"500": 1}, echo_secrets=True)

    reply = call(convai_sandbox, "revoke", "a-token-to-look-for")

    assert KEY in reply.json["ERROR"]
    assert "a-token-to-look-for" in reply.json["ERROR"]


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


@pytest.mark.parametrize("name", IN_FRONT)
@pytest.mark.parametrize("verb", ["generate", "extend", "revoke"])
def test_what_stands_in_front_answers_2xx_and_convai_sees_no_call(
    convai_sandbox: Sandbox, verb: str, name: str
) -> None:
    token = generate(convai_sandbox)
    before = convai_sandbox.ledger()["tokens"]
    convai_sandbox.set(in_front=name)

    answer = call(convai_sandbox, verb, token)

    assert answer.status == (202 if name == "queued" else 200)
    assert convai_sandbox.ledger()["tokens"] == before


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
