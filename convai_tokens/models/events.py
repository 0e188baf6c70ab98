"""Token events: the audit."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..exceptions import MAX_TEXT
from .base import PrimaryManager
from .moments import MomentField, utc_now
from .sessions import LearnerSession
from .tokens import ConvaiToken
from .words import EventKind

APPEND_ONLY = "Token events are append-only."
MAC_LENGTH = 40  # 8 hex digits for the key, 32 for the keyed hash
PERSONAL = ("actor_id", "actor_name", "detail", "forgotten")


class TokenEventQuerySet(models.QuerySet["TokenEvent"]):
    """Adds, purges, forgets people. What raw SQL can do, no model can refuse: see ``AuditLink``."""

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

    def forget(self, event: TokenEvent) -> None:
        """Write what is left of one event when a person is forgotten."""
        left = {name: getattr(event, name) for name in PERSONAL}
        models.QuerySet.update(self.filter(pk=event.pk), **left)


class TokenEvent(models.Model):
    """One step of a session or a token. Rows are added and purged, never changed."""

    id = models.BigAutoField(primary_key=True)
    # No constraints in the database: for each event InnoDB would lock the session's and the token's
    # rows, in the order that deadlocks with whoever locks the session first, as all else does.
    # Nor are they deleted with their session: the purge takes events in the order of the chain.
    session = models.ForeignKey(
        LearnerSession,
        on_delete=models.DO_NOTHING,
        null=True,  # what staff do with the audit itself
        db_constraint=False,
        related_name="events",
        verbose_name=_("learner session"),
    )
    token = models.ForeignKey(
        ConvaiToken,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="events",
        verbose_name=_("Convai token"),
    )
    kind = models.CharField(_("kind"), max_length=16, choices=EventKind)
    at = MomentField(_("at"), default=utc_now)
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
    mac = models.CharField(max_length=MAC_LENGTH, blank=True)  # over all of the above
    # Of a person who was forgotten since: what shows that it was no forgery.
    forgotten = models.CharField(max_length=2 * MAC_LENGTH, blank=True)

    objects = TokenEventQuerySet.as_manager()
    primary = PrimaryManager.from_queryset(TokenEventQuerySet)()

    class Meta:
        verbose_name = _("token event")
        verbose_name_plural = _("token events")
        default_permissions = ("view",)
        permissions = [("export_audit", "Can export the audit")]
        base_manager_name = "objects"  # refuses what the others refuse
        indexes = [
            models.Index(fields=["-at", "-id"], name="convai_event_at"),
            models.Index(fields=["kind", "-at", "-id"], name="convai_event_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M:%S}"

    def save(self, **kwargs: Any) -> None:
        """Add the event; refuse to change one that is there."""
        if not self._state.adding:
            raise TypeError(APPEND_ONLY)
        super().save(force_insert=True, **{k: v for k, v in kwargs.items() if k == "using"})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(APPEND_ONLY)
