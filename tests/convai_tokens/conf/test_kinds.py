"""What a setting's value must be."""

from __future__ import annotations

from typing import Any

import pytest

from convai_tokens.conf import is_loopback, kinds
from convai_tokens.secret import Secret


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.0.1", False),
        ("convai.com", False),
        ("", False),
        (None, False),
    ],
)
def test_only_hosts_that_stand_for_this_machine_are_loopback(
    host: str | None, expected: bool
) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("NAMES", (), True),
        ("NAMES", ["key"], True),
        ("NAMES", "key", False),
        ("NAMES", ["key", ""], False),
        ("NAMES", None, False),
        ("API_KEY", "a key", True),
        ("API_KEY", Secret("a key"), True),
        ("API_KEY", Secret(" "), False),
        ("API_KEY", b"a key", False),
        ("KEYS", [Secret("k" * 32)], True),
        ("KEYS", [Secret("k" * 31)], False),
        ("KEYS", "k" * 40, False),
    ],
)
def test_a_value_is_of_its_kind_or_not(name: str, value: Any, expected: bool) -> None:
    kind: kinds.Kind = getattr(kinds, name)

    assert kind.holds(value) is expected
