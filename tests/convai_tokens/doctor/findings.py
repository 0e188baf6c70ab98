"""What the doctor's tests make, run and judge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from convai_tokens.doctor.examination import examine
from convai_tokens.doctor.step import Finding, Status, Step, take
from convai_tokens.models import ConvaiToken
from convai_tokens.models.moments import utc_now

KEY = "CANARY-KEY-5d41402abc4b2a76b9719d911017c592"  # the suite's API_KEY
PREFIX = "CANARYTOKEN"  # of the token values in these tests
OK, WARNING, FAILED, SKIPPED = Status.OK, Status.WARNING, Status.FAILED, Status.SKIPPED
NAMES = [
    "api_key",
    "base_url",
    "system_checks",
    "middleware",
    "login_stacks",
    "network",
    "tls",
    "clock",
    "generate",
    "extend",
    "revoke",
    "migrations",
    "end_user",
    "encryption_keys",
    "owed",
    "given_up",
    "cache",
    "sweep",
    "overdue",
]
CALLS = NAMES[NAMES.index("network") : NAMES.index("migrations")]

ConvaiSettings = Callable[..., None]
MakeToken = Callable[..., ConvaiToken]


def ago(**period: float) -> datetime:
    return utc_now() - timedelta(**period)


def make_owed(make: MakeToken, **fields: Any) -> ConvaiToken:
    """Make a token whose revocation is owed and due since now, unless told otherwise."""
    now = utc_now()
    return make(**{"status": "revoking", "owed_since": now, "next_attempt_at": now, **fields})


def run_step(run: Callable[[], Finding]) -> Finding:
    """Run a step as the examination does, with what it raises made a finding."""
    return take(Step("of_a_test", run), {})


def examined(*, offline: bool = False) -> dict[str, Finding]:
    """Examine the installation; return what was told, by name and in its order."""
    told: list[Finding] = []
    examine(told.append, offline=offline)
    found = {finding.name: finding for finding in told}
    assert len(found) == len(told)
    return found


def statuses(found: dict[str, Finding]) -> dict[str, Status]:
    return {name: finding.status for name, finding in found.items()}


def names_a_remedy(finding: Finding) -> bool:
    """Tell whether a finding names cause and fix, in a few plain sentences."""
    return all(text.endswith(".") and len(text) < 300 for text in (finding.cause, finding.fix))
