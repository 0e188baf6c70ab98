"""What the site's processes are known to be doing, for the overview."""

from __future__ import annotations

from django.db import models

from .base import PrimaryManager
from .moments import MomentField, utc_now
from .words import ProcessPart


class ProcessState(models.Model):
    """A part of a process, and how it was when it changed, or was last seen.

    A breaker's row is written when it opens or closes, a sweep's after each pass.
    """

    id = models.BigAutoField(primary_key=True)
    process = models.CharField(max_length=100)  # host and process id
    part = models.CharField(max_length=16, choices=ProcessPart)
    is_well = models.BooleanField()
    at = MomentField(default=utc_now)
    detail = models.CharField(max_length=200, blank=True)

    objects = models.Manager["ProcessState"]()
    primary = PrimaryManager["ProcessState"]()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["process", "part"], name="convai_process_part")
        ]

    def __str__(self) -> str:
        return f"{self.process}, {self.part}, {self.at:%Y-%m-%d %H:%M:%S}"
