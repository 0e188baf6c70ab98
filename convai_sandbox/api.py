"""Convai's endpoints without the network: what each call does to the ledger, and its answer."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import responses

from .answers import (
    Answer,
    envelope_of,
    in_front,
    json_answer,
    new_token,
    nonsense,
    retry_after,
    success,
)
from .ledger import Ledger
from .on_the_way import on_the_way
from .switches import REDIRECTS, VERBS, Switches

MISSING_KEY = "The request is missing an API key."
BAD_KEY = "Api key is invalid."
OVER_LIMIT = "You've reached your request limit per minute"
# Convai's documented texts where there is one.
FAULT_TEXTS = {
    401: BAD_KEY,
    403: "API usage limit exceeded for current plan.",
    429: OVER_LIMIT,
    503: "API rate limit exceeded. Please try again later.",
}


class State:
    """Switches and ledger of one sandbox. A call keeps those that it found when it arrived.

    So a call that is still being delayed can't write into the ledger of the next test.
    """

    def __init__(self, switches: Switches) -> None:
        self.at_start = switches
        self.switches = switches
        self.ledger = Ledger()
        self.random = _source(switches)
        self._lock = threading.Lock()

    def change(self, values: Mapping[str, object]) -> Switches:
        """Set some switches, all or none; raise ``SwitchError``."""
        with self._lock:
            switches = self.switches.changed(values)
            if "seed" in values:
                self.random = _source(switches)
            self.switches = switches
            return switches

    def restore(self) -> Switches:
        """Set all switches as they were at the start."""
        with self._lock:
            self.switches = self.at_start
            self.random = _source(self.at_start)
            return self.at_start

    @property
    def now(self) -> float:
        """Seconds since 1970 on Convai's clock."""
        return time.time() + self.switches.clock_offset


def _source(switches: Switches) -> random.Random:
    return random.Random(switches.seed or None)  # noqa: S311 - draws faults, no secrets


class Call:
    """One call of a verb: its headers, its body, and the state it found."""

    def __init__(self, state: State, verb: str, headers: Mapping[str, str], body: bytes) -> None:
        self._switches = state.switches
        self._ledger = state.ledger
        self._random = state.random
        self._verb = verb
        self._headers = headers
        self._body = body
        self.latency, self.fault = self._switches.draw(verb, state.random)

    def answer(self) -> Answer:
        """Do what is asked, unless the fault says otherwise, and return the answer."""
        switches, fault = self._switches, self.fault
        if fault.isdecimal() and int(fault) in REDIRECTS:
            target = switches.redirect_to or "/elsewhere"
            return Answer(int(fault), b"", headers=(("Location", target),))
        if fault.isdecimal():
            return self._failure(int(fault))
        front = in_front(fault)
        if front is not None:
            return front
        malformed = nonsense(fault)
        if malformed is not None and (self._verb == "generate" or fault == "ok_false"):
            return malformed
        answer = self._do()
        if malformed is not None and answer.status < 400:
            return malformed
        return on_the_way(fault, answer)

    # Verbs

    def _do(self) -> Answer:
        verbs = {
            "generate": self._generate,
            "extend": self._extend,
            "revoke": self._revoke,
            "connect": self._connect,
        }
        return verbs[self._verb]()

    def _generate(self) -> Answer:
        switches, now = self._switches, self._now()
        refused = self._bad_key()
        if refused is not None:
            return refused
        if switches.rate_limit:
            key = self._headers.get("CONVAI-API-KEY", "")
            wait = self._ledger.admit(key, switches.rate_limit, now)
            if wait:
                return self._error(429, OVER_LIMIT, wait=wait)
        token = self._ledger.newest_live(now) if switches.same_token else None
        token = token or self._ledger.generate(
            new_token(switches), now, switches.ttl, only_newest=switches.only_newest
        )
        return json_answer(200, {"apiAuthToken": token.value, **self._expiration(token.expires_at)})

    def _extend(self) -> Answer:
        switches = self._switches
        token = self._token_of_body(needs_key=switches.key_on_extend)
        if isinstance(token, Answer):
            return token
        ends = self._ledger.extend(token, self._now(), switches.extend_by or switches.ttl)
        if ends is None:
            return self._dead(404)
        if switches.extend_body == "expiration":
            return json_answer(200, self._expiration(ends))
        return success(switches.extend_body)

    def _revoke(self) -> Answer:
        switches = self._switches
        token = self._token_of_body(needs_key=switches.key_on_revoke)
        if isinstance(token, Answer):
            return token
        answers = {
            "unknown": switches.revoke_unknown,
            "revoked": switches.revoke_dead,
            "expired": switches.revoke_dead,
        }
        return self._dead(self._ledger.revoke(token, self._now(), answers))

    def _connect(self) -> Answer:
        names = ("API-AUTH-TOKEN", "CONVAI-API-KEY", "X-API-Key")
        token = next((found for name in names if (found := self._headers.get(name))), "")
        if self._ledger.connect(token, self._now(), single_use=self._switches.single_use):
            return json_answer(200, {"status": "connected", "sessionId": str(uuid.uuid4())})
        return self._error(401, "The token is invalid or has expired.", as_status=True)

    # Their parts

    def _now(self) -> float:
        return time.time() + self._switches.clock_offset

    def _bad_key(self) -> Answer | None:
        switches, key = self._switches, self._headers.get("CONVAI-API-KEY", "").strip()
        if not key:
            return self._error(401, MISSING_KEY)
        if switches.accepted_keys and key not in switches.accepted_keys:
            return self._error(401, BAD_KEY)
        return None

    def _token_of_body(self, *, needs_key: bool) -> str | Answer:
        refused = self._bad_key() if needs_key else None
        if refused is not None:
            return refused
        try:
            data = json.loads(self._body)
        except (ValueError, RecursionError):
            return self._error(400, "The body of the request is not JSON.")
        token = data.get("apiAuthToken") if isinstance(data, dict) else None
        if not isinstance(token, str) or not token:
            return self._error(400, "The request is missing apiAuthToken.")
        return token

    def _dead(self, status: int) -> Answer:
        """Return the answer to a token that isn't alive, or the success that 200 stands for."""
        if status == 200:
            return success(self._switches.success_body)
        phrase = responses[status]
        text = (
            f"{phrase}: the token is unknown or expired." if self._switches.name_token else phrase
        )
        return self._error(status, text)

    def _failure(self, status: int) -> Answer:
        text = self._switches.error_text or FAULT_TEXTS.get(status, "")
        if not text:
            text = responses.get(status, "Something went wrong.")
        return self._error(status, text, wait=1.0)

    def _error(
        self, status: int, text: str, *, wait: float = 0.0, as_status: bool = False
    ) -> Answer:
        """Return an error in the envelope that is switched on; ``wait`` seconds for Retry-After."""
        switches = self._switches
        if switches.echo_secrets:
            said = self._body.decode("utf-8", "replace")[:20000]
            text = f"{text} (key {self._headers.get('CONVAI-API-KEY', '')}, body {said})"
        headers: tuple[tuple[str, str], ...] = ()
        if switches.retry_after and status in (429, 503):
            headers = (("Retry-After", retry_after(switches.retry_after, wait)),)
        envelope = switches.error_envelope
        # A client tells by the status alone whether it may connect: that one is never a 200.
        if envelope == "ok_false" and not as_status:
            return json_answer(200, {"ok": False, "error": text}, headers, outcome=str(status))
        if envelope == "none":
            return Answer(status, headers=headers)
        if envelope == "text":
            return Answer(status, text.encode(), "text/plain; charset=utf-8", headers)
        return json_answer(status, envelope_of(envelope, text), headers)

    def _expiration(self, ends: float) -> dict[str, object]:
        """Return ``expirationTime`` in the format that is switched on."""
        style = self._switches.expiration_format
        moment = datetime.fromtimestamp(ends, UTC)
        shown: dict[str, object] = {
            "z": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "naive": f"{moment:%Y-%m-%dT%H:%M:%S.%f}",
            "epoch": int(ends),
            "nonsense": "in about an hour",
            "far": "9999-12-31T23:59:59Z",
        }
        return {} if style == "none" else {"expirationTime": shown[style]}


def verb_of(path: str) -> str | None:
    """Return the verb that lives at ``path``, or None."""
    return _VERB_OF.get(path)


_VERB_OF = {path: verb for verb, path in VERBS.items()}
