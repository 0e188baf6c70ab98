"""System checks of the database that holds the tables, and of what opens transactions there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.db import connections, router
from django.utils.translation import gettext as _

from ..models import database
from .site import MIDDLEWARE

# They hold a transaction around the whole request.
TRANSACTIONS = ("reversion.middleware.RevisionMiddleware",)


def check_isolation(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W015: transactions that don't see what others have committed since they began."""
    connection = connections[database()]
    options = connection.settings_dict.get("OPTIONS", {})
    if connection.vendor not in ("mysql", "postgresql") or "isolation_level" not in options:
        return []  # Django's own choice, or PostgreSQL's: read committed
    level = options["isolation_level"]
    name = str(getattr(level, "name", level)).replace("_", " ").lower()
    if name == "read committed":
        return []
    return [
        Warning(
            _("The database %(database)r runs at another isolation level than READ COMMITTED.")
            % {"database": database()},
            hint=_(
                "A logout would overlook the token that a request in parallel has just got, "
                "or be refused by the database. Remove OPTIONS['isolation_level'], or set it "
                "to READ COMMITTED."
            ),
            id="convai_tokens.W015",
        )
    ]


def check_autocommit(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E024: each query would open a transaction, and so Convai be called within one."""
    if connections[database()].settings_dict.get("AUTOCOMMIT", True):
        return []
    return [
        Error(
            _("The database %(database)r runs with autocommit off.") % {"database": database()},
            hint=_(
                "No login gets a token there, since a transaction would be open while Convai "
                "is called. Remove AUTOCOMMIT from DATABASES; ATOMIC_REQUESTS is fine."
            ),
            id="convai_tokens.E024",
        )
    ]


def check_router(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W025: the tables are in another database than the users'."""
    users = router.db_for_write(get_user_model())
    if users == database():
        return []
    return [
        Warning(
            _("The users are in the database %(users)r, and this app's tables in %(database)r.")
            % {"users": users, "database": database()},
            hint=_(
                "The sweep asks for users and sessions at once, and an end is not undone "
                "with the transaction that it came in. Let your router send convai_tokens "
                "where the users are."
            ),
            id="convai_tokens.W025",
        )
    ]


def check_transactions(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """W026: a middleware holds a transaction around the one that calls Convai."""
    middleware = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in middleware:
        return []
    outside = middleware[: middleware.index(MIDDLEWARE)]
    return [
        Warning(
            _("MIDDLEWARE has %(name)r before %(middleware)r, and opens a transaction there.")
            % {"name": name, "middleware": MIDDLEWARE},
            hint=_(
                "No login gets a token, since the transaction would be open while Convai is "
                "called. Move %(name)r below."
            )
            % {"name": name},
            id="convai_tokens.W026",
        )
        for name in TRANSACTIONS
        if name in outside
    ]
