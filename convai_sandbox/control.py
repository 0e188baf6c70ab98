"""The sandbox's own endpoints, which Convai doesn't have: ledger, switches, health."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs

from .answers import Answer
from .api import State
from .ledger import STATUSES, Ledger, Token
from .switches import SwitchError

BATCH = 500  # tokens encoded at once; in one go, a large ledger would stop all other threads


def _json(status: int, data: object) -> Answer:
    return Answer(status, json.dumps(data, indent=1).encode() + b"\n")


def _error(text: str) -> Answer:
    return _json(400, {"error": text})


def _object(body: bytes) -> dict[str, object]:
    """Return the JSON object in ``body``; raise ``ValueError``."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ValueError("the body must be a JSON object")
    return data


def read_ledger(state: State, query: str, body: bytes) -> Answer:
    """Return all tokens and the counts; ``summary=1`` only these, ``status=`` only some tokens."""
    asked = parse_qs(query)
    status = asked.get("status", [""])[-1]
    if status and status not in STATUSES:
        return _error(f"status must be one of {', '.join(STATUSES)}")
    if asked.get("summary", ["0"])[-1] not in ("", "0"):
        return _json(200, {"summary": state.ledger.read(state.now)[1]})
    return Answer(200, shown_ledger(state, status))


def shown_ledger(state: State, status: str = "", *, last: bool = False) -> bytes:
    """Return the ledger as JSON, with the tokens of one ``status`` or all; on ``last`` see there.

    Shape: {"summary": counts, "tokens": [...]}, see ``Ledger.read`` and ``Token.as_json``.
    """
    now = state.now
    tokens, summary = state.ledger.read(now, last=last)
    if status:
        tokens = [token for token in tokens if token.status(now) == status]
    start = b'{"summary": ' + json.dumps(summary).encode() + b', "tokens": ['
    return b"".join([start, *_encoded(tokens, now), b"]}\n"])


def _encoded(tokens: list[Token], now: float) -> Iterator[bytes]:
    for start in range(0, len(tokens), BATCH):
        batch = [token.as_json(now) for token in tokens[start : start + BATCH]]
        yield (b", " if start else b"") + json.dumps(batch).encode()[1:-1]


def put_ledger(state: State, query: str, body: bytes) -> Answer:
    """Take over a ledger as ``GET /ledger`` showed it, in place of the present one."""
    try:
        state.ledger = Ledger.restored(body)
    except ValueError as error:
        return _error(str(error))
    return _json(200, {"summary": state.ledger.read(state.now)[1]})


def delete_ledger(state: State, query: str, body: bytes) -> Answer:
    """Forget everything. Calls that are under way then write into the forgotten ledger."""
    state.ledger = Ledger()
    return _json(200, {})


def read_switches(state: State, query: str, body: bytes) -> Answer:
    """Return all switches as they are."""
    return _json(200, state.switches.as_json())


def set_switches(state: State, query: str, body: bytes) -> Answer:
    """Set those switches that the JSON object names, or none if one is wrong."""
    try:
        return _json(200, state.change(_object(body)).as_json())
    except (SwitchError, ValueError) as error:
        return _error(str(error))


def restore_switches(state: State, query: str, body: bytes) -> Answer:
    """Set all switches as they were at the start."""
    return _json(200, state.restore().as_json())


def health(state: State, query: str, body: bytes) -> Answer:
    """Say that the sandbox is up, and in which process."""
    return _json(200, {"status": "ok", "pid": os.getpid()})


CONTROLS: dict[str, dict[str, Callable[[State, str, bytes], Answer]]] = {
    "/ledger": {"GET": read_ledger, "PUT": put_ledger, "DELETE": delete_ledger},
    "/switches": {"GET": read_switches, "POST": set_switches, "DELETE": restore_switches},
    "/health": {"GET": health},
}
