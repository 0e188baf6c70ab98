"""Switches are declared once, and wrong values are refused with a sentence."""

from __future__ import annotations

import json
import random
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from convai_sandbox.cli import switches_of
from convai_sandbox.switches import SwitchError, Switches, table

DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"

# For every switch a value other than its default, as text for the command line and as JSON.
VALUES: dict[str, tuple[str, Any]] = {
    "latency": ("0.1-0.5", (0.1, 0.5)),
    "faults": ("503=0.3,hang=0.1", {"503": 0.3, "hang": 0.1}),
    "fault_paths": ("generate,connect", ("generate", "connect")),
    "hang": ("", True),
    "hang_after": ("", True),
    "reset": ("", True),
    "drop": ("", True),
    "drip": ("", True),
    "drip_headers": ("", True),
    "drip_interval": ("0.5", 0.5),
    "redirect": ("307", 307),
    "redirect_to": ("https://127.0.0.1:1/x", "https://127.0.0.1:1/x"),
    "malformed": ("huge", "huge"),
    "in_front": ("portal", "portal"),
    "on_the_way": ("gzip", "gzip"),
    "seed": ("7", 7),
    "error_envelope": ("detail_list", "detail_list"),
    "error_text": ("No.", "No."),
    "echo_secrets": ("", True),
    "ttl": ("60", 60.0),
    "expiration_format": ("naive", "naive"),
    "clock_offset": ("-120", -120.0),
    "token_style": ("uuid", "uuid"),
    "token_prefix": ("CANARY-", "CANARY-"),
    "same_token": ("", True),
    "only_newest": ("", True),
    "single_use": ("", True),
    "extend_by": ("86400", 86400.0),
    "extend_body": ("none", "none"),
    "success_body": ("none", "none"),
    "revoke_unknown": ("401", 401),
    "revoke_dead": ("404", 404),
    "name_token": ("no", False),
    "accepted_keys": ("a,b", ("a", "b")),
    "key_on_extend": ("no", False),
    "key_on_revoke": ("no", False),
    "rate_limit": ("3", 3),
    "retry_after": ("2", "2"),
}


def test_this_file_has_a_value_for_every_switch() -> None:
    assert [declared.name for declared in fields(Switches)] == list(VALUES)
    assert all(Switches.of({name: json_}) != Switches() for name, (_, json_) in VALUES.items())


@pytest.mark.parametrize("name", VALUES)
def test_a_switch_means_the_same_on_the_command_line_and_in_json(name: str) -> None:
    text, value = VALUES[name]
    options = {"switches": "{}", name: text if text not in ("", "no") else value}

    asked_as_text = switches_of(options)
    asked_as_json = Switches.of(json.loads(json.dumps({name: value})))

    assert asked_as_text == asked_as_json
    assert getattr(asked_as_json, name) == value


def test_all_switches_survive_being_written_as_json() -> None:
    switches = Switches.of({name: value for name, (_, value) in VALUES.items()})

    assert Switches.of(json.loads(json.dumps(switches.as_json()))) == switches


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latency", -1),
        ("latency", [0.5, 0.1]),
        ("latency", [1, 2, 3]),
        ("latency", "soon"),
        ("latency", None),
        ("latency", True),
        ("faults", {"999": 0.1}),
        ("faults", {"503": 1.1}),
        ("faults", {"503": 0.6, "hang": 0.6}),
        ("faults", {"503": "often"}),
        ("faults", "503"),
        ("faults", 503),
        ("fault_paths", ["elsewhere"]),
        ("fault_paths", 3),
        ("hang", 1),
        ("hang", "yes"),
        ("redirect", 300),
        ("redirect", True),
        ("redirect_to", "ftp://127.0.0.1"),
        ("redirect_to", "http://a\r\nX: y"),
        ("malformed", "odd"),
        ("ttl", float("inf")),
        ("ttl", float("nan")),
        ("ttl", "3600"),
        ("rate_limit", 63.5),
        ("token_prefix", "two words"),
        ("token_prefix", "x" * 1001),
        ("accepted_keys", ["a b"]),
        ("error_text", "two\nlines"),
        ("retry_after", "tomorrow\r\nX: y"),
        ("seed", -1),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_switch(name: str, value: Any) -> None:
    with pytest.raises(SwitchError, match=f"^{name} must be "):
        Switches.of({name: value})


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(SwitchError, match=r"seed must be .*; ttl must be "):
        Switches.of({"ttl": -1, "seed": -1})
    with pytest.raises(SwitchError, match="there is no switch 'latecny', 'x'"):
        Switches.of({"x": 1, "latecny": 1})


def test_faults_are_drawn_at_their_rates() -> None:
    switches = Switches.of({"faults": {"503": 0.25, "hang": 0.25}, "latency": "0.1-0.2"})
    source = random.Random(1)

    draws = [switches.draw("revoke", source) for _ in range(4000)]

    counts = [[fault for _, fault in draws].count(name) for name in ("503", "hang", "")]
    assert all(
        abs(found - expected) < 150
        for found, expected in zip(counts, (1000, 1000, 2000), strict=True)
    )
    assert all(0.1 <= latency <= 0.2 for latency, _ in draws)
    assert switches.draw("connect", source) == (0.0, "")


def test_a_switch_that_is_on_wins_over_the_mix() -> None:
    source = random.Random(1)
    mix = {"faults": {"503": 1.0}}

    assert Switches.of({**mix, "reset": True}).draw("extend", source)[1] == "reset"
    assert Switches.of({**mix, "redirect": 308}).draw("extend", source)[1] == "308"
    assert Switches.of({**mix, "malformed": "huge"}).draw("extend", source)[1] == "huge"


def test_the_documentation_has_the_table_of_all_switches() -> None:
    assert table() in DOCS.read_text(), (
        "run: python -c 'from convai_sandbox.switches import table; print(table())'"
    )
    assert len(re.findall(r"^\| `", table(), re.MULTILINE)) == len(VALUES)
