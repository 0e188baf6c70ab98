"""What the sandbox plays: every switch, declared once.

The command line, the JSON of ``/switches`` and the table in ``docs/sandbox.md`` derive from it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from . import kinds
from .kinds import Check

T = TypeVar("T")

VERBS = {
    "generate": "/user/connect",
    "extend": "/user/extend-token",
    "revoke": "/user/revoke-token",
    "connect": "/connect",
}
ENVELOPES = (
    "ERROR", "ERROR_reference", "error", "API_ERROR", "INTERNAL_ERROR", "status",
    "detail", "detail_list", "text", "ok_false", "none",
)  # fmt: skip
SUCCESS_BODIES = ("STATUS", "status", "none", "no_content", "text")
MALFORMED = (
    "not_json", "empty_object", "empty_token", "token_number", "ok_false", "huge", "truncated",
    "not_http",
)  # fmt: skip
# What answers in Convai's place: a proxy, a portal, a gateway. Convai never sees the call.
IN_FRONT = (
    "maintenance", "portal", "list", "success_false", "error_message", "errors", "detail_200",
    "status_code", "queued",
)  # fmt: skip
# What becomes of the answer on its way, after Convai has done what was asked.
ON_THE_WAY = ("early_hints", "surplus", "two_lengths", "http_1_0", "gzip", "proxy_503")
REDIRECTS = (301, 302, 303, 307, 308)
# Played by the server, on the socket. One call plays one fault: of those switched on, the first.
TRANSPORT = ("hang", "hang_after", "reset", "drop", "drip", "drip_headers")
FAULTS = (
    *TRANSPORT,
    *MALFORMED,
    *IN_FRONT,
    *ON_THE_WAY,
    *map(str, REDIRECTS),
    *map(str, range(400, 600)),
)
DEAD_STATUSES = (200, 400, 401, 403, 404, 410)
_DEAD = ", ".join(map(str, DEAD_STATUSES))


class SwitchError(ValueError):
    """Unknown switches or bad values; the text has one line for each."""


def switch(default: T, check: Check[T], about: str) -> T:
    """Declare a field: its default, the check that its values pass, and its help text."""
    declared: T = field(default_factory=lambda: default, metadata={"check": check, "about": about})
    return declared


@dataclass(frozen=True)
class Switches:
    """All switches. Build with ``Switches.of``; values are checked, and never change."""

    # How long, and what goes wrong
    latency: tuple[float, float] = switch(
        (0.0, 0.0),
        kinds.span,
        "seconds before a call is looked at; 0.1-0.5: drawn from this range",
    )
    faults: Mapping[str, float] = switch(
        {},
        kinds.rates(FAULTS),
        "a mix of faults, each with its rate: 503=0.2,hang=0.1",
    )
    fault_paths: tuple[str, ...] = switch(
        ("generate", "extend", "revoke"),
        kinds.some_of(*VERBS),
        "where latency and faults play; also connect",
    )
    hang: bool = switch(False, kinds.flag, "do nothing, and don't answer")
    hang_after: bool = switch(False, kinds.flag, "do what is asked, and don't answer")
    reset: bool = switch(False, kinds.flag, "do nothing, and reset the connection")
    drop: bool = switch(False, kinds.flag, "do what is asked, and reset the connection")
    drip: bool = switch(False, kinds.flag, "headers at once, then one byte of body per interval")
    drip_headers: bool = switch(False, kinds.flag, "one byte per interval from the first on")
    drip_interval: float = switch(0.1, kinds.number(0, 60), "seconds between two dripped bytes")
    redirect: int = switch(
        0, kinds.one_of(0, *REDIRECTS), "redirect with 301, 302, 303, 307 or 308; 0: don't"
    )
    redirect_to: str = switch("", kinds.url, "where to; empty: to /elsewhere, a 404")
    malformed: str = switch(
        "",
        kinds.one_of("", *MALFORMED),
        f"answer 200 with nonsense: {', '.join(MALFORMED)}",
    )
    in_front: str = switch(
        "",
        kinds.one_of("", *IN_FRONT),
        f"answer 2xx in Convai's place, and do nothing: {', '.join(IN_FRONT)}",
    )
    on_the_way: str = switch(
        "",
        kinds.one_of("", *ON_THE_WAY),
        f"do what is asked, and spoil the answer: {', '.join(ON_THE_WAY)}",
    )
    seed: int = switch(0, kinds.integer(0, 2**31), "seed of what is drawn at random; 0: a new one")
    # How errors look
    error_envelope: str = switch(
        "ERROR", kinds.one_of(*ENVELOPES), f"body of an error: {', '.join(ENVELOPES)}"
    )
    error_text: str = switch("", kinds.text, "text of errors that are faults; empty: one that fits")
    echo_secrets: bool = switch(
        False, kinds.flag, "error texts repeat the call's API key and token"
    )
    # Tokens
    ttl: float = switch(3600.0, kinds.number(0, 10**7), "seconds that a token lives")
    expiration_format: str = switch(
        "z",
        kinds.one_of("z", "naive", "epoch", "none", "nonsense", "far"),
        "expirationTime: z, naive, epoch, none, nonsense, far",
    )
    clock_offset: float = switch(
        0.0,
        kinds.number(-(10**8), 10**8),
        "seconds by which Convai's clock is ahead",
    )
    token_style: str = switch(
        "jwt", kinds.one_of("jwt", "uuid", "long"), "how tokens look: jwt, uuid, long"
    )
    token_prefix: str = switch("", kinds.word, "every token starts with this text")
    same_token: bool = switch(
        False, kinds.flag, "generate answers the newest token again, while that lives"
    )
    only_newest: bool = switch(False, kinds.flag, "a new token ends all earlier ones")
    single_use: bool = switch(False, kinds.flag, "a token connects once")
    # Extend and revoke
    extend_by: float = switch(
        0.0, kinds.number(0, 10**7), "seconds that extend gives, from now on; 0: as ttl"
    )
    extend_body: str = switch(
        "expiration",
        kinds.one_of("expiration", *SUCCESS_BODIES),
        "body of extend: expiration, or as success_body",
    )
    success_body: str = switch(
        "STATUS",
        kinds.one_of(*SUCCESS_BODIES),
        f"body of revoke: {', '.join(SUCCESS_BODIES)}",
    )
    revoke_unknown: int = switch(
        404, kinds.one_of(*DEAD_STATUSES), f"revoking an unknown token: {_DEAD}"
    )
    revoke_dead: int = switch(
        200, kinds.one_of(*DEAD_STATUSES), "revoking a revoked or expired token: the same choice"
    )
    name_token: bool = switch(True, kinds.flag, "errors about a dead token say so in their text")
    # API keys and limits
    accepted_keys: tuple[str, ...] = switch(
        (), kinds.words, "the good API keys, with commas between; empty: any key"
    )
    key_on_extend: bool = switch(True, kinds.flag, "extend needs the API key")
    key_on_revoke: bool = switch(True, kinds.flag, "revoke needs the API key")
    rate_limit: int = switch(
        0, kinds.integer(0, 10**6), "tokens per API key and minute; 0: no limit"
    )
    retry_after: str = switch(
        "",
        kinds.text,
        "Retry-After of 429 and 503; seconds: those left; else sent as it is",
    )

    def __post_init__(self) -> None:
        """Bring each value into its one form; raise ``SwitchError`` naming all that are bad."""
        wrong = []
        for declared in fields(self):
            try:
                value = declared.metadata["check"](getattr(self, declared.name))
            except ValueError as error:
                wrong.append(f"{declared.name} must be {error}")
            else:
                object.__setattr__(self, declared.name, value)
        if wrong:
            raise SwitchError("; ".join(wrong))

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Switches:
        """Return the defaults with ``values`` in place of some; raise ``SwitchError``."""
        return cls().changed(values)

    def changed(self, values: Mapping[str, object]) -> Switches:
        """Return a copy with ``values`` in place of some; raise ``SwitchError``."""
        known = {declared.name for declared in fields(self)}
        if unknown := sorted(set(values) - known):
            raise SwitchError(f"there is no switch {', '.join(map(repr, unknown))}")
        changes: dict[str, Any] = dict(values)  # of any type, until __post_init__ has checked them
        return replace(self, **changes)

    def as_json(self) -> dict[str, object]:
        """Return all switches by name, in a form that ``of`` takes back."""
        return asdict(self)

    def can(self, fault: str) -> bool:
        """Say whether ``fault``, one of ``TRANSPORT``, is played at all."""
        return bool(getattr(self, fault)) or self.faults.get(fault, 0.0) > 0

    def draw(self, verb: str, source: random.Random) -> tuple[float, str]:
        """Return this call's latency in seconds, and its fault: a name of ``FAULTS``, or ""."""
        if verb not in self.fault_paths:
            return 0.0, ""
        least, most = self.latency
        latency = source.uniform(least, most) if most > least else least
        for name in TRANSPORT:
            if getattr(self, name):
                return latency, name
        if fault := self.redirect or self.malformed or self.in_front or self.on_the_way:
            return latency, str(fault)
        if self.faults:
            left = source.random()
            for name, rate in self.faults.items():
                left -= rate
                if left < 0:
                    return latency, name
        return latency, ""


def table() -> str:
    """Return the table of all switches in ``docs/sandbox.md``."""
    lines = ["| switch | default | what it does |", "|---|---|---|"]
    for name, default in Switches().as_json().items():
        shown = default[0] if isinstance(default, tuple) and name == "latency" else default
        about = Switches.__dataclass_fields__[name].metadata["about"]
        lines.append(f"| `{name}` | `{json.dumps(shown)}` | {about} |")
    return "\n".join(lines) + "\n"
