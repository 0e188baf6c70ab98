"""The three tables: learner sessions, their Convai tokens, and the events of both.

Only ``lifecycle/`` changes their state. All times are aware UTC.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from django.conf import settings
from django.db import connections, models, router
from django.db.models import Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .exceptions import MAX_TEXT

DEVICE_LENGTH = 120
APPEND_ONLY = "Token events are append-only."

Row = TypeVar("Row", bound=models.Model, covariant=True)


def database() -> str:
    """Return the alias of the database that holds the three tables."""
    return router.db_for_write(ConvaiToken)


class PrimaryManager(models.Manager[Row]):
    """Reads where the rows are written: a replica may not have them yet."""

    def get_queryset(self) -> models.QuerySet[Row]:
        return super().get_queryset().using(database())


class EndReason(models.TextChoices):
    """What ended a learner session."""

    LOGOUT = "logout", _("Logout")
    LOGOUT_ALL = "logout_all", _("Logout from all devices")
    REPLACED = "replaced", _("Replaced by another login")
    SESSION_DELETED = "session_deleted", _("Session row deleted")
    CREDENTIAL_DELETED = "credential_deleted", _("Bearer credential deleted or expired")
    PASSWORD_CHANGED = "password_changed", _("Password changed")
    USER_DEACTIVATED = "user_deactivated", _("User deactivated")
    USER_DELETED = "user_deleted", _("User deleted")
    STAFF = "staff", _("Ended by staff")
    API = "api", _("Ended by the LMS's code")
    KEY_LOST = "key_lost", _("Its encryption key is gone")


class TokenStatus(models.TextChoices):
    """Where a Convai token stands; it moves forward only."""

    GENERATING = "generating", _("generating")
    ACTIVE = "active", _("active")
    EXPIRED = "expired", _("expired")
    REVOKING = "revoking", _("revocation owed")
    REVOKED = "revoked", _("revoked")
    GONE = "gone", _("gone")
    LAPSED = "lapsed", _("lapsed")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("unknown")


# Statuses that count towards MAX_LIVE_TOKENS.
LIVE = (TokenStatus.GENERATING, TokenStatus.ACTIVE)
# Statuses in which Convai may hold a live token whose revocation nobody has asked for yet.
REVOCABLE = (*LIVE, TokenStatus.EXPIRED)


class EventKind(models.TextChoices):
    """Which step an event records."""

    SESSION_STARTED = "session_started", _("session started")
    SESSION_ENDED = "session_ended", _("session ended")
    GENERATED = "generated", _("generated")
    EXTENDED = "extended", _("extended")
    EXPIRED = "expired", _("expired")
    OWED = "owed", _("revocation owed")
    REVOKED = "revoked", _("revoked")
    GONE = "gone", _("gone")
    LAPSED = "lapsed", _("lapsed")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("unknown")


class LearnerSessionQuerySet(models.QuerySet["LearnerSession"]):
    def open(self) -> LearnerSessionQuerySet:
        """Return the sessions that haven't ended."""
        return self.filter(ended_at=None)

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

        An UPDATE that changes nothing, since it locks on every database: SQLite has no
        SELECT ... FOR UPDATE, and a transaction that reads first and writes later fails there.
        """
        return self.open().filter(pk=session_id).update(ended_at=None) == 1


class LearnerSession(models.Model):
    """One login of one learner: a Django session, or one bearer credential."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        # What is still owed outlives the user.
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("learner"),
    )
    username = models.CharField(_("username"), max_length=254, db_index=True)
    stack = models.CharField(_("login stack"), max_length=20)
    credential_digest = models.CharField(max_length=64, blank=True, db_index=True)
    key_id = models.CharField(max_length=8, blank=True)  # of the encryption key that digested it
    device = models.CharField(_("device"), max_length=DEVICE_LENGTH, blank=True)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    ended_at = models.DateTimeField(_("ended"), null=True)
    end_reason = models.CharField(_("end reason"), max_length=20, blank=True, choices=EndReason)

    objects = LearnerSessionQuerySet.as_manager()
    primary = PrimaryManager.from_queryset(LearnerSessionQuerySet)()

    class Meta:
        verbose_name = _("learner session")
        verbose_name_plural = _("learner sessions")
        default_permissions = ("view",)
        permissions = [("end_learnersession", "Can end learner sessions")]
        indexes = [
            models.Index(fields=["-started_at", "-id"], name="convai_session_started"),
            models.Index(fields=["key_id", "ended_at"], name="convai_session_key"),
        ]

    def __str__(self) -> str:
        return f"{self.username}, {self.started_at:%Y-%m-%d %H:%M:%S}"


class ConvaiTokenQuerySet(models.QuerySet["ConvaiToken"]):
    def owed(self) -> ConvaiTokenQuerySet:
        """Return the tokens that have to be revoked and aren't confirmed as revoked."""
        return self.filter(status=TokenStatus.REVOKING)

    def due(self, now: datetime) -> ConvaiTokenQuerySet:
        """Return the owed revocations to try now: the value is known, and nobody holds a claim."""
        free = Q(claimed_until=None) | Q(claimed_until__lt=now)
        return self.owed().filter(free, next_attempt_at__lte=now).exclude(sealed="")

    def standing(self, token_id: int, *statuses: str) -> ConvaiTokenQuerySet:
        """Return one row, if it stands at one of the ``statuses``; to be updated.

        The status is wrapped so that the row is found by its id alone: MariaDB likes an index that
        begins with the status better where few rows have it, locks that index's entry before the
        row, and so deadlocks with whoever has locked the row and is about to change the entry.
        """
        standing = self.alias(stands_at=Coalesce("status", Value("")))
        return standing.filter(pk=token_id, stands_at__in=statuses)

    def move(self, token_id: int, *froms: str, to: str, **fields: Any) -> bool:
        """Move one row's status forward, if it still stands at one of ``froms``."""
        return self.standing(token_id, *froms).update(status=to, **fields) == 1


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
    fingerprint = models.CharField(_("fingerprint"), max_length=16, blank=True, db_index=True)
    generated_at = models.DateTimeField(_("generated"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), null=True)
    extended_at = models.DateTimeField(_("extended"), null=True)
    extend_count = models.PositiveIntegerField(_("times extended"), default=0)
    owed_since = models.DateTimeField(_("owed since"), null=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True)
    attempts = models.PositiveIntegerField(_("attempts to revoke"), default=0)
    rejections = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True)
    claimed_until = models.DateTimeField(_("claimed until"), null=True)
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
            models.Index(fields=["status", "next_attempt_at"], name="convai_token_due"),
            models.Index(fields=["status", "expires_at"], name="convai_token_expiring"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} ({self.fingerprint or self.status})"


class TokenEventQuerySet(models.QuerySet["TokenEvent"]):
    """Adds and purges. What raw SQL can do, no model can refuse."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError(APPEND_ONLY)

    def delete(self) -> NoReturn:
        raise TypeError(APPEND_ONLY)

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[TokenEvent]:
        if kwargs.get("update_conflicts"):
            raise TypeError(APPEND_ONLY)
        return super().bulk_create(*args, **kwargs)

    def purge(self) -> int:
        """Delete these events, whose time to be kept is over; return how many."""
        return super().delete()[0]


class TokenEvent(models.Model):
    """One step of a session or a token. Rows are added and purged, never changed."""

    id = models.BigAutoField(primary_key=True)
    # No constraints in the database: for each event InnoDB would lock the session's and the token's
    # rows, in the order that deadlocks with whoever locks the session first, as all else does.
    session = models.ForeignKey(
        LearnerSession,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="events",
        verbose_name=_("learner session"),
    )
    token = models.ForeignKey(
        ConvaiToken,
        on_delete=models.CASCADE,
        null=True,
        db_constraint=False,
        related_name="events",
        verbose_name=_("Convai token"),
    )
    kind = models.CharField(_("kind"), max_length=16, choices=EventKind)
    at = models.DateTimeField(_("at"), default=timezone.now)
    # An event is never rewritten: who acted may be deleted, and the name still tells who it was.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("actor"),
    )
    actor_name = models.CharField(_("actor"), max_length=254, blank=True)
    detail = models.CharField(_("detail"), max_length=MAX_TEXT, blank=True)

    objects = TokenEventQuerySet.as_manager()
    primary = PrimaryManager.from_queryset(TokenEventQuerySet)()

    class Meta:
        verbose_name = _("token event")
        verbose_name_plural = _("token events")
        default_permissions = ("view",)
        base_manager_name = "objects"  # refuses what the others refuse

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M:%S}"

    def save(self, **kwargs: Any) -> None:
        """Add the event; refuse to change one that is there."""
        if not self._state.adding:
            raise TypeError(APPEND_ONLY)
        super().save(force_insert=True, **{k: v for k, v in kwargs.items() if k == "using"})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(APPEND_ONLY)
