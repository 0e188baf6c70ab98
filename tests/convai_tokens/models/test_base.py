"""Where the tables are read."""

from __future__ import annotations

from typing import Any

import pytest

from convai_tokens.models import (
    ConvaiToken,
    LearnerRate,
    LearnerSession,
    TokenEvent,
    database,
    username_of,
)
from tests.lms import routers


@pytest.mark.parametrize("model", [LearnerSession, ConvaiToken, TokenEvent, LearnerRate])
def test_the_primary_manager_reads_where_the_rows_are_written(model: Any, settings: Any) -> None:
    settings.DATABASE_ROUTERS = [routers.PATH]

    assert model.objects.all().db == "a replica"
    assert model.primary.all().db == database() == "default"


class Phone:
    """As packages for phone numbers have it."""

    def __str__(self) -> str:
        return "+49 30 1234"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("learner", "learner"),
        (4711, "4711"),
        (Phone(), "+49 30 1234"),
        (None, ""),
        ("x" * 300, "x" * 254),
    ],
    ids=["text", "number", "object", "none", "long"],
)
def test_what_a_user_logs_in_by_is_kept_as_text(name: Any, text: str) -> None:
    user: Any = type("User", (), {"get_username": lambda self: name})()

    assert username_of(user) == text
