"""The kinds of value that a switch can have: each checks one and returns it in its one form.

A kind takes what JSON or the command line gave, and raises ``ValueError`` with a sentence that
completes "latency must be ...".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Check = Callable[[object], T]

_VISIBLE = re.compile(r"[\x21-\x7e]*")
_LINE = re.compile(r"[\x20-\x7e]*")


def flag(value: object) -> bool:
    """Return a bool; anything else, 0 and "yes" included, is refused."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def number(low: float = 0.0, high: float = math.inf) -> Check[float]:
    """Return the check of a finite number from ``low`` to ``high``."""
    bounds = f"from {low:g}" + ("" if math.isinf(high) else f" to {high:g}")

    def check(value: object) -> float:
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not (math.isfinite(value) and low <= value <= high)
        ):
            raise ValueError(f"a number {bounds}")
        return float(value)

    return check


def integer(low: int, high: int) -> Check[int]:
    """Return the check of a whole number from ``low`` to ``high``."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def one_of(*allowed: T) -> Check[T]:
    """Return the check of a value that is one of ``allowed``, type included."""

    def check(value: object) -> T:
        for candidate in allowed:
            if type(value) is type(candidate) and value == candidate:
                return candidate
        raise ValueError(f"one of {', '.join(map(str, allowed))}")

    return check


def text(value: object) -> str:
    """Return one line of printable ASCII, spaces allowed, which is safe in a header."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _LINE.fullmatch(value) or len(value) > 1000:
        raise ValueError("one line of printable ASCII of at most 1000 characters")
    return value


def word(value: object) -> str:
    """Return printable ASCII without spaces."""
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value) or len(value) > 1000:
        raise ValueError("printable ASCII without spaces, of at most 1000 characters")
    return value


def url(value: object) -> str:
    """Return an http(s) URL, or the empty string."""
    if value != "" and not re.match(r"https?://[^/]", word(value)):
        raise ValueError("an http or https URL, or empty")
    return word(value)


def words(value: object) -> tuple[str, ...]:
    """Return the words of a list, or of a text that separates them by commas."""
    parts = (
        [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, str)
        else value
    )
    if not isinstance(parts, (list, tuple)):
        raise ValueError("a list of words, or words with commas between them")
    return tuple(word(part) for part in parts)


def some_of(*allowed: str) -> Check[tuple[str, ...]]:
    """Return the check of a list of words (see ``words``) out of ``allowed``."""

    def check(value: object) -> tuple[str, ...]:
        found = words(value)
        if unknown := [part for part in found if part not in allowed]:
            raise ValueError(f"some of {', '.join(allowed)}; {unknown[0]!r} is none of them")
        return found

    return check


def span(value: object) -> tuple[float, float]:
    """Return (least, most) seconds, from 0.2, [0.1, 0.5], or "0.1-0.5"."""
    ends: Sequence[object] = value if isinstance(value, (list, tuple)) else [value, value]
    try:
        if isinstance(value, str):
            ends = [float(part) for part in value.split("-")]
        least, most = (number(0, 3600)(end) for end in ends)
        if least <= most:
            return least, most
    except ValueError:
        pass
    raise ValueError("seconds up to 3600, or least-most such as 0.1-0.5")


def rates(allowed: Iterable[str]) -> Check[dict[str, float]]:
    """Return the check of a mapping of names out of ``allowed`` to rates that sum to at most 1.

    Takes an object such as {"503": 0.3, "hang": 0.1}, or the text "503=0.3,hang=0.1".
    """
    names = frozenset(allowed)
    rate = number(0, 1)

    def check(value: object) -> dict[str, float]:
        if isinstance(value, str):
            try:
                pairs = [part.split("=") for part in value.split(",") if part.strip()]
                value = {name.strip(): json.loads(weight) for name, weight in pairs}
            except ValueError:
                value = None
        if not isinstance(value, dict):
            raise ValueError('rates by fault, such as {"503": 0.3, "hang": 0.1}')
        found = {str(name): weight for name, weight in value.items()}
        for name, weight in found.items():
            if name not in names:
                raise ValueError(f"rates by fault; there is no fault {name!r}")
            found[name] = rate(weight)
        if sum(found.values()) > 1.000001:  # ten times 0.1 is a little more than 1
            raise ValueError("rates that sum to 1 at most")
        return found

    return check
