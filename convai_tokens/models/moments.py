"""Times: aware UTC in this app's code, whatever the site's ``USE_TZ``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


def utc_now() -> datetime:
    """Return the time (aware UTC)."""
    return datetime.now(UTC)


class MomentField(models.DateTimeField):  # type: ignore[type-arg]
    """A time, read as aware UTC on a site with ``USE_TZ = False`` too.

    PostgreSQL keeps instants there all the same. The other databases take times without a zone
    alone: they are UTC, since local ones name an hour twice when summer ends.
    """

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if isinstance(value, datetime) and timezone.is_naive(value):
            return timezone.make_aware(value, timezone.get_default_timezone())  # the site's own
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        value = value if prepared else self.get_prep_value(value)
        if isinstance(value, datetime) and not settings.USE_TZ and not _has_zones(connection):
            value = value.astimezone(UTC).replace(tzinfo=None)
        return super().get_db_prep_value(value, connection, prepared=True)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value is None or timezone.is_aware(value):
            return value
        zone = timezone.get_default_timezone() if _has_zones(connection) else UTC
        return value.replace(tzinfo=zone).astimezone(UTC)


def _has_zones(connection: Any) -> bool:
    return bool(connection.vendor == "postgresql")
