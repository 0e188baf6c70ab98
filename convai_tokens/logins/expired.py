"""Expired Django sessions whose rows are deleted, as ``clearsessions`` does it by the 100,000.

No browser presents them any more, so nothing is urgent: their learner sessions end once the
deletion is committed, many with one look.
"""

from __future__ import annotations

from django.db import transaction

from ..lifecycle.audit import after_commit
from ..lifecycle.ending import end_sessions
from ..lifecycle.retrying import try_until_taken
from ..models import EndReason, LearnerSession
from ..secret import Secret
from .bearer_stacks import SESSION_STACK
from .credentials import session_key_digests

AT_ONCE = 1_000  # digests of one look


class ExpiredRows:
    """The digests of one transaction's expired rows."""

    def __init__(self) -> None:
        self.digests: list[str] = []

    def end(self) -> None:
        """End the learner sessions of these rows."""
        for start in range(0, len(self.digests), AT_ONCE):
            try_until_taken(_end, self.digests[start : start + AT_ONCE])


def end_when_committed(using: str, key: Secret) -> None:
    """End the learner session of an expired Django session, once ``using`` has committed."""
    # What a rollback to a savepoint takes back takes the hook along, and so is asked for there.
    hooks = transaction.get_connection(using).run_on_commit
    last = getattr(hooks[-1][1], "__wrapped__", None) if hooks else None
    rows = getattr(last, "__self__", None)
    in_savepoints = set(transaction.get_connection(using).savepoint_ids)
    if not isinstance(rows, ExpiredRows) or hooks[-1][0] != in_savepoints:
        rows = ExpiredRows()
        rows.digests += session_key_digests(key)
        after_commit(using, rows.end)  # at once where no transaction is open
    else:
        rows.digests += session_key_digests(key)


def _end(digests: list[str]) -> None:
    opened = LearnerSession.primary.filter(
        stack=SESSION_STACK, ended_at=None, credential_digest__in=digests
    )
    if ids := list(opened.values_list("pk", flat=True)):
        end_sessions(LearnerSession.primary.filter(pk__in=ids), EndReason.SESSION_DELETED)
