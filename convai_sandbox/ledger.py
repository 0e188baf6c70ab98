"""The truth about tokens: which were generated, extended, revoked, used, and when.

Times are seconds since 1970 on the sandbox's clock (``clock_offset`` included), and ISO 8601 in UTC
with a ``Z`` in what ``read`` returns.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypedDict

STATUSES = ("live", "expired", "revoked")
MINUTE = 60.0
MAX_PATHS = 1000  # whoever calls random paths must not fill the memory


class Shown(TypedDict):
    """A token as ``GET /ledger`` shows it; all times are ISO 8601 in UTC with a ``Z``."""

    value: str
    status: str
    generated_at: str
    expires_at: str
    extend_count: int
    extended: list[str]
    revoke_count: int
    revoke_calls: list[str]
    revoked_at: str | None
    ended_by: str
    used_count: int
    used: list[str]
    refused_count: int


class Summary(TypedDict):
    """Counts: of tokens, of calls by path, and of answers by path and outcome."""

    generated: int
    live: int
    expired: int
    revoked: int
    calls: dict[str, int]
    answers: dict[str, dict[str, int]]


class Whole(TypedDict):
    """What ``GET /ledger`` answers."""

    summary: Summary
    tokens: list[Shown]


def iso(moment: float) -> str:
    """Return ``moment`` (seconds since 1970) as 2026-01-15T14:30:00.123456Z."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"


def seconds(text: str) -> float:
    """Return what ``iso`` was given."""
    return datetime.fromisoformat(text).timestamp()


@dataclass(slots=True)
class Token:
    """One token; ``ended_by`` is "revoke", "newer" or "use" once it was ended before its time."""

    value: str
    generated_at: float
    expires_at: float
    extended: list[float] = field(default_factory=list)
    revoke_calls: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)
    refused: int = 0
    revoked_at: float | None = None
    ended_by: str = ""

    def status(self, now: float) -> str:
        """Return one of ``STATUSES``."""
        if self.ended_by:
            return "revoked"
        return "live" if now < self.expires_at else "expired"

    def as_json(self, now: float) -> Shown:
        """Return the token as ``GET /ledger`` shows it."""
        return {
            "value": self.value,
            "status": self.status(now),
            "generated_at": iso(self.generated_at),
            "expires_at": iso(self.expires_at),
            "extend_count": len(self.extended),
            "extended": [iso(moment) for moment in self.extended],
            "revoke_count": len(self.revoke_calls),
            "revoke_calls": [iso(moment) for moment in self.revoke_calls],
            "revoked_at": None if self.revoked_at is None else iso(self.revoked_at),
            "ended_by": self.ended_by,
            "used_count": len(self.used),
            "used": [iso(moment) for moment in self.used],
            "refused_count": self.refused,
        }

    @classmethod
    def from_json(cls, data: Shown) -> Token:
        """Return the token that ``as_json`` showed; raise what a wrong shape raises."""
        revoked_at = data["revoked_at"]
        return cls(
            str(data["value"]),
            seconds(data["generated_at"]),
            seconds(data["expires_at"]),
            [seconds(moment) for moment in data["extended"]],
            [seconds(moment) for moment in data["revoke_calls"]],
            [seconds(moment) for moment in data["used"]],
            int(data["refused_count"]),
            None if revoked_at is None else seconds(revoked_at),
            str(data["ended_by"]),
        )


class Ledger:
    """All tokens and calls. Safe to share between threads; every method but reads is O(1)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}
        # What `only_newest` has to end when the next token is generated.
        self._not_superseded: list[Token] = []
        self._calls: Counter[str] = Counter()
        self._answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._windows: dict[str, tuple[float, int]] = {}

    def arrived(self, path: str) -> None:
        """Count a call to ``path``, whatever becomes of it."""
        with self._lock:
            self._calls[self._counted(path)] += 1

    def answered(self, path: str, outcome: str) -> None:
        """Count what a call to ``path`` got: a status, or the name of a fault."""
        with self._lock:
            self._answers[self._counted(path)][outcome] += 1

    def _counted(self, path: str) -> str:
        return path if path in self._calls or len(self._calls) < MAX_PATHS else "(other)"

    def admit(self, key: str, limit: int, now: float) -> float:
        """Count a generate call of ``key``; return 0, or the seconds that it has to wait.

        A minute starts with its first call.
        """
        with self._lock:
            start, count = self._windows.get(key, (now, 0))
            if not 0 <= now - start < MINUTE:
                start, count = now, 0
            if count >= limit:
                return start + MINUTE - now
            self._windows[key] = start, count + 1
            return 0.0

    def generate(self, value: str, now: float, ttl: float, *, only_newest: bool) -> Token:
        """Enter a new token, which lives ``ttl`` seconds; ``only_newest`` ends all others."""
        token = Token(value, now, now + ttl)
        with self._lock:
            if only_newest:
                for earlier in self._not_superseded:
                    earlier.ended_by = earlier.ended_by or "newer"
                self._not_superseded = []
            self._not_superseded.append(token)
            self._tokens[value] = token
        return token

    def newest_live(self, now: float) -> Token | None:
        """Return the token that was generated last, None where it isn't alive."""
        with self._lock:
            newest = next(reversed(self._tokens.values()), None)
            return newest if newest and newest.status(now) == "live" else None

    def extend(self, value: str, now: float, by: float) -> float | None:
        """Let a live token end ``by`` seconds from now; return when, or None if it isn't alive."""
        with self._lock:
            token = self._tokens.get(value)
            if token is None or token.status(now) != "live":
                return None
            token.extended.append(now)
            token.expires_at = now + by
            return token.expires_at

    def revoke(self, value: str, now: float, answers: Mapping[str, int]) -> int:
        """Note a revoke call; return 200, or what ``answers`` has for the token's status.

        ``answers``: a status code for each of "unknown", "expired" and "revoked". A token whose
        revocation was answered with 200 is revoked, and stays so.
        """
        with self._lock:
            token = self._tokens.get(value)
            if token is None:
                return answers["unknown"]
            code = answers.get(token.status(now), 200)
            token.revoke_calls.append(now)
            if code == 200:
                token.ended_by = token.ended_by or "revoke"
                if token.revoked_at is None:
                    token.revoked_at = now
            return code

    def connect(self, value: str, now: float, *, single_use: bool) -> bool:
        """Use a token to connect; return whether it is alive."""
        with self._lock:
            token = self._tokens.get(value)
            if token is None:
                return False
            if token.status(now) != "live":
                token.refused += 1
                return False
            token.used.append(now)
            if single_use:
                token.ended_by = "use"
            return True

    def read(self, now: float, *, last: bool = False) -> tuple[list[Token], Summary]:
        """Return all tokens in the order of their generation, and the counts.

        After the ``last`` read nothing changes any more, as every call that wants to waits for
        ever: so what was read holds all that any client has been told.
        """
        self._lock.acquire()
        try:
            tokens = list(self._tokens.values())
            calls = dict(self._calls)
            answers = {path: dict(counted) for path, counted in self._answers.items()}
        finally:
            if not last:
                self._lock.release()
        statuses = Counter(token.status(now) for token in tokens)
        return tokens, {
            "generated": len(tokens),
            "live": statuses["live"],
            "expired": statuses["expired"],
            "revoked": statuses["revoked"],
            "calls": calls,
            "answers": answers,
        }

    @classmethod
    def restored(cls, text: bytes) -> Ledger:
        """Return the ledger that ``GET /ledger`` showed as ``text``; raise ``ValueError``."""
        ledger = cls()
        try:
            data = json.loads(text)
            ledger._take_over(data["tokens"], data.get("summary", {}))  # raises what is no Whole
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a ledger: {type(error).__name__}: {error}") from None
        return ledger

    def _take_over(self, tokens: Iterable[Shown], summary: Summary) -> None:
        for shown in tokens:
            token = Token.from_json(shown)
            self._tokens[token.value] = token
        self._not_superseded = list(self._tokens.values())
        for path, count in summary.get("calls", {}).items():
            self._calls[path] = int(count)
        for path, counted in summary.get("answers", {}).items():
            self._answers[path].update({name: int(count) for name, count in counted.items()})
