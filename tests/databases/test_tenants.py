"""Schools that share a database, with django-tenants: each one's tokens are revoked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.db import connection

from benchmarks.databases import Database

pytestmark = pytest.mark.django_db


@pytest.fixture
def postgres() -> Any:
    """A new database beside the suite's own."""
    if connection.vendor != "postgresql":
        pytest.skip("schemas are PostgreSQL's")
    with Database(os.environ["DATABASE_URL"]) as database:
        yield database


@pytest.mark.parametrize(
    ("by", "statuses"),
    [
        ("thread", [["revoked"], ["revoked"]]),
        ("sweep", [["revoked"], ["revoked"]]),
        ("tenant_command", [["revoked"], ["revoking"]]),
    ],
)
def test_the_tokens_of_each_school_are_revoked(
    convai_sandbox: Any, postgres: Database, by: str, statuses: list[list[str]]
) -> None:
    dispatcher = "convai_tokens.dispatch.thread" if by == "thread" else "tests.tenants.nobody"
    environment = {
        **os.environ,
        "DATABASE_URL": postgres.url,
        "DJANGO_SETTINGS_MODULE": "tests.tenants.settings",
        "CONVAI_BASE_URL": convai_sandbox.url,
        "CONVAI_DISPATCHER": dispatcher,
    }

    story = [sys.executable, "-m", "tests.tenants.story", by]
    done = subprocess.run(story, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == statuses
    left = sum(school.count("revoking") for school in statuses)
    assert len(convai_sandbox.live()) == left
