"""The tenants of django-tenants, and of packages like it: each has a schema with tables of its own.

The schema is a state of the connection, and each thread has a connection of its own, which begins
in the public schema. So what a thread is given to do, it does as the tenant who gave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connections

from ..models import database


def tenant() -> Any:
    """Return the tenant that this thread's connection is at; None on a site without tenants."""
    return getattr(_connection(), "tenant", None)


@contextmanager
def as_tenant(tenant: Any) -> Iterator[None]:
    """Do as the tenant what is done within; go back to the one before."""
    if tenant is None:
        yield
        return
    connection = _connection()
    before = connection.tenant
    connection.set_tenant(tenant)
    try:
        yield
    finally:
        connection.set_tenant(before)


def tenants() -> list[Any]:
    """Return those whose tables are to be swept: ``[None]`` on a site without tenants.

    From the public schema, as a plain command begins, that is all of them; else the one where this
    thread's connection is.
    """
    if tenant() is None:
        return [None]
    from django_tenants.utils import get_public_schema_name, get_tenant_model

    public = get_public_schema_name()
    here = _connection()
    if here.schema_name != public:
        return [here.tenant]
    everybody = list(get_tenant_model().objects.all()) if _is_among("TENANT_APPS") else []
    schools = [school for school in everybody if school.schema_name != public]
    return [here.tenant, *schools] if _is_among("SHARED_APPS") else schools


def _connection() -> Any:
    return connections[database()]


def _is_among(name: str) -> bool:
    return any(app.startswith("convai_tokens") for app in getattr(settings, name, ()))
