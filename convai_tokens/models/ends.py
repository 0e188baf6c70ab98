"""Ends of more learner sessions than a request may wait for."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from .base import PrimaryManager
from .moments import MomentField, utc_now
from .words import EndReason


class EndOfSessions(models.Model):
    """All of a user's sessions that had started by ``at`` have ended, whatever their rows say.

    Those with live tokens say so at once; the sweep writes it into the others, and deletes this.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,  # the user may be the one who is deleted
        related_name="+",
    )
    stack = models.CharField(max_length=20, blank=True)  # of this login stack alone
    but = models.UUIDField(null=True)  # the session that goes on
    at = MomentField(default=utc_now)
    reason = models.CharField(max_length=20, choices=EndReason)

    objects = models.Manager["EndOfSessions"]()
    primary = PrimaryManager["EndOfSessions"]()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}, {self.at:%Y-%m-%d %H:%M:%S}, {self.reason}"

    @classmethod
    def of(cls, pk: Any, user_id: Any, stack: Any, started_at: Any) -> models.QuerySet[Self]:
        """Return those that hold for a learner session, given by these fields of it."""
        going_on = Q(but__isnull=False, but=pk)
        of_its_stack = Q(stack="") | Q(stack=stack)
        found = cls.primary.filter(~going_on, of_its_stack, user_id=user_id, at__gte=started_at)
        return found.order_by("pk")
