"""What a learner gets, and what the rows tell, when Convai's answers arrive as something else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from convai_tokens.conf import app_settings
from convai_tokens.lifecycle import issuing
from convai_tokens.models import ConvaiToken, LearnerSession, TokenStatus
from convai_tokens.models.moments import utc_now

SOME_SECONDS = timedelta(seconds=30)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("early_hints", TokenStatus.UNKNOWN),
        ("two_lengths", TokenStatus.UNKNOWN),
        ("proxy_503", TokenStatus.UNKNOWN),
        ("surplus", TokenStatus.ACTIVE),
        ("http_1_0", TokenStatus.ACTIVE),
        ("gzip", TokenStatus.ACTIVE),
    ],
)
def test_promise_3_what_is_left_of_one_answer_reaches_no_other_learner(
    convai: Any, learner: Any, log_in: Any, name: str, status: TokenStatus
) -> None:
    convai.set(on_the_way=name)
    first = log_in().json()["convai"]["apiAuthToken"]
    convai.set(on_the_way="")
    second = log_in().json()["convai"]["apiAuthToken"]

    ledger = [token["value"] for token in convai.ledger()["tokens"]]
    assert [row.status for row in ConvaiToken.objects.order_by("pk")] == [status, "active"]
    assert first == (ledger[0] if status is TokenStatus.ACTIVE else None)
    assert second == ledger[1]


@pytest.mark.parametrize("ahead", [timedelta(hours=2), -timedelta(hours=2)], ids=str)
def test_where_the_clocks_differ_the_client_is_told_convais_time_and_the_row_has_ours(
    convai: Any, learner: Any, log_in: Any, ahead: timedelta
) -> None:
    def assert_an_hour(shown: str, seconds: int, row: ConvaiToken) -> None:
        an_hour_from_now = utc_now() + timedelta(hours=1)
        assert abs(datetime.fromisoformat(shown) - an_hour_from_now - ahead) < SOME_SECONDS
        assert abs(timedelta(seconds=seconds) - timedelta(hours=1)) < SOME_SECONDS
        assert row.expires_at is not None
        assert abs(row.expires_at - an_hour_from_now) < SOME_SECONDS

    convai.set(clock_offset=ahead.total_seconds())

    block = log_in().json()["convai"]
    row = ConvaiToken.objects.get()
    assert_an_hour(block["expirationTime"], block["expiresIn"], row)

    extended = issuing.extend(LearnerSession.objects.get())
    row.refresh_from_db()
    assert row.extend_count == 1
    assert (extended.expires_at, row.status) == (row.expires_at, "active")
    assert abs(extended.clock_ahead - ahead) < SOME_SECONDS


def test_a_token_that_never_ends_ends_at_the_horizon(
    convai: Any, learner: Any, log_in: Any
) -> None:
    convai.set(expiration_format="far")

    shown = log_in().json()["convai"]["expirationTime"]

    horizon = datetime.now(UTC) + app_settings.REVOKE_HORIZON
    assert abs(datetime.fromisoformat(shown) - horizon) < SOME_SECONDS
