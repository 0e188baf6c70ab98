"""Answers as Convai gives them, and what the verbs' readers make of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import product
from typing import Any

from convai_tokens.convai.answers import confirmed_revoked, extended_until, generated_token
from convai_tokens.convai.transport import Reader, text_of

NOW = datetime(2026, 11, 22, 14, 0, 0, tzinfo=UTC)
TOKEN = "eyJhbGciOiJIUzI1NiJ9.CANARY-TOKEN.c2lnbmF0dXJl"

READERS: dict[str, Reader[Any]] = {
    "generate": generated_token,
    "extend": extended_until,
    "revoke": confirmed_revoked,
}
VERBS = sorted(READERS)
VERBS_OF_A_TOKEN = ["extend", "revoke"]

Envelope = Callable[[str], Any]
# The envelopes that Convai's public pages show, each as a function of the text inside.
UNMISTAKABLE: dict[str, Envelope] = {
    "ERROR": lambda text: {"ERROR": text},
    "ERROR with a reference": lambda text: {"ERROR": text, "Reference ID": "0b7c"},
    "error": lambda text: {"error": text},
    "API_ERROR": lambda text: {"API_ERROR": text},
    "INTERNAL_ERROR": lambda text: {"INTERNAL_ERROR": text},
    "status": lambda text: {"status": "error", "message": text, "transactionID": "0b7c"},
    "STATUS": lambda text: {"STATUS": "ERROR", "message": text},
    "ok": lambda text: {"ok": False, "error": text},
    "ok with a message": lambda text: {"ok": False, "message": text},
}
ENVELOPES: dict[str, Envelope] = {
    **UNMISTAKABLE,
    "detail": lambda text: {"detail": text},
    "detail as a list": lambda text: {"detail": [{"msg": text, "loc": ["header"]}]},
    "message": lambda text: {"message": text},
    "JSON text": lambda text: text,
}
OBJECTS = {name: envelope for name, envelope in ENVELOPES.items() if name != "JSON text"}
KEY_TEXTS = [
    "Api key is invalid.",
    "The request is missing an API key.",
    "The request contains an invalid API key.",
    "invalid api_key",
]
RATE_TEXTS = [
    "You've reached your request limit per minute",
    "API rate limit exceeded. Please try again later.",
    "Too many requests",
]
PLAN_TEXT = "API usage limit exceeded for current plan."
TOKEN_TEXTS = ["Unknown token.", "apiAuthToken has expired", "Token already revoked"]


def read(verb: str, status: int, body: Any = b"", **headers: str) -> Any:
    """Return what the verb's reader makes of an answer; a body that isn't bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return READERS[verb](status, names, text_of(content))


def assert_each(
    expected: tuple[type[Exception], str],
    verbs: Iterable[str],
    statuses: Iterable[int],
    bodies: Iterable[object],
) -> None:
    """Check kind and code of the outcome of each verb with each status and body."""
    for verb, status, body in product(verbs, statuses, bodies):
        outcome = read(verb, status, body)
        told = type(outcome), getattr(outcome, "code", "")
        assert told == expected, f"{status} to {verb} with {body!r} is {told}"


def in_envelopes(envelopes: Mapping[str, Envelope], *texts: str) -> list[object]:
    """Return each text in each of the envelopes."""
    return [envelope(text) for envelope in envelopes.values() for text in texts]
