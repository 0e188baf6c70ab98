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
)
from tests.lms import routers


@pytest.mark.parametrize("model", [LearnerSession, ConvaiToken, TokenEvent, LearnerRate])
def test_the_primary_manager_reads_where_the_rows_are_written(model: Any, settings: Any) -> None:
    settings.DATABASE_ROUTERS = [routers.PATH]

    assert model.objects.all().db == "a replica"
    assert model.primary.all().db == database() == "default"
