"""How a token's status moves, and when its revocation is due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from convai_tokens.models import (
    ConvaiToken,
    TokenStatus,
)
from convai_tokens.models.moments import utc_now
from tests.builders import make_session


def test_a_status_moves_from_where_it_may_and_from_nowhere_else(learner: Any) -> None:
    token = ConvaiToken.objects.create(session=make_session(learner))
    move = ConvaiToken.objects.move

    assert move(token.pk, TokenStatus.GENERATING, to=TokenStatus.ACTIVE, fingerprint="f")
    assert not move(token.pk, TokenStatus.GENERATING, to=TokenStatus.FAILED, fingerprint="g")

    token.refresh_from_db()
    assert (token.status, token.fingerprint) == (TokenStatus.ACTIVE, "f")


@pytest.mark.parametrize(
    ("changes", "is_due"),
    [
        ({}, True),
        ({"status": TokenStatus.ACTIVE}, False),
        ({"sealed": ""}, False),
        ({"next_attempt_at": None}, False),
        ({"next_attempt_at": timedelta(seconds=5)}, False),
        ({"claimed_until": timedelta(seconds=5)}, False),
        ({"claimed_until": timedelta(seconds=-5)}, True),
    ],
)
def test_an_owed_revocation_is_due_when_its_time_has_come_and_nobody_holds_it(
    changes: dict[str, Any], is_due: bool, learner: Any
) -> None:
    now = utc_now()
    fields = {"status": TokenStatus.REVOKING, "sealed": "v1.x", "next_attempt_at": now, **changes}
    fields = {
        name: now + value if isinstance(value, timedelta) else value
        for name, value in fields.items()
    }
    ConvaiToken.objects.create(session=make_session(learner), **fields)

    assert ConvaiToken.objects.due(now).exists() is is_due
