"""Changes of more rows than a request may wait for, as staff ordered them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .base import PrimaryManager
from .moments import MomentField, utc_now
from .words import OrderKind


class StaffOrder(models.Model):
    """Ends sessions or revokes tokens, all that match ``conditions`` and were there by ``at``.

    The sweep does it in chunks, and counts them in ``done``.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("order"), max_length=16, choices=OrderKind)
    conditions = models.JSONField()  # lookups of Django's ORM with their values
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        verbose_name=_("actor"),
    )
    actor_name = models.CharField(_("actor"), max_length=254)
    at = MomentField(_("ordered"), default=utc_now)
    found = models.PositiveIntegerField(_("found"))  # when it was ordered
    done = models.PositiveIntegerField(_("done"), default=0)
    finished_at = MomentField(_("finished"), null=True)

    objects = models.Manager["StaffOrder"]()
    primary = PrimaryManager["StaffOrder"]()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["finished_at"], name="convai_order_finished")]

    def __str__(self) -> str:
        return f"{self.kind}, {self.actor_name}, {self.at:%Y-%m-%d %H:%M:%S}"
