"""Convai tokens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from ..exceptions import MAX_TEXT
from .base import PrimaryManager
from .moments import MomentField, utc_now
from .sessions import LearnerSession
from .words import TokenStatus


class ConvaiTokenQuerySet(models.QuerySet["ConvaiToken"]):
    def owed(self) -> ConvaiTokenQuerySet:
        """Return the tokens that have to be revoked and aren't confirmed as revoked."""
        return self.filter(status=TokenStatus.REVOKING)

    def due(self, now: datetime) -> ConvaiTokenQuerySet:
        """Return the owed revocations to try now: the value is known, and nobody holds a claim."""
        free = Q(claimed_until=None) | Q(claimed_until__lt=now)
        return self.owed().filter(free, next_attempt_at__lte=now).exclude(sealed="")

    def standing(self, token_ids: Iterable[int], *statuses: str) -> ConvaiTokenQuerySet:
        """Return these rows, as far as they stand at one of the ``statuses``; to be updated.

        The status is wrapped so that rows are found by their ids alone: MariaDB likes an index that
        begins with the status better where few rows have it, locks that index's entry before the
        row, and so deadlocks with whoever has locked the row and is about to change the entry.
        """
        standing = self.alias(stands_at=Coalesce("status", Value("")))
        return standing.filter(pk__in=token_ids, stands_at__in=statuses)

    def move(self, token_id: int, *froms: str, to: str, **fields: Any) -> bool:
        """Move one row's status forward, if it still stands at one of ``froms``."""
        return self.standing([token_id], *froms).update(status=to, **fields) == 1


class ConvaiToken(models.Model):
    """One Convai token, from before it was generated until long after it is dead."""

    id = models.BigAutoField(primary_key=True)
    session = models.ForeignKey(
        LearnerSession, models.CASCADE, related_name="tokens", verbose_name=_("learner session")
    )
    status = models.CharField(
        _("status"), max_length=12, choices=TokenStatus, default=TokenStatus.GENERATING
    )
    sealed = models.TextField(blank=True, editable=False)
    fingerprint = models.CharField(_("fingerprint"), max_length=16, blank=True)
    generated_at = MomentField(_("generated"), default=utc_now)
    expires_at = MomentField(_("expires"), null=True)
    extended_at = MomentField(_("extended"), null=True)
    extend_count = models.PositiveIntegerField(_("times extended"), default=0)
    owed_since = MomentField(_("owed since"), null=True)
    revoked_at = MomentField(_("revoked"), null=True)
    attempts = models.PositiveIntegerField(_("attempts to revoke"), default=0)
    rejections = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = MomentField(_("next attempt"), null=True)
    claimed_until = MomentField(_("claimed until"), null=True)
    last_error = models.CharField(_("last error"), max_length=MAX_TEXT, blank=True)

    objects = ConvaiTokenQuerySet.as_manager()
    primary = PrimaryManager.from_queryset(ConvaiTokenQuerySet)()

    class Meta:
        verbose_name = _("Convai token")
        verbose_name_plural = _("Convai tokens")
        default_permissions = ("view",)
        permissions = [("revoke_convaitoken", "Can revoke Convai tokens")]
        # Plain composite indexes: MySQL has no partial ones.
        indexes = [
            models.Index(fields=["-generated_at", "-id"], name="convai_token_list"),
            models.Index(fields=["status", "-generated_at", "-id"], name="convai_token_status"),
            models.Index(
                fields=["fingerprint"],
                name="convai_token_fingerprint",
                opclasses=["varchar_pattern_ops"],  # as for a session's username
            ),
            models.Index(fields=["status", "next_attempt_at"], name="convai_token_due"),
            models.Index(fields=["status", "expires_at"], name="convai_token_expiring"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} ({self.fingerprint or self.status})"
