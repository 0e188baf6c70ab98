"""How many events of each kind there were in each hour, for the overview's charts."""

from __future__ import annotations

from django.db import models

from .base import PrimaryManager
from .moments import MomentField
from .words import EventKind


class EventCount(models.Model):
    """The events of one kind in the hour that begins at ``hour``, as the sweep counted them."""

    id = models.BigAutoField(primary_key=True)
    hour = MomentField()
    kind = models.CharField(max_length=16, choices=EventKind)
    count = models.PositiveIntegerField()

    objects = models.Manager["EventCount"]()
    primary = PrimaryManager["EventCount"]()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["hour", "kind"], name="convai_count_hour_kind")
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}, {self.kind}: {self.count}"
