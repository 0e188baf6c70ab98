"""The task that a worker of Django's tasks framework runs; imported only where it is chosen."""

from __future__ import annotations

try:
    from django.tasks import task
except ImportError:  # Django 5.2
    from django_tasks import task  # type: ignore[no-redef, unused-ignore]

from ..lifecycle.revocation import attempt


@task
def revoke(token_ids: list[int]) -> None:
    """Try once to revoke the tokens; what isn't managed is still in the table, for the sweep."""
    attempt(token_ids)
