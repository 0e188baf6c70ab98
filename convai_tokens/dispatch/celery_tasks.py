"""The tasks that a Celery worker runs; imported only where Celery is installed, and chosen."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from ..lifecycle.revocation import attempt
from ..lifecycle.sweep import sweep as sweep_once


def _revoke(token_ids: list[int]) -> None:
    attempt(token_ids)


def _sweep(workers: int = 8) -> None:
    sweep_once(workers)


# No retries: what the worker doesn't manage is still in the table, for the sweep.
revoke: Any = shared_task(name="convai_tokens.revoke", ignore_result=True)(_revoke)
# For Celery beat; see docs/dispatchers.md.
sweep: Any = shared_task(name="convai_tokens.sweep", ignore_result=True)(_sweep)
