"""The sandbox's answers: successes, errors, nonsense and token values, as bytes."""

from __future__ import annotations

import base64
import json
import math
import secrets
import uuid
from dataclasses import dataclass

from .switches import Switches

JSON_TYPE = "application/json"
HUGE = 70 * 1024  # clients are to stop reading at 64 kB
LONG = 4096  # characters of a token in style long: the length isn't documented, 4 kB are allowed


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; ``outcome`` is what the ledger counts it as, "" for its status.

    ``claimed_length`` is a Content-Length that isn't true; ``before`` and ``after`` are bytes that
    come on the same connection, and are no part of it.
    """

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    outcome: str = ""
    claimed_length: int | None = None
    before: bytes = b""
    after: bytes = b""
    version: str = "HTTP/1.1"


def new_token(switches: Switches) -> str:
    """Return a fresh token value in the style and with the prefix that are switched on."""
    prefix, style = switches.token_prefix, switches.token_style
    if style == "uuid":
        return prefix + str(uuid.uuid4())
    if style == "long":
        return (prefix + secrets.token_urlsafe(LONG))[:LONG]
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    return f"{prefix}{header}.{secrets.token_urlsafe(48)}.{secrets.token_urlsafe(32)}"


def json_answer(
    status: int, data: object, headers: tuple[tuple[str, str], ...] = (), outcome: str = ""
) -> Answer:
    return Answer(status, json.dumps(data).encode(), headers=headers, outcome=outcome)


def success(kind: str) -> Answer:
    if kind == "no_content":
        return Answer(204)
    if kind == "none":
        return Answer(200)
    if kind == "text":
        return Answer(200, b"OK", "text/plain; charset=utf-8")
    return json_answer(200, {"STATUS": "SUCCESS"} if kind == "STATUS" else {"status": "success"})


def envelope_of(kind: str, text: str) -> dict[str, object]:
    """Return an error body of one of the shapes that Convai's public pages show."""
    if kind == "ERROR_reference":
        return {"ERROR": text, "Reference ID": str(uuid.uuid4())}
    if kind == "status":
        return {"status": "error", "message": text, "transactionID": str(uuid.uuid4())}
    if kind == "detail_list":
        return {"detail": [{"loc": ["body"], "msg": text, "type": "value_error"}]}
    return {kind: text}


def retry_after(style: str, wait: float) -> str:
    """Return the header's value: the seconds to ``wait``, or ``style`` itself."""
    return str(max(math.ceil(wait), 1)) if style == "seconds" else style


def in_front(fault: str) -> Answer | None:
    """Return what answers in Convai's place, or None when ``fault`` is no name of that."""
    bodies: dict[str, object] = {
        "list": [1, 2],
        "success_false": {"success": False},
        "error_message": {"errorMessage": "Task timed out", "errorType": "Sandbox.Timedout"},
        "errors": {"errors": ["Something went wrong."]},
        "detail_200": {"detail": "Service temporarily unavailable"},
        "status_code": {"statusCode": 500},
    }
    if fault in bodies:
        return Answer(200, json.dumps(bodies[fault]).encode(), outcome=fault)
    if fault == "queued":
        return Answer(202, b'{"message": "queued"}', outcome=fault)
    pages = {
        "maintenance": b"<!doctype html><title>Back soon</title><p>We are improving our service.",
        "portal": b"<html><body><form>Room number <input name=room></form></body></html>",
    }
    page = pages.get(fault)
    return None if page is None else Answer(200, page, "text/html", outcome=fault)


def nonsense(fault: str) -> Answer | None:
    """Return the nonsense called ``fault``, or None when that is no name of nonsense."""
    ends = "2099-01-15T14:30:00Z"
    bodies: dict[str, object] = {
        "empty_object": {},
        "empty_token": {"apiAuthToken": "", "expirationTime": ends},
        "token_number": {"apiAuthToken": 1234567890, "expirationTime": ends},
        "ok_false": {"ok": False, "error": "Something went wrong."},
    }
    if fault in bodies:
        return Answer(200, json.dumps(bodies[fault]).encode(), outcome=fault)
    if fault == "huge":
        data = {"apiAuthToken": "x" * 300, "expirationTime": ends, "padding": "x" * HUGE}
        return Answer(200, json.dumps(data).encode(), outcome=fault)
    if fault == "not_json":
        return Answer(200, b"<html><body>OK</body></html>", "text/html", outcome=fault)
    if fault == "truncated":
        return Answer(200, b'{"apiAuthToken": "', outcome=fault, claimed_length=400)
    if fault == "not_http":
        return Answer(0, b"\x16\x03\x01 this is no HTTP answer\r\n\r\n", outcome=fault)
    return None
