"""Tests of ``Secret``."""

from __future__ import annotations

import json

from convai_tokens.secret import Secret


def test_a_secret_shows_in_no_repr_of_what_holds_it() -> None:
    holder = {"key": [Secret("a-secret")], "pair": (Secret("a-secret"),)}

    assert "a-secret" not in repr(holder)
    assert "a-secret" not in f"{holder} {Secret('a-secret')!r}"


def test_a_secret_is_a_text_in_all_else() -> None:
    secret = Secret("a-secret")

    assert secret == "a-secret"
    assert hash(secret) == hash("a-secret")
    assert json.dumps({"key": secret}) == '{"key": "a-secret"}'
    assert not hasattr(secret, "__dict__")
