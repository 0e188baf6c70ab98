"""Learner sessions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.conf import settings
from django.db import connections, models
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from .base import PrimaryManager, database
from .ends import EndOfSessions
from .moments import MomentField, utc_now
from .words import EndReason

DEVICE_LENGTH = 120
ROW = tuple(map(OuterRef, ("pk", "user_id", "stack", "started_at")))


class LearnerSessionQuerySet(models.QuerySet["LearnerSession"]):
    def open(self) -> LearnerSessionQuerySet:
        """Return the sessions that haven't ended."""
        # By the reason as well, which an index begins with: the open ones are few among millions.
        return self.filter(~Exists(EndOfSessions.of(*ROW)), ended_at=None, end_reason="")

    def endable(self) -> LearnerSessionQuerySet:
        """Return the sessions that an end changes: open ones, and those that were last unseen."""
        return self.filter(Q(ended_at=None) | Q(end_reason=EndReason.UNSEEN))

    def by_digest(self, digests: Iterable[str]) -> LearnerSessionQuerySet:
        """Return those whose credential has one of these digests now; to be updated.

        On InnoDB they are looked up first, and then found by their ids alone: by the index of
        digests it would lock its entry before the row, and so deadlock with whoever has locked the
        row and is about to change its digest. Not elsewhere: on SQLite a transaction that reads
        first and writes later fails when another one has written in between.
        """
        found = self.using(database()).filter(credential_digest__in=digests)
        if connections[database()].vendor != "mysql":
            return found
        ids = list(found.values_list("pk", flat=True))
        having = self.alias(has_digest=Coalesce("credential_digest", Value("")))
        return having.filter(pk__in=ids, has_digest__in=digests)

    def lock_open(self, session_id: uuid.UUID) -> bool:
        """Lock an open session's row until the transaction ends; return False if it has ended.

        One that wasn't seen for a day goes on. For the rest an UPDATE that changes nothing, since
        it locks on every database: SQLite has no SELECT ... FOR UPDATE, and a transaction that
        reads first and writes later fails there.
        """
        found = self.endable().filter(~Exists(EndOfSessions.of(*ROW)), pk=session_id)
        return found.update(ended_at=None, end_reason="") == 1


class LearnerSession(models.Model):
    """One login of one learner: a Django session, or one bearer credential."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        # What is still owed outlives the user, and the request that deletes one doesn't wait until
        # all rows are written: the sweep sets this to null.
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,  # the one below begins with it
        related_name="+",
        verbose_name=_("learner"),
    )
    username = models.CharField(_("username"), max_length=254)
    stack = models.CharField(_("login stack"), max_length=20)
    credential_digest = models.CharField(max_length=64, blank=True)
    key_id = models.CharField(max_length=8, blank=True)  # of the encryption key that digested it
    device = models.CharField(_("device"), max_length=DEVICE_LENGTH, blank=True)
    started_at = MomentField(_("started"), default=utc_now)
    ended_at = MomentField(_("ended"), null=True)
    end_reason = models.CharField(_("end reason"), max_length=20, blank=True, choices=EndReason)

    objects = LearnerSessionQuerySet.as_manager()
    primary = PrimaryManager.from_queryset(LearnerSessionQuerySet)()

    class Meta:
        verbose_name = _("learner session")
        verbose_name_plural = _("learner sessions")
        default_permissions = ("view",)
        permissions = [("end_learnersession", "Can end learner sessions")]
        # Not by db_index, which gives a text two on PostgreSQL, of which one is never used.
        indexes = [
            models.Index(fields=["-started_at", "-id"], name="convai_session_started"),
            models.Index(fields=["user", "-started_at", "-id"], name="convai_session_user"),
            models.Index(
                fields=["username"],
                name="convai_session_username",
                opclasses=["varchar_pattern_ops"],  # for LIKE "anna%"; of no meaning elsewhere
            ),
            models.Index(fields=["credential_digest"], name="convai_session_digest"),
            models.Index(fields=["end_reason", "-started_at", "-id"], name="convai_session_end"),
            models.Index(fields=["device", "end_reason"], name="convai_session_device"),
            models.Index(fields=["key_id", "ended_at", "started_at"], name="convai_session_key"),
        ]

    def __str__(self) -> str:
        return f"{self.username}, {self.started_at:%Y-%m-%d %H:%M:%S}"

    @property
    def has_ended(self) -> bool:
        """Whether it has ended for good."""
        return self.ended_at is not None and self.end_reason != EndReason.UNSEEN
