"""Which database holds the tables, and a manager that reads from there."""

from __future__ import annotations

from typing import Any, TypeVar

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, router

Row = TypeVar("Row", bound=models.Model, covariant=True)


def database() -> str:
    """Return the alias of the database that holds the tables."""
    return router.db_for_write(apps.get_model("convai_tokens", "ConvaiToken"))


def username_of(user: AbstractBaseUser) -> str:
    """Return what a user logs in by, as text: it may be a number, an object, or nothing at all."""
    name: Any = user.get_username()
    return "" if name is None else str(name)[:254]


class PrimaryManager(models.Manager[Row]):
    """Reads where the rows are written: a replica may not have them yet."""

    def get_queryset(self) -> models.QuerySet[Row]:
        return super().get_queryset().using(database())
