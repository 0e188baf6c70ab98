"""How much of a learner's allowance of tokens is used."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from .base import PrimaryManager
from .moments import MomentField


class LearnerRate(models.Model):
    """One learner's use of ``LEARNER_RATE``, over all sessions; no row: nothing is used."""

    # No constraint: what is left of a learner who was deleted is purged soon.
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="+",
    )
    used_until = MomentField()  # when the whole allowance is free again

    objects = models.Manager["LearnerRate"]()
    primary = PrimaryManager["LearnerRate"]()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}, {self.used_until:%Y-%m-%d %H:%M:%S}"
