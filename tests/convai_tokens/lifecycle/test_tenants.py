"""Which tenant a thread works for. tests/databases/test_tenants.py has real ones, in schemas."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from convai_tokens.dispatch import threads
from convai_tokens.lifecycle import retrying, tenants
from convai_tokens.lifecycle.tenants import as_tenant
from tests.waiting import dispatcher_is_done, eventually


class Connections(threading.local):
    """What django-tenants makes of a thread's connection, which begins in the public schema."""

    tenant = "public"

    def set_tenant(self, tenant: str) -> None:
        self.tenant = tenant


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connections:
    connection = Connections()
    monkeypatch.setattr(tenants, "_connection", lambda: connection)
    return connection


def test_a_site_without_tenants_has_one_set_of_tables(db: None) -> None:
    assert tenants.tenants() == [None]
    with as_tenant(tenants.tenant()):
        assert tenants.tenant() is None


def test_a_tenant_is_left_whatever_happens(connection: Connections) -> None:
    with suppress(LookupError), as_tenant("a school"):
        assert tenants.tenant() == "a school"
        raise LookupError

    assert connection.tenant == "public"


def test_the_dispatchers_threads_work_for_whoever_gave_the_work(connection: Connections) -> None:
    seen: list[Any] = []
    work = threads.Work(lambda ids: seen.append(tenants.tenant()), [1], lambda ids, error: None)

    for school in ("first", "second"):
        with as_tenant(school):
            threads.leave_to_threads([work])
    eventually(dispatcher_is_done)

    assert sorted(seen) == ["first", "second"]


def test_what_the_database_refused_is_tried_again_for_the_same_tenant(
    connection: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "FIRST_DELAY", 0.01)
    seen: list[str] = []

    def step() -> None:
        seen.append(tenants.tenant())
        if len(seen) == 1:
            raise OperationalError

    with as_tenant("a school"):
        retrying.try_until_taken(step)
    eventually(lambda: len(seen) == 2)

    assert seen == ["a school", "a school"]


def test_a_command_within_a_school_is_for_that_school(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = SimpleNamespace(schema_name="first")
    connection.schema_name = "first"

    with as_tenant(school):
        assert tenants.tenants() == [school]
