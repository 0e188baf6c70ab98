"""The chain over the audit's events, by which a changed, removed or added one is found."""

from __future__ import annotations

from django.db import models

from .base import PrimaryManager
from .events import MAC_LENGTH
from .moments import MomentField, utc_now


class AuditLink(models.Model):
    """A batch of events in the order of their ids, tied to the batch before it.

    Only whoever has the encryption key can make one. ``ids`` lists its events as ranges
    ("1-400,403"), ``marks`` has four hex digits of each one's MAC: they tell which event it is that
    doesn't fit any more.
    """

    number = models.BigIntegerField(primary_key=True)  # from 1, without a gap
    ids = models.TextField()
    marks = models.TextField()
    last_id = models.BigIntegerField()
    until = MomentField()  # the latest time of its events
    made_at = MomentField(default=utc_now)
    previous = models.CharField(max_length=MAC_LENGTH, blank=True)  # the MAC of the one before it
    mac = models.CharField(max_length=MAC_LENGTH)

    objects = models.Manager["AuditLink"]()
    primary = PrimaryManager["AuditLink"]()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number}, to event {self.last_id}"
